package filetypes

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/python"
)

// manager starts a sandbox with the installed packages.
func manager(t *testing.T) *sandbox.Manager {
	t.Helper()
	interpreter, packages := environment(t)
	m, err := sandbox.New(t.Context(), sandbox.Config{Python: interpreter, Packages: packages, Dir: t.TempDir(), Pool: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// run runs a cell that must end well and returns its text and its result.
func run(t *testing.T, m *sandbox.Manager, key string, cell sandbox.Cell) (string, sandbox.Result) {
	t.Helper()
	result, err := m.Run(t.Context(), key, cell)
	if err != nil {
		t.Fatal(err)
	}
	if result.Status != sandbox.StatusOK {
		t.Fatalf("status %s, notice %q, output:\n%s", result.Status, result.Notice, result.Text())
	}
	return result.Text(), result
}

// Every documented file type can be opened under its name, and comes back from the sandbox byte by byte.
func TestCasesInTheSandbox(t *testing.T) {
	m := manager(t)
	for _, c := range Cases() {
		t.Run(c.File, func(t *testing.T) {
			data, err := c.Data()
			if err != nil {
				t.Fatal(err)
			}
			defer m.Kill(c.File)
			input := sandbox.Input{ID: "file-" + strings.NewReplacer(".", "").Replace(c.File), Name: c.File, Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(data)), nil
			}}
			got, result := run(t, m, c.File, sandbox.Cell{Code: c.Python, Inputs: []sandbox.Input{input}})
			if diff := gocmp.Diff(c.Want, strings.TrimSuffix(got, "\n")); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if len(result.Files) != 0 {
				t.Errorf("reading left files: %v", result.Files)
			}

			// By its id too, and into a folder.
			code := fmt.Sprintf("import os, shutil\nos.mkdir('/mnt/data/out')\nshutil.copyfile('/mnt/data/%s', 'out/copy%s')", input.ID, c.Ext)
			_, result = run(t, m, c.File, sandbox.Cell{Code: code, Inputs: []sandbox.Input{input}})
			path := "out/copy" + c.Ext
			if len(result.Files) != 1 || result.Files[0].Path != path || result.Files[0].Size != int64(len(data)) {
				t.Fatalf("files: got %v, want one, %s of %d bytes", result.Files, path, len(data))
			}
			f, err := m.Open(c.File, path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			back, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back, data) {
				t.Errorf("%s came back with %d bytes that are not the %d that went in", c.File, len(back), len(data))
			}
		})
	}
}

func TestUsesInTheSandbox(t *testing.T) {
	m := manager(t)
	for _, u := range Uses() {
		t.Run(u.Name, func(t *testing.T) {
			defer m.Kill(u.Name)
			got, _ := run(t, m, u.Name, sandbox.Cell{Code: u.Python})
			if diff := gocmp.Diff(u.Want, strings.TrimSuffix(got, "\n")); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

var pin = regexp.MustCompile(`(?m)^(\S+)==(\S+)`)

// importAll imports every module of the distribution named by the cell before it, and says what went wrong.
const importAll = `
import importlib, importlib.metadata
distribution = importlib.metadata.distribution(name)
modules = {f.parts[0].split(".")[0] for f in distribution.files if f.suffix in (".py", ".so") and f.parts[0].isascii() and not f.parts[0].endswith((".libs", ".dist-info"))}
modules -= {"", "bin"}
for module in sorted(modules):
    importlib.import_module(module)
print(distribution.version, len(modules) > 0)
`

// Every package of the lock is there in the version of the lock, and all its modules can be imported.
func TestEveryLockedPackageIsImportable(t *testing.T) {
	interpreter, _ := environment(t)
	in, _, err := pyenv.Find(t.Context(), interpreter)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := python.Lock(in.ABI)
	if err != nil {
		t.Fatal(err)
	}
	pins := pin.FindAllStringSubmatch(lock, -1)
	if len(pins) < 60 {
		t.Fatalf("the lock has %d packages: was it read?", len(pins))
	}
	m := manager(t)
	for i, p := range pins {
		t.Run(p[1], func(t *testing.T) {
			// A few in each session: as in life, and so that they need not all fit in its memory.
			key := fmt.Sprint("imports-", i/20)
			got, _ := run(t, m, key, sandbox.Cell{Code: fmt.Sprintf("name = %q\n", p[1]) + importAll})
			if want := p[2] + " True"; strings.TrimSpace(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A session must not be able to change what every other session imports.
func TestPackagesAreReadOnly(t *testing.T) {
	m := manager(t)
	got, _ := run(t, m, "writer", sandbox.Cell{Code: `
import os, pandas
try:
    open(os.path.join(os.path.dirname(pandas.__file__), "planted.py"), "w")
except OSError as e:
    print("refused")
print(os.path.exists(pandas.__cached__))
`})
	if want := "refused\nTrue\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	_, packages := environment(t)
	if planted, err := filepath.Glob(filepath.Join(packages, "*", "planted.py")); err != nil || len(planted) > 0 {
		t.Errorf("planted: %v, error %v", cmp.Or(strings.Join(planted, " "), "nothing"), err)
	}
}
