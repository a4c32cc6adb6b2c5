package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realPython returns the flags that name a prepared Python environment, which
// `understudy setup --print-env` puts into the test's environment.
func realPython(t *testing.T) []string {
	t.Helper()
	python, packages := os.Getenv("UNDERSTUDY_TEST_PYTHON"), os.Getenv("UNDERSTUDY_TEST_PACKAGES")
	if python == "" || packages == "" {
		const why = "no prepared Python: `make test` sets UNDERSTUDY_TEST_PYTHON and UNDERSTUDY_TEST_PACKAGES"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return []string{"--python", python, "--packages", packages}
}

// TestDemo plays the demo with the rehearsal model and real code.
func TestDemo(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo")
	var stdout, stderr strings.Builder
	args := append([]string{"demo", "--model", "rehearsal", "--out", out, "--data", t.TempDir()}, realPython(t)...)
	if code := run(t.Context(), program{getenv: noEnv, stdout: &stdout, stderr: &stderr}, args); code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr is not empty:\n%s", stderr.String())
	}
	for _, want := range []string{
		"rehearsal model", "x = 1", "getNickname {\"location\":\"Los Angeles\"}", "getCurrentWeather: 22C",
		"saved " + filepath.Join(out, "chart-1.png"),
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
	for _, name := range []string{"chart-1.png", "summary.csv"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestDoctor runs doctor where code can be run.
func TestDoctor(t *testing.T) {
	var stdout, stderr strings.Builder
	args := append([]string{"doctor", "--model", "rehearsal", "--data", t.TempDir()}, realPython(t)...)
	if code := run(t.Context(), program{getenv: noEnv, stdout: &stdout, stderr: &stderr}, args); code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	if !strings.Contains(stdout.String(), "running code: works") {
		t.Errorf("code does not run in\n%s", stdout.String())
	}
}
