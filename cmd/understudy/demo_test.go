package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
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

// TestDemoFails checks that the demo does not pass over what did not happen.
func TestDemoFails(t *testing.T) {
	flags := realPython(t)
	tests := []struct{ name, script, want string }{
		{"no code", "{when: {user: 3x}, then: [{say: It is 1.}]}", "no code was run"},
		{"no chart", "{when: {user: chart}, then: [{say: Imagine one.}]}", "no chart came back"},
		{"no call", "{when: {user: weather}, then: [{say: Fine.}]}", "was not called"},
		{"failed run", "{when: {user: 3x}, then: [{error: {status: 400, message: no such model}}]}", "no such model"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "script.yaml")
			if err := os.WriteFile(script, []byte("scenes: ["+test.script+"]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr strings.Builder
			args := append([]string{"demo", "--model", "rehearsal", "--rehearsal", script, "--out", t.TempDir(), "--log-level", "error"}, flags...)
			code := run(t.Context(), program{getenv: noEnv, stdout: &stdout, stderr: &stderr}, args)
			if code != exitFailure || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d, want %d; stderr without %q:\n%s", code, exitFailure, test.want, stderr.String())
			}
		})
	}
}

// TestServeEndsSessions checks that a deleted thread takes its code session
// along.
func TestServeEndsSessions(t *testing.T) {
	url, _ := start(t, program{getenv: noEnv}, append([]string{"--model", "rehearsal"}, realPython(t)...)...)
	c := &client{base: url, key: "any", http: &http.Client{}}
	var assistant understudy.Assistant
	if err := c.call(t.Context(), http.MethodPost, "/assistants", object{"model": "m", "tools": []object{codeInterpreter()}}, &assistant); err != nil {
		t.Fatal(err)
	}
	body := object{
		"assistant_id": assistant.ID, "stream": true,
		"thread": object{"messages": []object{{"role": "user", "content": "Please solve 3x + 11 = 14."}}},
	}
	var run understudy.Run
	for event, err := range c.stream(t.Context(), "/threads/runs", body) {
		if err != nil {
			t.Fatal(err)
		}
		if event.Name.EndsStream() {
			decode(t, event.Data, &run)
		}
	}
	if run.Status != understudy.RunCompleted {
		t.Fatalf("the run is %s: %+v", run.Status, run.LastError)
	}
	if live, ended := sessions(t, url); live != 1 || ended != 0 {
		t.Errorf("%d sessions live and %d ended, want 1 and 0", live, ended)
	}
	if err := c.call(t.Context(), http.MethodDelete, "/threads/"+run.ThreadID, nil, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond) // the session ends in the background
	defer tick.Stop()
	for live := 1; live > 0; live, _ = sessions(t, url) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the session is still there")
		}
	}
}

// sessions asks the server how many code sessions are live and have ended.
func sessions(t *testing.T, url string) (live, ended int) {
	t.Helper()
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var health struct {
		Sandbox struct {
			Sessions struct {
				Live  int            `json:"live"`
				Ended map[string]int `json:"ended"`
			} `json:"sessions"`
		} `json:"sandbox"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	for _, n := range health.Sandbox.Sessions.Ended {
		ended += n
	}
	return health.Sandbox.Sessions.Live, ended
}

func TestSetupPrintsEnv(t *testing.T) {
	flags := realPython(t)
	var stdout, stderr strings.Builder
	args := append([]string{"setup", "--print-env", "--data", t.TempDir()}, flags...)
	if code := run(t.Context(), program{getenv: noEnv, stdout: &stdout, stderr: &stderr}, args); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	want := "UNDERSTUDY_TEST_PACKAGES='" + flags[3] + "'\n"
	if !strings.HasPrefix(stdout.String(), "export UNDERSTUDY_TEST_PYTHON='/") || !strings.HasSuffix(stdout.String(), want) {
		t.Errorf("got %q, want %q at the end", stdout.String(), want)
	}
}
