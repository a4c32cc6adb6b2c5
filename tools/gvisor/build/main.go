// Command build builds runsc from gVisor's module, at the version that go.mod names, into
// the file that is its argument. It changes a copy of the module in two ways, so that
// sandboxes are restored faster:
//   - System call filters are compiled beforehand, as in gVisor's own releases.
//   - The pages of a checkpoint are read and written by two threads and not by 128. Ours
//     are in memory, where many threads gain nothing and take the processors from the one
//     that restores everything else.
//
// It must run in the folder of its module, on the architecture that it builds for. A
// build that fails leaves the file as it was.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const module = "gvisor.dev/gvisor"

func main() {
	log.SetFlags(0)
	log.SetPrefix("build: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: build <file>")
	}
	if os.Args[1] == printFilters {
		filters, err := compile()
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(filters)
		}
		if err != nil {
			log.Fatal(err)
		}
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	err = errors.Join(build(ctx, dir, out), os.RemoveAll(dir))
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// build builds runsc into the file out, from copies of what it is made of in dir, which
// is an empty folder.
func build(ctx context.Context, dir, out string) error {
	if err := change(ctx, filepath.Join(dir, "module")); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(dir, "runsc"), os.DirFS("runsc")); err != nil {
		return err
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	requirements, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	requirements = fmt.Appendf(requirements, "\nreplace %s => ./module\n", module)
	err = errors.Join(os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600), os.WriteFile(filepath.Join(dir, "go.mod"), requirements, 0o600))
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./runsc")
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "PWD="+dir)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}

// change makes a changed copy of the module in the folder source.
func change(ctx context.Context, source string) error {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Stderr = os.Stderr
	original, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	if err := os.CopyFS(source, os.DirFS(strings.TrimSpace(string(original)))); err != nil {
		return err
	}
	filters, err := compileElsewhere(ctx)
	if err != nil {
		return err
	}
	const register = "\tprecompiledPrograms = programs\n"
	for _, edit := range []struct{ file, old, new string }{
		{"runsc/boot/filter/filter_precompiled.go", register, statement(filters.Sentry) + register},
		{"runsc/fsgofer/filter/filter_precompiled.go", register, statement(filters.Gofer) + register},
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
