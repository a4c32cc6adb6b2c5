// Package sdk runs the official SDKs, at pinned versions, against the built
// server: the suites that their makers generate for every endpoint, where a
// package index carries them, and programs that do real work — the samples of
// the two documents the project comes from, the SDK's own examples, and programs
// of ours (testdata).
//
// Everything is fetched when the tests run, into UNDERSTUDY_TEST_CACHE or the
// user's cache folder. What passes is written to the table in the README by
//
//	make sdks
package sdk

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	harness "github.com/understudy-dev/understudy/internal/e2e/program"
)

var writeTable = flag.Bool("table", false, "write the results to the table of the README")

// programTimeout bounds one program, which takes a few seconds.
const programTimeout = 2 * time.Minute

// proves is what is lost when tests are skipped.
const proves = "the proof that clients work"

// suiteTimeout bounds one generated suite, and what has to be compiled for it.
const suiteTimeout = 8 * time.Minute

// A sdk is one version of a client library.
type sdk struct {
	language string
	pkg      string // as its index calls it
	version  string
	suite    bool // its index carries the generated suite
	programs []program
}

func (s sdk) String() string { return s.language + " " + s.pkg + " " + s.version }

// A program is one program for some versions of an SDK.
type program struct {
	name    string
	dialect string
	what    string // its line below the table
}

// commonPrograms exist in every language.
var commonPrograms = []program{
	{"polling", "v2", "Runs by polling: code, files, figures, functions"},
	{"streaming", "v2", "Streams: the SDK's helpers, raw events, functions on the way"},
	{"objects", "v2", "Every object made, read, changed, listed page by page and deleted; locks and errors"},
	{"search", "v2", "Vector stores; file search in runs, with citations and results"},
	{"uploads", "v2", "Files sent in parts"},
	{"azure", "Azure", "The clients for Azure"},
}

// sdks are the rows of the table: one of every major version at least that has the
// Assistants API, the last that speaks version 1 of it, and a recent one.
var sdks = []sdk{
	{language: "Python", pkg: "openai", version: "3.52.0", suite: true, programs: pythonPrograms},
	{language: "Python", pkg: "openai", version: "3.3.1", suite: true, programs: pythonPrograms},
	{language: "Python", pkg: "openai", version: "2.54.0", suite: true, programs: pythonPrograms},
	{language: "Python", pkg: "openai", version: "1.109.1", suite: true, programs: pythonPrograms},
	{language: "Python", pkg: "openai", version: "1.20.0", programs: pythonV1Programs},
	{language: "Node", pkg: "openai", version: "7.55.0", programs: commonPrograms},
	{language: "Node", pkg: "openai", version: "7.5.0", programs: commonPrograms},
	{language: "Node", pkg: "openai", version: "6.0.0", programs: commonPrograms},
	{language: "Node", pkg: "openai", version: "5.0.0", programs: commonPrograms},
	{language: "Node", pkg: "openai", version: "4.104.0", programs: commonPrograms},
	{language: "Node", pkg: "openai", version: "4.36.0", programs: nodeV1Programs},
	{language: "Node", pkg: "@azure/openai-assistants", version: "1.0.0-beta.6", programs: azureNodePrograms},
	{language: "Go", pkg: "openai-go/v3", version: "v3.95.0", suite: true, programs: commonPrograms},
	{language: "Go", pkg: "openai-go/v3", version: "v3.52.0", suite: true, programs: commonPrograms},
}

// of returns the SDKs of a language.
func of(language string) []sdk {
	return slices.DeleteFunc(slices.Clone(sdks), func(s sdk) bool { return s.language != language })
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
	if binary, err = harness.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	address, stop, err := harness.Serve(binary, dir, "--conformance")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	conformance = address + "/v1"
	code := m.Run()
	if log, _ := stop(); code != 0 { // it tells more than how the server ended
		fmt.Fprintf(os.Stderr, "the log of the server in conformance mode:\n%s\n", tail(log, 4000))
	}
	text, err := table()
	if err != nil && !*writeTable || code != 0 { // not everything ran, or passed
		return code
	}
	if err == nil {
		err = compareReadme(text, *writeTable)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runPrograms runs the programs of an SDK against a server. command gives the command line of one
// and what its environment has beside that of every program.
func runPrograms(t *testing.T, srv server, s sdk, command func(t *testing.T, p program) (args, env []string)) {
	for _, p := range s.programs {
		t.Run(p.name, func(t *testing.T) {
			args, env := command(t, p)
			out, err := execute(t, srv, env, args...)
			if err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, tail(out, 4000))
			}
			recordProgram(s, p, err == nil)
		})
	}
}

// execute runs a program in a folder of its own and returns what it printed.
func execute(t *testing.T, srv server, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	dir := t.TempDir()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(bareEnv(dir), []string{
		"OPENAI_BASE_URL=" + srv.url + "/v1", "OPENAI_API_KEY=any",
		"AZURE_OPENAI_ENDPOINT=" + srv.url, "AZURE_OPENAI_API_KEY=any",
		"UNDERSTUDY_CONFORMANCE=" + conformance, "UNDERSTUDY_HTTPS=" + srv.https, "UNDERSTUDY_CERTIFICATE=" + srv.certificate,
	}, env)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// bareEnv is an environment with nothing of this process's but the search path,
// lest the settings of who runs the tests decide about them.
func bareEnv(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8"}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// seeds returns the folder of the two documents the project comes from.
func seeds(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("UNDERSTUDY_SEEDS")
	if dir == "" {
		root, err := harness.Module()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(root, "..", "shared", "seeds")
	}
	_, err := os.Stat(dir)
	harness.Need(t, "the two documents (UNDERSTUDY_SEEDS)", proves, err == nil)
	return dir
}
