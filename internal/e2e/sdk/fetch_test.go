package sdk

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// cached returns the folder called so in the cache and, if there is none, makes
// it by running the commands that make gives for a temporary folder beside it.
func cached(t *testing.T, name string, commands func(tmp string) [][]string) string {
	t.Helper()
	return cachedBy(t, name, func(tmp string) {
		for _, args := range commands(tmp) {
			fetch(t, tmp, args...)
		}
	})
}

// cachedBy is cached with a function that fills the temporary folder.
func cachedBy(t *testing.T, name string, fill func(tmp string)) string {
	t.Helper()
	dir := filepath.Join(cacheRoot(), name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".fetch-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	fill(tmp)
	if err := os.Rename(tmp, dir); err != nil {
		if _, exists := os.Stat(dir); exists != nil { // another process may have been first
			t.Fatal(err)
		}
	}
	return dir
}

// cacheRoot is where what is fetched is kept between runs.
func cacheRoot() string {
	if dir := os.Getenv("UNDERSTUDY_TEST_CACHE"); dir != "" {
		return dir
	}
	user, err := os.UserCacheDir()
	if err != nil { // no home
		user = os.TempDir()
	}
	return filepath.Join(user, "understudy-test")
}

// fetch runs a command that needs a package index and returns what it printed.
// Who has none is told so; in CI that is a failure.
func fetch(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var errors []byte
		if exit, ok := err.(*exec.ExitError); ok {
			errors = exit.Stderr
		}
		report := t.Skipf
		if os.Getenv("CI") == "true" {
			report = t.Fatalf
		}
		report("SKIPPED: cannot fetch the SDK: %v: %v\n%s%s", args, err, out, errors)
	}
	return out
}
