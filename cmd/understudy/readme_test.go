package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReadmeCurl runs the README's example for curl, letter by letter but for
// the address.
func TestReadmeCurl(t *testing.T) {
	flags := realPython(t)
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no curl: ", err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "with curl:\n\n```sh\n")
	script, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README has no example for curl")
	}
	const address = "http://127.0.0.1:8080"
	if !strings.Contains(script, address) {
		t.Fatalf("the example does not ask %s:\n%s", address, script)
	}
	url, _ := start(t, program{getenv: noEnv}, append([]string{"--model", "rehearsal"}, flags...)...)
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.ReplaceAll(script, address, url))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"event: thread.run.step.delta", "x = 1", "event: thread.run.completed", "event: done\ndata: [DONE]"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
