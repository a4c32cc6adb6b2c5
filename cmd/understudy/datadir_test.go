package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDataDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some", "data")
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	d, err := openDataDir(path, logger)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o700, d.database(): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %o", name, info.Mode(), err, want)
		}
	}
	if _, err := openDataDir(path, logger); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v for a folder in use", err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", log.String())
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if d, err = openDataDir(path, logger); err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if !strings.Contains(log.String(), "chmod go-rw "+path) {
		t.Errorf("no word of an open folder in %q", log.String())
	}
}
