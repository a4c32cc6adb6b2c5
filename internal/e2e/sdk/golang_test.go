package sdk

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const goModule = "github.com/openai/openai-go/v3"

// goSums are the checksums of the versions of the Go SDK, as go.sum has them.
var goSums = map[string]string{
	"v3.95.0": "h1:vLQK28puLVWBHEVFv3lC8bntaTlMoakX8FPGWlUouqI=",
	"v3.52.0": "h1:VDSjIvI5Sr2/AzGJI6219sM2Il+zBWuopvluMy6KdjE=",
}

// The generated suite's tests of the Assistants API, in the module's root.
var goSuite = []string{
	"betaassistant_test.go", "betathread_test.go", "betathreadmessage_test.go", "betathreadrun_test.go",
	"betathreadrunstep_test.go", "file_test.go", "upload_test.go", "uploadpart_test.go",
	"vectorstore_test.go", "vectorstorefile_test.go", "vectorstorefilebatch_test.go",
}

func TestGo(t *testing.T) {
	t.Parallel()
	for _, s := range of("Go") {
		t.Run(s.version, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			module := goSource(t, s)
			bin := buildGoPrograms(t, module)
			t.Run("suite", func(t *testing.T) { runGoSuite(t, module, s) })
			runPrograms(t, srv, s, func(t *testing.T, p program) (args, env []string) {
				return []string{bin, p.name}, []string{"SSL_CERT_FILE=" + srv.certificate}
			})
		})
	}
}

// goSource returns a folder with the module of the SDK, unpacked where the go
// command takes it for the main module.
func goSource(t *testing.T, s sdk) string {
	t.Helper()
	return cachedBy(t, filepath.Join("go", "openai-go-"+s.version), func(tmp string) {
		var module struct{ Zip, Sum, Error string }
		out := fetch(t, tmp, "go", "mod", "download", "-json", goModule+"@"+s.version)
		if err := json.Unmarshal(out, &module); err != nil || module.Error != "" {
			t.Fatalf("go mod download: %v\n%s", err, out)
		}
		if module.Sum != goSums[s.version] {
			t.Fatalf("checksum of %s: got %s, want %s", s.version, module.Sum, goSums[s.version])
		}
		r, err := zip.OpenReader(module.Zip)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, f := range r.File {
			if err := unzip(tmp, strings.TrimPrefix(f.Name, goModule+"@"+s.version+"/"), f); err != nil {
				t.Fatal(err)
			}
		}
		fetch(t, tmp, "go", "list", "-deps", ".", "./azure") // all that it needs
	})
}

func unzip(dir, name string, f *zip.File) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	if _, err := out.ReadFrom(in); err != nil {
		return err
	}
	return out.Close()
}

// buildGoPrograms builds the programs of testdata/go as if they lay in the SDK's
// module: its go.sum says what they need, and the SDK, which takes the compiler
// half a minute, is compiled once for them and the suite.
func buildGoPrograms(t *testing.T, module string) string {
	t.Helper()
	sources, err := filepath.Glob(absolute(t, "testdata/go/*.go"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	replace := map[string]string{}
	for _, source := range sources {
		replace[filepath.Join(module, "understudyprograms", filepath.Base(source))] = source
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "programs")
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bin, "./understudyprograms")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func runGoSuite(t *testing.T, module string, s sdk) {
	args := slices.Concat([]string{"test", "-json", "-count=1", "-vet=off"}, goSuite)
	out, err := suiteCommand(t, module, os.Environ(), "go", args...).Output()
	tests, parseErr := parseGoTest(out)
	if parseErr != nil {
		t.Fatalf("%v: %v\n%s", err, parseErr, tail(string(out), 4000))
	}
	recordSuite(t, s, tests)
}
