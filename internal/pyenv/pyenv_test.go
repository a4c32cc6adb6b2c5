package pyenv

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wheel is a package that a test makes.
type wheel struct {
	name string // of the package and of its only module
	data []byte
}

// newWheel makes a wheel whose module says what version it is, with further lines of metadata. It carries tests, which
// must not be installed.
func newWheel(t *testing.T, name string, metadata ...string) wheel {
	t.Helper()
	info := name + "-1.0.dist-info/"
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, f := range []struct{ name, text string }{
		{name + "/__init__.py", "version = '1.0'\n"},
		{name + "/tests/__init__.py", ""},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n" + strings.Join(metadata, "\n") + "\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "entry_points.txt", "[console_scripts]\n" + name + " = " + name + ":main\n"},
		{info + "RECORD", ""},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return wheel{name: name, data: buf.Bytes()}
}

func (w wheel) file() string { return w.name + "-1.0-py3-none-any.whl" }

// pin is the wheel's line in a lock.
func (w wheel) pin() string {
	sum := sha256.Sum256(w.data)
	return w.name + "==1.0 \\\n    --hash=sha256:" + hex.EncodeToString(sum[:]) + "\n"
}

// offer configures pip, as a user would, to find the wheels and nothing else.
func offer(t *testing.T, wheels ...wheel) {
	t.Helper()
	dir := t.TempDir()
	for _, w := range wheels {
		if err := os.WriteFile(filepath.Join(dir, w.file()), w.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "pip.conf")
	if err := os.WriteFile(config, []byte("[global]\nno-index = true\nfind-links = "+dir+"\nuser = true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	configure(t, config)
}

// configure makes the file at path pip's whole configuration.
func configure(t *testing.T, path string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PIP_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			t.Setenv(name, "") // so that it is restored
			os.Unsetenv(name)
		}
	}
	t.Setenv("PIP_CONFIG_FILE", path)
}

// interpreter is the machine's Python.
func interpreter(t *testing.T) Interpreter {
	t.Helper()
	in, refused, err := Find(t.Context(), "")
	if err == nil {
		return in
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skipf("NOTHING TESTED: no usable python on this machine: %v", refused)
	return in
}

// logs collects a logger's lines.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) count(msg string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), msg)
}

// logger returns a logger for o and what it writes.
func logger() (*slog.Logger, *logs) {
	l := new(logs)
	return slog.New(slog.NewTextHandler(l, nil)), l
}

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// run runs code with the environment's packages.
func (e Env) run(t *testing.T, code string) string {
	t.Helper()
	cmd := exec.Command(e.Python, "-I", "-c", "import sys; sys.path.insert(0, sys.argv[1])\n"+code, e.Packages)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", code, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestPrepare(t *testing.T) {
	in := interpreter(t)
	a, b := newWheel(t, "alpha"), newWheel(t, "beta")
	offer(t, a, b)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PATH", filepath.Dir(in.Path)) // pip asks any rustc on PATH for its version, and a shim of rustup writes to HOME
	dir := t.TempDir()
	log, lines := logger()
	var progress bytes.Buffer
	o := Options{DataDir: dir, Python: in.Path, Requirements: a.pin() + b.pin(), Progress: &progress, Logger: log}

	if _, err := Lookup(o); !errors.Is(err, ErrNotPrepared) {
		t.Errorf("Lookup before Prepare: got %v, want ErrNotPrepared", err)
	}
	env, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := Env{
		Python: in.Path, Version: in.Version, Lock: hash(o.Requirements),
		Packages: filepath.Join(dir, "python", hash(o.Requirements)[:16]+"-"+in.ABI+"-"+in.Machine, "site-packages"),
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("Prepare (-want +got):\n%s", diff)
	}
	if got, want := env.run(t, "import alpha, beta; print(alpha.version, beta.version, alpha.__cached__)"), "1.0 1.0 "+env.Packages; !strings.HasPrefix(got, want) {
		t.Errorf("import: got %q, want %q…", got, want)
	}
	if got, want := names(t, env.Packages), []string{"alpha", "alpha-1.0.dist-info", "beta", "beta-1.0.dist-info"}; !slices.Equal(got, want) {
		t.Errorf("packages: got %q, want %q", got, want)
	}
	if got, want := names(t, filepath.Join(env.Packages, "alpha")), []string{"__init__.py", "__pycache__"}; !slices.Equal(got, want) {
		t.Errorf("alpha: got %q, want %q", got, want)
	}
	if got, want := len(names(t, filepath.Join(env.Packages, "alpha", "__pycache__"))), 1; got != want {
		t.Errorf("compiled files: got %d, want %d", got, want)
	}
	if got, want := names(t, filepath.Join(dir, "python")), []string{filepath.Base(filepath.Dir(env.Packages)), "lock"}; !slices.Equal(got, want) {
		t.Errorf("left in the data folder: got %q, want %q", got, want)
	}
	if got := names(t, home); len(got) != 0 {
		t.Errorf("left in HOME: %q", got)
	}
	for _, want := range []string{"downloading, 0 of 2", "compiling", "writing to disk"} {
		if !strings.Contains(progress.String(), want) {
			t.Errorf("progress: no %q in\n%s", want, progress.String())
		}
	}

	// Again: at once, quietly, and without a process, so without a PATH too.
	progress.Reset()
	t.Setenv("PATH", "")
	for name, prepare := range map[string]func() (Env, error){
		"Prepare": func() (Env, error) { return Prepare(t.Context(), o) },
		"Lookup":  func() (Env, error) { return Lookup(o) },
	} {
		got, err := prepare()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s again (-want +got):\n%s", name, diff)
		}
	}
	if progress.Len() != 0 {
		t.Errorf("progress of nothing: %q", progress.String())
	}
	if got, want := lines.count("installing python packages"), 1; got != want {
		t.Errorf("installations: got %d, want %d", got, want)
	}
}

// The sandbox may run as a user who is neither the server's nor of its group.
func TestPrepareOpensTheFilesToEveryUser(t *testing.T) {
	in := interpreter(t)
	a := newWheel(t, "alpha")
	offer(t, a)
	// The umask is the process's; a child has its own.
	script := filepath.Join(t.TempDir(), "python3")
	wrapper := fmt.Sprintf("#!/bin/sh\numask 077\ncase \"$1$2$3\" in -I-B-c) %q \"$@\" | sed 's|\"executable\": \"[^\"]*\"|\"executable\": \"%s\"|';; *) exec %q \"$@\";; esac\n", in.Path, script, in.Path)
	if err := os.WriteFile(script, []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	env, err := Prepare(t.Context(), Options{DataDir: t.TempDir(), Python: script, Requirements: a.pin()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := env.Python, script; got != want {
		t.Fatalf("python: got %s, want %s: the test's umask was not used", got, want)
	}
	filepath.WalkDir(filepath.Dir(env.Packages), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o444)
		if e.IsDir() {
			want = 0o555
		}
		if got := info.Mode().Perm() & want; got != want {
			t.Errorf("%s: mode %v, want at least %v", path, info.Mode(), want)
		}
		return nil
	})
}

func TestPrepareRefusesWhatTheLockDoesNot(t *testing.T) {
	in := interpreter(t)
	a, b := newWheel(t, "alpha"), newWheel(t, "beta")
	tampered := a
	tampered.data = append(bytes.Clone(a.data), 0)
	for _, test := range []struct {
		name         string
		offered      []wheel
		requirements string
		want         string
	}{
		{"another content", []wheel{tampered}, a.pin(), "hash"},
		{"no hash", []wheel{a}, "alpha==1.0\n", "hash"},
		{"not offered", []wheel{b}, a.pin(), "alpha==1.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			offer(t, test.offered...)
			o := Options{DataDir: t.TempDir(), Python: in.Path, Requirements: test.requirements}
			_, err := Prepare(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if _, err := Lookup(o); !errors.Is(err, ErrNotPrepared) {
				t.Errorf("Lookup: got %v, want ErrNotPrepared", err)
			}
			if got, want := names(t, filepath.Join(o.DataDir, "python")), []string{"cache", "lock"}; !slices.Equal(got, want) {
				t.Errorf("left: got %q, want %q", got, want)
			}
		})
	}
}

func TestPrepareConcurrently(t *testing.T) {
	in := interpreter(t)
	a := newWheel(t, "alpha")
	offer(t, a)
	log, lines := logger()
	o := Options{DataDir: t.TempDir(), Python: in.Path, Requirements: a.pin(), Logger: log}
	envs := make([]Env, 4)
	errs := make([]error, len(envs))
	var wg sync.WaitGroup
	for i := range envs {
		wg.Go(func() { envs[i], errs[i] = Prepare(t.Context(), o) })
	}
	wg.Wait()
	for i := range envs {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if diff := cmp.Diff(envs[0], envs[i]); diff != "" {
			t.Errorf("environment %d (-first +this):\n%s", i, diff)
		}
	}
	if got, want := lines.count("installing python packages"), 1; got != want {
		t.Errorf("installations: got %d, want %d", got, want)
	}
}

// An installation that was cut off goes on from what it had downloaded.
func TestPrepareResumes(t *testing.T) {
	in := interpreter(t)
	a, b := newWheel(t, "alpha"), newWheel(t, "beta")
	var fetchedA, fetchedB atomic.Int32
	stuck, cancel := context.WithCancel(t.Context())
	defer cancel()
	mux := http.NewServeMux()
	for _, w := range []wheel{a, b} {
		mux.HandleFunc("GET /simple/"+w.name+"/", func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(rw, `<html><body><a href="/files/%s">%[1]s</a></body></html>`, w.file())
		})
	}
	serve := func(rw http.ResponseWriter, w wheel) {
		rw.Header().Set("Cache-Control", "max-age=3600")
		rw.Header().Set("Content-Length", fmt.Sprint(len(w.data)))
		rw.Write(w.data)
	}
	mux.HandleFunc("GET /files/"+a.file(), func(rw http.ResponseWriter, r *http.Request) {
		fetchedA.Add(1)
		serve(rw, a)
	})
	mux.HandleFunc("GET /files/"+b.file(), func(rw http.ResponseWriter, r *http.Request) {
		if fetchedB.Add(1) == 1 {
			cancel() // by now alpha is complete
			<-r.Context().Done()
			return
		}
		serve(rw, b)
	})
	index := httptest.NewServer(mux)
	defer index.Close()
	config := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(config, []byte("[global]\nindex-url = "+index.URL+"/simple\ntrusted-host = "+index.Listener.Addr().String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	configure(t, config)

	o := Options{DataDir: t.TempDir(), Python: in.Path, Requirements: a.pin() + b.pin()}
	if _, err := Prepare(stuck, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: got %v, want context.Canceled", err)
	}
	// A killed process leaves more than a cancelled one.
	if err := os.MkdirAll(filepath.Join(o.DataDir, "python", buildingName, "result", packagesName, "rubbish"), 0o755); err != nil {
		t.Fatal(err)
	}
	env, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := env.run(t, "import alpha, beta; print(alpha.version, beta.version)"), "1.0 1.0"; got != want {
		t.Errorf("import: got %q, want %q", got, want)
	}
	if got, want := []int32{fetchedA.Load(), fetchedB.Load()}, []int32{1, 2}; !slices.Equal(got, want) {
		t.Errorf("downloads of alpha and beta: got %d, want %d", got, want)
	}
	if got := names(t, env.Packages); slices.Contains(got, "rubbish") {
		t.Errorf("packages: got %q, with what the killed installation left", got)
	}
}

func TestPrepareRemovesOldEnvironments(t *testing.T) {
	in := interpreter(t)
	a, b, c := newWheel(t, "alpha"), newWheel(t, "beta"), newWheel(t, "gamma")
	offer(t, a, b, c)
	dir := t.TempDir()
	prepare := func(requirements string) Env {
		t.Helper()
		env, err := Prepare(t.Context(), Options{DataDir: dir, Python: in.Path, Requirements: requirements})
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	held := prepare(a.pin())
	release, err := held.Hold()
	if err != nil {
		t.Fatal(err)
	}
	dropped := prepare(b.pin())
	last := prepare(c.pin())

	exists := func(e Env) bool { _, err := os.Stat(e.Packages); return err == nil }
	if got, want := []bool{exists(held), exists(dropped), exists(last)}, []bool{true, false, true}; !slices.Equal(got, want) {
		t.Errorf("held, dropped, last exist: got %v, want %v", got, want)
	}
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	prepare(b.pin())
	if got, want := []bool{exists(held), exists(dropped), exists(last)}, []bool{false, true, false}; !slices.Equal(got, want) {
		t.Errorf("after the release held, dropped, last exist: got %v, want %v", got, want)
	}
	if _, err := held.Hold(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Hold on a removed environment: got %v, want fs.ErrNotExist", err)
	}
}

// An update of the interpreter that keeps its ABI needs no installation, but a new look at it.
func TestPrepareAfterAnInterpreterUpdate(t *testing.T) {
	in := interpreter(t)
	a := newWheel(t, "alpha")
	offer(t, a)
	log, lines := logger()
	o := Options{DataDir: t.TempDir(), Python: in.Path, Requirements: a.pin(), Logger: log}
	env, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(env.Packages)
	rec, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	rec.Version, rec.Size = "3.0.0", rec.Size+1
	if err := rec.write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Lookup(o); !errors.Is(err, ErrNotPrepared) {
		t.Errorf("Lookup: got %v, want ErrNotPrepared", err)
	}
	again, err := Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(env, again); diff != "" {
		t.Errorf("Prepare (-before +after):\n%s", diff)
	}
	if got, want := lines.count("installing python packages"), 1; got != want {
		t.Errorf("installations: got %d, want %d", got, want)
	}
}

// A server that is killed leaves pip running: the next one has to wait for it.
func TestLockIsHeldByTheChildren(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), lockName)
	lock, err := acquire(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	building := t.TempDir()
	if err := os.Mkdir(filepath.Join(building, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := build{lock: lock}
	child := b.command(t.Context(), building, "cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lock.Close()

	once, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := acquire(once, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with the child alive: got %v, want context.Canceled", err)
	}
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	lock, err = acquire(once, path, nil)
	if err != nil {
		t.Fatalf("with the child gone: %v", err)
	}
	lock.Close()
}
