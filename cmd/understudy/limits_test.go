package main

import (
	"cmp"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy"
)

// findLimits is a script whose code says what it has: room, and the seconds until it is stopped.
const findLimits = `
scenes:
  - when: {tool: code_interpreter}
    then:
      - call:
          - name: code_interpreter
            args:
              code: |
                import os, time
                s, began = os.statvfs("/mnt/data"), time.monotonic()
                try:
                    while True: time.sleep(0.01)
                except KeyboardInterrupt:
                    print("room", s.f_blocks * s.f_frsize >> 20, "time", time.monotonic() - began, "end")
      - say: Done.
`

// TestLimitsPrecedence has a run, its thread and its assistant ask for limits: of each kind
// the one counts that is on the first of them, whatever is on the others.
func TestLimitsPrecedence(t *testing.T) {
	dir := t.TempDir()
	script, config := filepath.Join(dir, "limits.yaml"), filepath.Join(dir, "config.yaml")
	const settings = "sandbox: {limits: {data_bytes: 8MiB, cell_timeout: 7s}, max_limits: {data_bytes: 64MiB}}"
	for file, text := range map[string]string{script: findLimits, config: settings} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := start(t, program{getenv: noEnv}, append([]string{"--model", "rehearsal", "--rehearsal", script, "--config", config}, realPython(t)...)...)
	c := &client{base: url, key: "any", http: &http.Client{}}
	for _, test := range []struct {
		name              string
		assistant, thread understudy.Metadata
		runs              []understudy.Metadata // one after the other in the thread
		want              [][2]int              // MiB of room, and seconds
		told              string
	}{
		{
			name: "nobody asks", runs: []understudy.Metadata{nil}, want: [][2]int{{8, 7}},
		},
		{
			name: "assistant", assistant: asking("32m", "5s"), runs: []understudy.Metadata{nil}, want: [][2]int{{32, 5}},
		},
		{
			name: "thread, run, thread", assistant: asking("32m", "5s"), thread: asking("16m", "3s"),
			runs: []understudy.Metadata{nil, asking("48m", "1s"), nil}, want: [][2]int{{16, 3}, {48, 1}, {16, 3}},
		},
		{
			name: "one kind each", assistant: asking("32m", "5s"), thread: asking("16m", ""), runs: []understudy.Metadata{asking("", "1s"), asking("4m", "")},
			want: [][2]int{{16, 1}, {4, 5}},
		},
		{
			name: "too much on the first", assistant: asking("32m", ""), thread: asking("1g", "1s"), runs: []understudy.Metadata{nil},
			want: [][2]int{{64, 1}}, told: "It allows: at most 64 MiB in /mnt/data.",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var assistant understudy.Assistant
			body := object{"model": "m", "tools": []object{codeInterpreter()}, "metadata": test.assistant}
			if err := c.call(t.Context(), http.MethodPost, "/assistants", body, &assistant); err != nil {
				t.Fatal(err)
			}
			var thread understudy.Thread
			if err := c.call(t.Context(), http.MethodPost, "/threads", object{"metadata": test.thread}, &thread); err != nil {
				t.Fatal(err)
			}
			var told strings.Builder
			for i, metadata := range test.runs {
				room, seconds, text := limitsOf(t, c, thread.ID, object{
					"assistant_id": assistant.ID, "metadata": metadata, "stream": true,
					"additional_messages": []object{{"role": "user", "content": "What do you have?"}},
				})
				if got := [2]int{room, seconds}; got != test.want[i] {
					t.Errorf("run %d: got %v MiB and seconds, want %v", i+1, got, test.want[i])
				}
				told.WriteString(text)
			}
			if !strings.Contains(told.String(), cmp.Or(test.told, "interrupted")) || (test.told == "") != !strings.Contains(told.String(), "It allows") {
				t.Errorf("want %q in what is told: %s", test.told, told.String())
			}
		})
	}
}

func asking(room, timeout string) understudy.Metadata {
	m := understudy.Metadata{}
	for key, value := range map[string]string{"code_interpreter.data_bytes": room, "code_interpreter.timeout": timeout} {
		if value != "" {
			m[key] = value
		}
	}
	return m
}

// limitsOf does a run and returns what its code found, seconds to the next odd number.
func limitsOf(t *testing.T, c *client, thread string, run object) (room, seconds int, text string) {
	t.Helper()
	var all strings.Builder
	for event, err := range c.stream(t.Context(), "/threads/"+thread+"/runs", run) {
		if err != nil {
			t.Fatal(err)
		}
		all.Write(event.Data)
	}
	found := regexp.MustCompile(`room (\d+) time ([\d.]+) end`).FindStringSubmatch(all.String())
	if found == nil {
		t.Fatalf("the code found nothing: %s", all.String())
	}
	room, _ = strconv.Atoi(found[1])
	exact, _ := strconv.ParseFloat(found[2], 64)
	return room, 2*int(math.Round((exact-1)/2)) + 1, all.String()
}
