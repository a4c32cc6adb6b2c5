// Package program builds and starts the server for tests of the whole of it, and
// finds what else they need.
package program

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startTimeout is what a server may take to be ready.
const startTimeout = time.Minute

// Build builds the program into dir and returns its path.
func Build(dir string) (bin string, err error) {
	bin = filepath.Join(dir, "understudy")
	out, err := exec.Command("go", "build", "-o", bin, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
}

// Serve starts "serve" with its data in dir, the rehearsal model, the Python
// environment that the tests were given, and the given flags. It returns the
// server's URL once it is ready. stop must be called in the end: it stops the
// server, waits for it, and returns its log, and an error if it ended badly.
func Serve(bin, dir string, flags ...string) (url string, stop func() (log string, err error), err error) {
	ready := filepath.Join(dir, "ready")
	cmd := exec.Command(bin, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--ready-file", ready, "--no-setup", "--model", "rehearsal",
		"--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES"),
	}, flags...)...)
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	var outcome error
	go func() {
		outcome = cmd.Wait()
		close(ended)
	}()
	stop = func() (string, error) {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone already
		<-ended
		return output.String(), outcome
	}
	tick := time.NewTicker(20 * time.Millisecond) // another process: its file is all there is to wait for
	defer tick.Stop()
	deadline := time.After(startTimeout)
	for {
		if b, err := os.ReadFile(ready); err == nil {
			return strings.TrimSpace(string(b)), stop, nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return "", nil, fmt.Errorf("the server ended before it was ready: %v\n%s", outcome, output.String())
		case <-deadline:
			log, _ := stop()
			return "", nil, fmt.Errorf("the server is not ready after %v:\n%s", startTimeout, log)
		}
	}
}

// Start builds the program and starts it as [Serve] does, with its data in a new
// folder. The server is stopped when the test ends, which it fails if the server
// ended badly; its log is shown if the test failed.
func Start(t *testing.T, flags ...string) (url string) {
	t.Helper()
	dir := t.TempDir()
	bin, err := Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	return StartBuilt(t, bin, dir, flags...)
}

// StartBuilt is [Start] for a program that was built before, with its data in dir.
func StartBuilt(t *testing.T, bin, dir string, flags ...string) (url string) {
	t.Helper()
	url, stop, err := Serve(bin, dir, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		log, err := stop()
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if t.Failed() {
			t.Logf("server log:\n%s", log)
		}
	})
	return url
}

// Contract returns the path of what elem names in the folder of what is known
// about the hosted service: UNDERSTUDY_CONTRACT, or the one beside this module.
// It need not exist.
func Contract(elem ...string) (string, error) {
	root := os.Getenv("UNDERSTUDY_CONTRACT")
	if root == "" {
		module, err := Module()
		if err != nil {
			return "", err
		}
		root = filepath.Join(module, "..", "shared", "contract")
	}
	return filepath.Join(append([]string{root}, elem...)...), nil
}

// Module returns the folder with go.mod.
func Module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Need skips the test for want of something, and tells what is not proven
// without it. In CI it fails the test.
func Need(t *testing.T, what, proves string, have bool) {
	t.Helper()
	if have {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", what)
	}
	t.Skipf("SKIPPED, and with it %s: no %s", proves, what)
}

// NeedPython is [Need] for the Python environment that code is run with.
func NeedPython(t *testing.T, proves string) {
	t.Helper()
	Need(t, "Python environment (UNDERSTUDY_TEST_PYTHON, UNDERSTUDY_TEST_PACKAGES)", proves,
		os.Getenv("UNDERSTUDY_TEST_PYTHON") != "" && os.Getenv("UNDERSTUDY_TEST_PACKAGES") != "")
}
