package understudy_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/understudy-dev/understudy"

// rooms lists every package and what of this module it may import: the
// directions of docs/design.md. A new package has to be entered here.
var rooms = map[string][]string{
	".":                          {},
	"python":                     {},
	"internal/blob":              {"."},
	"internal/entra":             {"."},
	"internal/model":             {},
	"internal/model/modeltest":   {},
	"internal/pyenv":             {"python"},
	"internal/sandbox":           {},
	"internal/sandbox/attacks":   {},
	"internal/search":            {},
	"internal/store":             {"."},
	"internal/wheels":            {},
	"internal/wheels/wheelstest": {},
	"internal/engine":            {".", "internal/model", "internal/sandbox", "internal/search", "internal/store"},
	"internal/api":               {".", "internal/blob", "internal/store"},
	"internal/bench":             {"internal/bench/measure"},
	"internal/bench/measure":     {},
	"internal/bench/sessions":    {"internal/bench/measure", "internal/sandbox"},
	"internal/bench/soak":        {"internal/bench/measure", "internal/sandbox", "internal/sandbox/attacks"},
	"internal/e2e/contract":      {},
	"internal/e2e/crash":         {},
	"internal/e2e/differences":   {},
	"internal/e2e/filetypes":     {},
	"internal/e2e/program":       {},
	"internal/e2e/replay":        {},
	"internal/e2e/sdk":           {},
	"cmd/understudy": {
		".", "internal/api", "internal/blob", "internal/engine", "internal/entra", "internal/model", "internal/pyenv",
		"internal/sandbox", "internal/sandbox/attacks", "internal/store", "internal/wheels",
	},
}

// testRooms says what tests may import in addition.
var testRooms = map[string][]string{
	"internal/model":         {"internal/model/modeltest"},
	"internal/engine":        {"internal/blob", "internal/model/modeltest"},
	"internal/e2e/contract":  {"internal/api", "internal/e2e/differences", "internal/e2e/program"},
	"internal/api":           {"internal/engine", "internal/entra", "internal/model", "internal/model/modeltest", "internal/sandbox"},
	"internal/e2e/crash":     {".", "internal/e2e/program", "internal/model/modeltest", "internal/store"},
	"internal/sandbox":       {"internal/sandbox/attacks", "internal/wheels", "internal/wheels/wheelstest"},
	"internal/wheels":        {"internal/wheels/wheelstest"},
	"internal/e2e/filetypes": {"internal/pyenv", "internal/sandbox", "python"},
	"internal/e2e/replay":    {"internal/e2e/differences", "internal/e2e/program"},
	"internal/e2e/sdk":       {"internal/e2e/program"},
}

// stdlibOnly are the packages that import nothing from outside this module.
var stdlibOnly = []string{".", "python", "internal/blob", "internal/model/modeltest"}

// Budgets of size, and who may exceed them for a reason.
const (
	maxFileLines = 700
	maxFuncLines = 100
)

var (
	longFiles = map[string]string{}
	longFuncs = map[string]string{"internal/e2e/filetypes.writers": "a table of programs, one after the other"}
)

// A source is a Go file of this module.
type source struct {
	path string // with slashes, from the root
	dir  string // the package's key in rooms
	text []byte
	file *ast.File
}

func (s *source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// house is the whole module, parsed.
func house(t *testing.T) (*token.FileSet, []*source) {
	t.Helper()
	fset := token.NewFileSet()
	var sources []*source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); name != "." && (err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		sources = append(sources, &source{path: name, dir: path.Dir(name), text: text, file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, sources
}

func TestImportDirections(t *testing.T) {
	_, sources := house(t)
	seen := map[string]bool{}
	for _, s := range sources {
		seen[s.dir] = true
		allowed, ok := rooms[s.dir]
		if !ok {
			t.Errorf("%s: package %s is not entered in rooms", s.path, s.dir)
			continue
		}
		if s.test() {
			allowed = slices.Concat(allowed, testRooms[s.dir], []string{s.dir})
		}
		for _, spec := range s.file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if own, ok := ownPackage(imported); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which rooms does not allow", s.path, own)
			} else if !ok && !s.test() && slices.Contains(stdlibOnly, s.dir) && strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("%s imports %s: the package is for the standard library only", s.path, imported)
			}
		}
	}
	for dir := range rooms {
		if !seen[dir] {
			t.Errorf("package %s is entered in rooms and does not exist", dir)
		}
	}
}

// ownPackage returns the key in rooms of an import path of this module.
func ownPackage(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func TestPackagesAreDocumented(t *testing.T) {
	_, sources := house(t)
	documented := map[string]bool{}
	for _, s := range sources {
		if !s.test() {
			documented[s.dir] = documented[s.dir] || s.file.Doc != nil
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	fset, sources := house(t)
	for _, s := range sources {
		if s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no comment", fset.Position(decl.Pos()), name)
			}
		}
	}
}

// undocumented returns the exported names that decl declares without a comment.
// In a group, the comment of the group counts for all.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func TestSizes(t *testing.T) {
	fset, sources := house(t)
	for _, s := range sources {
		if n := bytes.Count(s.text, []byte("\n")); n > maxFileLines && longFiles[s.path] == "" {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFileLines)
		}
		if s.test() {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			if name := s.dir + "." + f.Name.Name; n > maxFuncLines && longFuncs[name] == "" {
				t.Errorf("%s: %s has %d lines, more than %d", fset.Position(f.Pos()), name, n, maxFuncLines)
			}
		}
	}
}

// mark finds what somebody left to be done. Split, so as not to find itself.
var mark = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func TestNothingIsLeftToDo(t *testing.T) {
	_, sources := house(t)
	for _, s := range sources {
		for n, line := range strings.Split(string(s.text), "\n") {
			if m := mark.FindString(line); m != "" {
				t.Errorf("%s:%d: %s", s.path, n+1, m)
			}
		}
	}
}

// requirement is a line of go.mod that requires a module for this one's own code.
var requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w.-]+/\S+) v\S+$`)

func TestDependenciesAreDecisions(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	design, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := requirement.FindAllSubmatch(mod, -1)
	if len(direct) == 0 {
		t.Fatal("go.mod requires nothing: this test cannot read it any more")
	}
	for _, m := range direct {
		if !bytes.Contains(design, []byte("`"+string(m[1])+"`")) {
			t.Errorf("docs/design.md says nothing of the dependency %s", m[1])
		}
	}
	if bytes.Contains(mod, []byte("\ntoolchain ")) {
		t.Error("go.mod has a toolchain line")
	}
}

// docLink is a link in a doc comment to a package or name of this module:
// [engine], [engine.Engine.Start] or [Run].
var docLink = regexp.MustCompile(`\[([A-Za-z]\w*(?:\.\w+)*)\]`)

// TestTourLinks checks that what doc.go links to exists.
func TestTourLinks(t *testing.T) {
	_, sources := house(t)
	exists := map[string]bool{}   // packages, and names with their package's key before them
	byName := map[string]string{} // packages' keys
	var tour *ast.File
	for _, s := range sources {
		if s.path == "doc.go" {
			tour = s.file
		}
		if s.test() {
			continue
		}
		exists[s.dir] = true
		for _, decl := range s.file.Decls {
			for _, name := range declared(decl) {
				exists[s.dir+"."+name] = true
			}
		}
	}
	if tour == nil {
		t.Fatal("there is no doc.go")
	}
	for dir := range rooms {
		byName[path.Base(dir)] = dir
	}
	links := docLink.FindAllStringSubmatch(tour.Doc.Text(), -1)
	for _, m := range links {
		first, rest, qualified := strings.Cut(m[1], ".")
		key := "." + "." + m[1]
		if dir, ok := byName[first]; ok {
			key = dir
			if qualified {
				key += "." + rest
			}
		}
		if !exists[key] {
			t.Errorf("doc.go links to %s, which does not exist", m[1])
		}
	}
	if len(links) < 20 {
		t.Errorf("doc.go has %d links; it cannot be much of a tour", len(links))
	}
}

// declared returns the names that decl declares, methods with their type's.
func declared(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
		typ := d.Recv.List[0].Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		if name, ok := typ.(*ast.Ident); ok {
			return []string{name.Name + "." + d.Name.Name}
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
				names = append(names, fields(spec)...)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// fields returns the fields of a struct and the methods of an interface.
func fields(spec *ast.TypeSpec) []string {
	var list *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return nil
	}
	var names []string
	for _, f := range list.List {
		for _, name := range f.Names {
			names = append(names, spec.Name.Name+"."+name.Name)
		}
	}
	return names
}

// proof is the name of an attack, a test or a file in a document.
var proof = regexp.MustCompile("`((\\d\\d_\\w+)|((?:Test|Fuzz)\\w+)|(agent/\\w+\\.py|\\w+\\.go))`")

// TestSecurityPageNames checks that every attack, test and file exists that the page
// on security gives as proof.
func TestSecurityPageNames(t *testing.T) {
	const room = "internal/sandbox"
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sources := house(t)
	exists := map[string]bool{}
	for _, s := range sources {
		if s.dir == room {
			exists[path.Base(s.path)] = true
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.test() {
				exists[f.Name.Name] = true
			}
		}
	}
	for _, pattern := range []string{"attacks/code/[0-9]*.py", "agent/*.py"} {
		names, err := filepath.Glob(filepath.Join(room, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if folder := path.Dir(pattern); folder == "agent" {
				exists["agent/"+filepath.Base(name)] = true
			} else {
				exists[strings.TrimSuffix(filepath.Base(name), ".py")] = true
			}
		}
	}
	attacks, err := filepath.Glob(filepath.Join(room, "attacks/code/[0-9]*.py"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, name := range attacks {
		row, _, _ := strings.Cut(filepath.Base(name), "_")
		rows[row] = true
	}
	if sum := fmt.Sprintf(" %d attacks on %d rows of the threat model ", len(attacks), len(rows)); !strings.Contains(string(page), sum) {
		t.Errorf("docs/security.md does not say%sas doctor does", sum)
	}
	found := proof.FindAllStringSubmatch(string(page), -1)
	for _, m := range found {
		if !exists[m[1]] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
	if len(found) < 50 {
		t.Errorf("docs/security.md names %d proofs; it has lost its ground", len(found))
	}
}
