// Package replay plays recorded traffic of an SDK's own tests with the real
// service against the server, and compares the answers. What differs is listed,
// with the reason, in testdata/differences.txt.
package replay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/understudy-dev/understudy/internal/e2e/differences"
	"github.com/understudy-dev/understudy/internal/e2e/program"
)

// recordings returns the recordings to play, or nil if there are none here.
func recordings() ([]*recording, error) {
	pattern, err := program.Contract("recordings", "openai-dotnet", "*.json")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var all []*recording
	for _, file := range files {
		r, err := readRecording(file)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// start starts the server with a script for every recording, and returns its
// URL.
func start(t *testing.T, all []*recording) string {
	t.Helper()
	dir := t.TempDir()
	var flags []string
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
		flags = append(flags, "--rehearsal", file)
	}
	return program.Start(t, flags...)
}

// TestReplay expects the answers to be like the recorded ones, but for the
// differences that are listed, and all of those to be seen.
func TestReplay(t *testing.T) {
	all, err := recordings()
	if err != nil {
		t.Fatal(err)
	}
	const proves = "the comparison with the real service"
	program.Need(t, "recordings (UNDERSTUDY_CONTRACT)", proves, len(all) > 0)
	program.NeedPython(t, proves)
	list, err := differences.Read(filepath.Join("testdata", "differences.txt"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	url := start(t, all)
	played, answers := 0, 0
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			unlisted := map[string]bool{}
			report := func(d difference) {
				if key := d.where + d.kind; !list.Has(d.where, d.kind) && !unlisted[key] {
					unlisted[key] = true
					t.Errorf("%s", d)
				}
			}
			p := &player{t: t, url: url, rec: r, ids: map[string]string{}, walks: map[string]map[string]string{}, report: report}
			answers += p.play()
			played++
		})
	}
	t.Logf("%d recordings, %d answers compared", played, answers)
	if played < len(all) {
		return // the rest of the list may be about those that were not selected, or broke off
	}
	for _, line := range list.Stale() {
		t.Errorf("%s: this difference is gone: delete the line", line)
	}
}
