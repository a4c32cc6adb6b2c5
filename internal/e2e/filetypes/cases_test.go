package filetypes

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// environment returns the interpreter and the folder of packages that internal/pyenv installed, as the caller of the
// tests names them.
func environment(t *testing.T) (python, packages string) {
	t.Helper()
	python, packages = os.Getenv("UNDERSTUDY_TEST_PYTHON"), os.Getenv("UNDERSTUDY_TEST_PACKAGES")
	if python != "" && packages != "" {
		return python, packages
	}
	const why = "UNDERSTUDY_TEST_PYTHON and UNDERSTUDY_TEST_PACKAGES do not name an installed python environment"
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip("NOTHING TESTED: " + why)
	return
}

// The documentation's table, row by row; .py and .xml have two types each.
func TestCasesAreTheDocumentedTable(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`.c .cpp .csv .docx .html .java .json .md .pdf .php .pptx .py .py .rb .tex .txt
		.css .jpeg .jpg .js .gif .png .tar .ts .xlsx .xml .xml .zip`)
	slices.Sort(want)
	var got []string
	files := map[string]bool{}
	for _, c := range Cases() {
		got = append(got, c.Ext)
		if filepath.Ext(c.File) != c.Ext || files[c.File] {
			t.Errorf("%s %s: sample %s has another extension or serves another type too", c.Ext, c.MIME, c.File)
		}
		files[c.File] = true
		if data, err := c.Data(); err != nil || len(data) == 0 {
			t.Errorf("%s: %d bytes, error %v", c.File, len(data), err)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("extensions (-want +got):\n%s", diff)
	}
	entries, err := fs.ReadDir(samples, "samples")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !files[e.Name()] && e.Name() != "make.py" {
			t.Errorf("samples/%s is no case's", e.Name())
		}
	}
}

// The snippets are right wherever the packages are: what fails in the sandbox only is the sandbox's fault.
func TestSnippetsWithoutTheSandbox(t *testing.T) {
	t.Parallel()
	python, packages := environment(t)
	dir := t.TempDir()
	var script strings.Builder
	script.WriteString("import sys\nsys.path.insert(0, sys.argv[1])\n")
	snippets := allSnippets(t)
	for _, s := range snippets {
		if s.file != "" {
			if err := os.WriteFile(filepath.Join(dir, s.file), s.data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		script.WriteString("print('" + separator + "')\n" + s.python)
	}
	cmd := exec.CommandContext(t.Context(), python, "-I", "-B", "-c", script.String(), packages)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "MPLCONFIGDIR="+t.TempDir(), "TMPDIR="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	for i, got := range strings.Split(string(out), separator+"\n")[1:] {
		if diff := cmp.Diff(snippets[i].want, strings.TrimSuffix(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", snippets[i].name, diff)
		}
	}
}

// snippet is a Case or a Use.
type snippet struct {
	name, python, want string
	file               string // "" for a Use
	data               []byte
}

func allSnippets(t *testing.T) []snippet {
	t.Helper()
	var all []snippet
	for _, c := range Cases() {
		data, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, snippet{name: c.File, python: c.Python, want: c.Want, file: c.File, data: data})
	}
	for _, u := range Uses() {
		all = append(all, snippet{name: u.Name, python: u.Python, want: u.Want})
	}
	return all
}

const separator = "----------------"
