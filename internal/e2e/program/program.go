// Package program builds and starts the server for tests of the whole of it.
package program

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startTimeout is what a server may take to be ready.
const startTimeout = 30 * time.Second

// Start builds the program and starts "serve" with its data in a new folder, the
// rehearsal model, the Python environment that the tests were given, and the
// given flags. It returns the server's URL. The server is stopped when the test
// ends, and its log is shown if the test failed.
func Start(t *testing.T, flags ...string) (url string) {
	t.Helper()
	dir := t.TempDir()
	bin, ready := filepath.Join(dir, "understudy"), filepath.Join(dir, "ready")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--ready-file", ready, "--no-setup", "--model", "rehearsal",
		"--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES"),
	}, flags...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone already
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if t.Failed() {
			t.Logf("server log:\n%s", log.String())
		}
	})
	tick := time.NewTicker(20 * time.Millisecond) // another process: its file is all there is to wait for
	defer tick.Stop()
	deadline := time.After(startTimeout)
	for {
		if b, err := os.ReadFile(ready); err == nil {
			return strings.TrimSpace(string(b))
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatal("the server ended before it was ready")
		case <-deadline:
			t.Fatalf("the server is not ready after %v", startTimeout)
		}
	}
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
