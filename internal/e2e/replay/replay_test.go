// Package replay plays recorded traffic of an SDK's own tests with the real
// service against the server, and compares the answers. What differs is listed,
// with the reason, in testdata/differences.txt.
package replay

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// later are patterns of recordings that are not played yet, and why.
var later = map[string]string{
	"VectorStoresTests__*":         "vector stores are not part of the replay yet",
	"UploadsTests__*":              "uploads in parts are not part of the replay yet",
	"AssistantsTests__FileSearch*": "file search is not part of the replay yet",
}

// recordings returns the recordings to play, or nil if there are none here.
func recordings() ([]*recording, error) {
	root := os.Getenv("UNDERSTUDY_CONTRACT")
	if root == "" {
		module, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		root = filepath.Join(module, "..", "shared", "contract")
	}
	files, err := filepath.Glob(filepath.Join(root, "recordings", "openai-dotnet", "*.json"))
	if err != nil {
		return nil, err
	}
	var all []*recording
	for _, file := range files {
		if reason(file) != "" {
			continue
		}
		r, err := readRecording(file)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// reason returns why the recording in a file is not played, or "".
func reason(file string) string {
	for pattern, why := range later {
		if ok, err := filepath.Match(pattern+".json", filepath.Base(file)); ok && err == nil {
			return why
		}
	}
	return ""
}

// moduleRoot returns the folder with go.mod.
func moduleRoot() (string, error) {
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
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = parent
	}
}

// need skips the test for want of something, or fails it in CI.
func need(t *testing.T, what string, have bool) {
	t.Helper()
	if have {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", what)
	}
	t.Skipf("SKIPPED, and with it the comparison with the real service: no %s", what)
}

// start builds and starts the server with a script for every recording, and
// returns its URL.
func start(t *testing.T, all []*recording) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "understudy")
	out, err := exec.Command("go", "build", "-o", program, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ready := filepath.Join(dir, "ready")
	args := []string{
		"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--ready-file", ready, "--no-setup", "--model", "rehearsal",
		"--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES"),
	}
	for _, r := range all {
		if len(r.models()) == 0 {
			continue
		}
		script, err := r.script()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, r.name+".yaml")
		if err := os.WriteFile(file, script, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--rehearsal", file)
	}
	cmd := exec.Command(program, args...)
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
	deadline := time.After(30 * time.Second)
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
			t.Fatal("the server is not ready after 30 s")
		}
	}
}

// TestReplay expects the answers to be like the recorded ones, but for the
// differences that are listed, and all of those to be seen.
func TestReplay(t *testing.T) {
	all, err := recordings()
	if err != nil {
		t.Fatal(err)
	}
	need(t, "recordings (UNDERSTUDY_CONTRACT)", len(all) > 0)
	need(t, "Python environment (UNDERSTUDY_TEST_PYTHON, UNDERSTUDY_TEST_PACKAGES)",
		os.Getenv("UNDERSTUDY_TEST_PYTHON") != "" && os.Getenv("UNDERSTUDY_TEST_PACKAGES") != "")
	list, err := readList(filepath.Join("testdata", "differences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, all)
	played, answers := 0, 0
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			unlisted := map[string]bool{}
			report := func(d difference) {
				if key := d.where + d.kind; !find(list, d) && !unlisted[key] {
					unlisted[key] = true
					t.Errorf("%s", d)
				}
			}
			p := &player{t: t, url: url, rec: r, ids: map[string]string{}, report: report}
			answers += p.play()
			played++
		})
	}
	t.Logf("%d recordings, %d answers compared", played, answers)
	if played < len(all) {
		return // the rest of the list may be about those that were not selected, or broke off
	}
	for l := range slices.Values(list) {
		if !l.used {
			t.Errorf("testdata/differences.txt:%d: this difference is gone: delete the line", l.line)
		}
	}
}
