package pyenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is what a usable interpreter says of itself, with some of it replaced.
func answer(executable string, replace ...string) string {
	text := fmt.Sprintf(`{"executable": %q, "implementation": "cpython", "version": [3, 13, 1], "bits": 64, "system": "linux", `+
		`"machine": "x86_64", "libc": "glibc", "free_threaded": false, "missing": []}`, executable)
	return strings.NewReplacer(replace...).Replace(text)
}

// fake writes a program that prints text and exits with status.
func fake(t *testing.T, path, text string, status int) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' '%s'\nexit %d\n", text, status) // built-ins only: PATH may be anything
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindSaysWhyACandidateIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		text   string
		status int
		want   string
	}{
		{"too old", answer("/p", "[3, 13, 1]", "[3, 9, 2]"), 0, "is version 3.9.2, not 3.11, 3.12 or 3.13"},
		{"too new", answer("/p", "[3, 13, 1]", "[3, 14, 0]"), 0, "is version 3.14.0, not 3.11, 3.12 or 3.13"},
		{"python 2", answer("/p", "[3, 13, 1]", "[2, 13, 1]"), 0, "is version 2.13.1, not 3.11, 3.12 or 3.13"},
		{"32 bits", answer("/p", "64,", "32,"), 0, "is a 32-bit build"},
		{"another machine", answer("/p", "x86_64", "riscv64"), 0, "runs on riscv64, not x86_64 or aarch64"},
		{"another system", answer("/p", "linux", "darwin"), 0, "runs on darwin, not linux"},
		{"pypy", answer("/p", "cpython", "pypy"), 0, "is pypy, not CPython"},
		{"musl", answer("/p", "glibc", "musl"), 0, "is linked with musl, not glibc"},
		{"free-threaded", answer("/p", "false", "true"), 0, "is a free-threaded build, for which the packages have no wheels"},
		{"minimal", answer("/p", "[]", `["_ctypes", "_lzma"]`), 0, "lacks standard modules: _ctypes, _lzma"},
		{"no path", answer(""), 0, "does not know its own path"},
		{"not a python", "hello", 0, "did not answer like a python"},
		{"silent", "", 0, "did not answer like a python"},
		{"failing", "", 3, "exit status 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "python3")
			fake(t, path, test.text, test.status)
			_, refused, err := Find(t.Context(), path)
			if !errors.Is(err, ErrNoInterpreter) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want ErrNoInterpreter with %q", err, test.want)
			}
			if diff := cmp.Diff([]Refused{{Path: path, Reason: test.want}}, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindRepeatsAComplaint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, stderr, want string }{
		{"of a shim", "python3: command not found\n\nNote: there are others.", "exit status 1: python3: command not found"},
		{"of python", "Traceback (most recent call last):\n  File 1\nImportError: no json", "exit status 1: ImportError: no json"},
		{"of great length", strings.Repeat("x", 201), "exit status 1: " + strings.Repeat("x", 200) + "…"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "python3")
			script := "#!/bin/sh\necho '" + test.stderr + "' >&2\nexit 1\n"
			if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			_, refused, _ := Find(t.Context(), path)
			if diff := cmp.Diff([]Refused{{Path: path, Reason: test.want}}, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindWithoutTheWantedFile(t *testing.T) {
	t.Parallel()
	_, refused, err := Find(t.Context(), filepath.Join(t.TempDir(), "python3"))
	if !errors.Is(err, ErrNoInterpreter) || !errors.Is(err, os.ErrNotExist) || len(refused) != 0 {
		t.Errorf("got %v and error %v, want ErrNoInterpreter and os.ErrNotExist", refused, err)
	}
}

func TestFindPrefers(t *testing.T) {
	open := t.TempDir()
	for dir := open; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && strings.HasPrefix(dir, os.TempDir()) && info.Mode()&0o001 == 0 {
			if err := os.Chmod(dir, info.Mode()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	shut := filepath.Join(open, "shut")
	if err := os.Mkdir(shut, 0o700); err != nil {
		t.Fatal(err)
	}
	binary := func(dir, name string) string { // what a shim stands for
		path := filepath.Join(dir, "real-"+name)
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old, broken := filepath.Join(open, "python3"), filepath.Join(open, "python3.13")
	fake(t, old, answer(binary(open, "old"), "[3, 13, 1]", "[3, 9, 0]"), 0)
	fake(t, broken, "version not installed", 127)
	good := binary(open, "good")
	fake(t, filepath.Join(open, "python3.12"), "a site customisation says hello\n"+answer(good, "[3, 13, 1]", "[3, 12, 4]"), 0)
	fake(t, filepath.Join(shut, "python3.13"), answer(binary(shut, "newest")), 0)

	t.Setenv("PATH", shut+":"+open)
	got, refused, err := Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Interpreter{Path: good, Version: "3.12.4", ABI: "cp312", Machine: "x86_64"}, got); diff != "" {
		t.Errorf("the one that every user can reach (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Refused{{Path: broken, Reason: "exit status 127"}}, refused[:1]); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	got, _, err = Find(t.Context(), "python3.13")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(shut, "real-newest"); got.Path != want {
		t.Errorf("the wanted: got %s, want %s", got.Path, want)
	}
}

func TestFindStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Find(ctx, "/bin/sh"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// Debian's python3 has neither pip nor ensurepip.
func TestPrepareBorrowsPip(t *testing.T) {
	in := interpreter(t)
	a := newWheel(t, "alpha", "Requires-Python: =="+in.Version) // of the sandbox's python, whoever runs pip
	for _, test := range []struct{ name, refuses string }{
		{"from a virtual environment", `"-m pip"*`},
		{"from another python", `"-m pip"*|"-I -m venv"*`},
	} {
		t.Run(test.name, func(t *testing.T) {
			offer(t, a)
			script := filepath.Join(t.TempDir(), "python3")
			wrapper := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in %s) echo 'No module named pip' >&2; exit 1;; \"-I -B -c\"*) "+
				"%q \"$@\" | sed 's|\"executable\": \"[^\"]*\"|\"executable\": \"%s\"|';; *) exec %[2]q \"$@\";; esac\n", test.refuses, in.Path, script)
			if err := os.WriteFile(script, []byte(wrapper), 0o755); err != nil {
				t.Fatal(err)
			}
			env, err := Prepare(t.Context(), Options{DataDir: t.TempDir(), Python: script, Requirements: a.pin()})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := env.run(t, "import alpha; print(alpha.version)"), "1.0"; got != want {
				t.Errorf("import: got %q, want %q", got, want)
			}
		})
	}
}
