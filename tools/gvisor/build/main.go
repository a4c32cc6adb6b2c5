// Command build builds runsc from gVisor's module, at the version that go.mod names, into
// the file that is its argument. It changes a copy of the module in two ways, so that
// sandboxes are restored faster:
//   - System call filters are compiled beforehand, as in gVisor's own releases.
//   - The pages of a checkpoint are read by two threads and not by 128. Ours are in
//     memory, where many threads gain nothing and take the processors from the one that
//     restores everything else.
//
// It must run in the folder of its module, on the architecture that it builds for.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "gvisor.dev/gvisor"

func main() {
	log.SetFlags(0)
	log.SetPrefix("build: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: build <file>")
	}
	if os.Args[1] == printFilters {
		encodeFilters(os.Stdout)
		return
	}
	out, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "gvisor")
	if err != nil {
		log.Fatal(err)
	}
	err = build(dir, out)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

// build builds runsc into the file out. dir is an empty folder.
func build(dir, out string) error {
	source := filepath.Join(dir, "module")
	if err := change(source); err != nil {
		return err
	}
	modfile, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	modfile = fmt.Appendf(modfile, "\nreplace %s => %s\n", module, source)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), modfile, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
		return err
	}
	command := exec.Command("go", "build", "-modfile", filepath.Join(dir, "go.mod"), "-trimpath", "-o", out, "./runsc")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}

// change makes a changed copy of the module in the folder source.
func change(source string) error {
	original, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	if err := os.CopyFS(source, os.DirFS(strings.TrimSpace(string(original)))); err != nil {
		return err
	}
	sentry, gofer, err := filters()
	if err != nil {
		return err
	}
	const register = "\tprecompiledPrograms = programs\n"
	for _, edit := range []struct{ file, old, new string }{
		{"runsc/boot/filter/filter_precompiled.go", register, sentry + register},
		{"runsc/fsgofer/filter/filter_precompiled.go", register, gofer + register},
		{"pkg/sentry/state/stateio/pagesfile.go", "pagesFileFDDefaultMaxParallel = 128\n", "pagesFileFDDefaultMaxParallel = 2\n"},
	} {
		if err := replace(filepath.Join(source, edit.file), edit.old, edit.new); err != nil {
			return err
		}
	}
	return nil
}

// replace replaces old in a file, where it has to be once.
func replace(file, old, new string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(old)); n != 1 {
		return fmt.Errorf("%s has %q %d times, and not once: gVisor is no longer what it was", file, old, n)
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(old), []byte(new), 1), 0o600)
}
