// Package sdk runs programs written for the official SDKs against the server, at
// pinned versions of the SDKs: the samples of the two documents the project
// comes from, the SDK's own examples, and programs of ours (testdata). What
// passes is written to the compatibility table of the README by
//
//	go test ./internal/e2e/sdk -table
package sdk

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var writeTable = flag.Bool("table", false, "write the results to the compatibility table of the README")

// pythonVersions are the SDK's last of every major version, and the last that
// has examples of its own for the API.
var pythonVersions = []string{"3.3.1", "2.54.0", "1.109.1", "1.82.0"}

var nodeVersions = []string{"7.5.0", "6.0.0", "5.0.0", "4.104.0"}

// examplesVersion is the last source distribution with examples of the API.
const examplesVersion = "1.82.0"

// programTimeout bounds one program, which takes about a second.
const programTimeout = 2 * time.Minute

// program is one program in one language: what it proves, and how it is run.
type program struct {
	name string // its file in testdata/LANGUAGE, without extension
	what string // its row in the table
}

var pythonPrograms = []program{
	{"seeds", "Samples of the Azure documentation, as printed"},
	{"polling", "Polling, code, files, figures, functions"},
	{"streaming", "Streaming helpers, raw and asynchronous streams"},
	{"objects", "Objects, lists, locks and errors"},
}

// server is the program under test.
var server struct {
	url string
	log bytes.Buffer
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "understudy-sdk-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stop, err := start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err, "\n", server.log.String())
		return 1
	}
	defer stop()
	return m.Run()
}

// start builds and starts the server, with the rehearsal model and, if the
// environment names its packages, the code interpreter.
func start(dir string) (stop func(), err error) {
	bin := filepath.Join(dir, "understudy")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	ready := filepath.Join(dir, "ready")
	args := []string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--model", "rehearsal", "--no-setup", "--ready-file", ready}
	if packages := os.Getenv("UNDERSTUDY_TEST_PACKAGES"); packages != "" {
		args = append(args, "--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", packages)
	}
	cmd := exec.Command(bin, args...)
	cmd.Stderr = &server.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone already
		_ = cmd.Wait()                       // its log tells more than its status
	}
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C { // another process: its file is all there is to wait for
		if b, err := os.ReadFile(ready); err == nil {
			server.url = strings.TrimSpace(string(b))
			return stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return nil, fmt.Errorf("the server is not ready after a minute")
		}
	}
}

// need skips the test for want of something, or fails it in CI.
func need(t *testing.T, what string, have bool) {
	t.Helper()
	if have {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", what)
	}
	t.Skipf("SKIPPED, and with it the proof that clients work: no %s", what)
}

// cache returns a folder for what is fetched, kept between runs.
func cache(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("UNDERSTUDY_TEST_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		root = filepath.Join(user, "understudy-test")
	}
	dir := filepath.Join(append([]string{root}, parts...)...)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fetch makes dir by running the commands that make gives for a temporary folder
// beside it, unless it exists.
func fetch(t *testing.T, dir string, commands func(tmp string) [][]string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".fetch-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	for _, args := range commands(tmp) {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = tmp
		if out, err := cmd.CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			t.Skipf("SKIPPED: cannot fetch the SDK: %v: %v\n%s", args, err, out)
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, exists := os.Stat(dir); exists != nil { // another process may have been first
			t.Fatal(err)
		}
	}
}

// python returns an interpreter that has pip.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("UNDERSTUDY_TEST_PYTHON"), "python3", "/usr/bin/python3"} {
		if name != "" && exec.Command(name, "-m", "pip", "--version").Run() == nil {
			return name
		}
	}
	need(t, "a python with pip", false)
	return ""
}

// execute runs a program in a folder of its own and reports whether it
// succeeded.
func execute(t *testing.T, env []string, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(),
		"OPENAI_BASE_URL="+server.url+"/v1", "OPENAI_API_KEY=any",
		"AZURE_OPENAI_ENDPOINT="+server.url, "AZURE_OPENAI_API_KEY=any",
		"PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore", "NODE_NO_WARNINGS=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, tail(string(out), 4000))
	}
	return err == nil
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// seeds returns the folder of the two documents the project comes from.
func seeds(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("UNDERSTUDY_SEEDS")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared", "seeds")
	}
	_, err := os.Stat(dir)
	need(t, "the two documents in "+dir, err == nil)
	return dir
}

// root returns the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestPython(t *testing.T) {
	need(t, "packages for the code interpreter (UNDERSTUDY_TEST_PACKAGES)", os.Getenv("UNDERSTUDY_TEST_PACKAGES") != "")
	interpreter := python(t)
	for _, version := range pythonVersions {
		t.Run(version, func(t *testing.T) {
			sdk := cache(t, "python", "openai-"+version)
			fetch(t, sdk, func(tmp string) [][]string {
				return [][]string{{interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", tmp, "openai==" + version}}
			})
			env := []string{"PYTHONPATH=" + sdk}
			for _, p := range pythonPrograms {
				t.Run(p.name, func(t *testing.T) {
					file, err := filepath.Abs(filepath.Join("testdata", "python", p.name+".py"))
					if err != nil {
						t.Fatal(err)
					}
					args := []string{interpreter, file}
					if p.name == "seeds" {
						args = append(args, seeds(t))
					}
					record("Python "+version, p.what, execute(t, env, args...))
				})
			}
			t.Run("examples", func(t *testing.T) { examples(t, interpreter, version, env) })
		})
	}
}

// examples runs the programs that the SDK's authors wrote.
func examples(t *testing.T, interpreter, version string, env []string) {
	dir := cache(t, "python", "examples-"+examplesVersion)
	fetch(t, dir, func(string) [][]string {
		return [][]string{
			{interpreter, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "openai", "openai==" + examplesVersion},
			{"tar", "-xzf", "openai-" + examplesVersion + ".tar.gz", "--strip-components=1"},
		}
	})
	ok := true
	for _, name := range []string{"assistant.py", "assistant_stream.py", "assistant_stream_helpers.py"} {
		t.Run(name, func(t *testing.T) {
			ok = execute(t, env, interpreter, filepath.Join(dir, "examples", name)) && ok
		})
	}
	record("Python "+version, "The SDK's own examples", ok)
}

func TestNode(t *testing.T) {
	need(t, "packages for the code interpreter (UNDERSTUDY_TEST_PACKAGES)", os.Getenv("UNDERSTUDY_TEST_PACKAGES") != "")
	_, err := exec.LookPath("npm")
	need(t, "node and npm", err == nil)
	for _, version := range nodeVersions {
		t.Run(version, func(t *testing.T) {
			sdk := cache(t, "node", "openai-"+version)
			fetch(t, sdk, func(tmp string) [][]string {
				return [][]string{{"npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", tmp, "openai@" + version}}
			})
			program := filepath.Join(t.TempDir(), "programs.mjs")
			if err := copyFile(program, filepath.Join("testdata", "node", "programs.mjs")); err != nil {
				t.Fatal(err)
			}
			// A module finds its packages beside itself or above.
			if err := os.Symlink(filepath.Join(sdk, "node_modules"), filepath.Join(filepath.Dir(program), "node_modules")); err != nil {
				t.Fatal(err)
			}
			record("Node "+version, "Polling, streaming, functions, files, lists, errors, Azure", execute(t, nil, "node", program, version))
		})
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// results collects what passed, for the table.
var results struct {
	mu   sync.Mutex
	rows []result
}

type result struct {
	sdk, what string
	ok        bool
}

func record(sdk, what string, ok bool) {
	results.mu.Lock()
	defer results.mu.Unlock()
	results.rows = append(results.rows, result{sdk, what, ok})
}

// TestTable comes last: it writes down what the others found.
func TestTable(t *testing.T) {
	if !*writeTable {
		return
	}
	if len(results.rows) == 0 {
		t.Fatal("nothing was tested")
	}
	var b strings.Builder
	b.WriteString("\n| SDK | passes | |\n|---|---|---|\n")
	for i := 0; i < len(results.rows); {
		sdk, passed, total := results.rows[i].sdk, 0, 0
		var failed []string
		for ; i < len(results.rows) && results.rows[i].sdk == sdk; i++ {
			if total++; results.rows[i].ok {
				passed++
			} else {
				failed = append(failed, results.rows[i].what)
			}
		}
		note := ""
		if len(failed) > 0 {
			note = "fails: " + strings.Join(failed, "; ")
		}
		fmt.Fprintf(&b, "| `openai` %s | %d of %d | %s |\n", sdk, passed, total, note)
	}
	b.WriteString("\n")
	readme := filepath.Join(root(t), "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- sdks:begin -->", "<!-- sdks:end -->"
	head, rest, ok := strings.Cut(string(text), begin)
	_, foot, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the README has no %s … %s", begin, end)
	}
	if err := os.WriteFile(readme, []byte(head+begin+b.String()+end+foot), 0o644); err != nil {
		t.Fatal(err)
	}
}
