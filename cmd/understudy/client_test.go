package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

// awaitLine reads r until a line contains want, and the rest of it in the
// background, so that who writes never blocks.
func awaitLine(t *testing.T, r io.Reader, want string) {
	t.Helper()
	found := make(chan bool, 1)
	var before strings.Builder // read by the test only after the writer has ended
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			before.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), want) {
				found <- true
				io.Copy(io.Discard, r)
				return
			}
		}
		found <- false
	}()
	if !<-found {
		t.Fatalf("no line with %q in\n%s", want, before.String())
	}
}

func TestReadEvents(t *testing.T) {
	const stream = ": a comment\n\nevent: thread.run.created\ndata: {\"id\":1}\n\nevent:done\ndata:[DONE]\n\nevent: cut\ndata: {}\n"
	var got []understudy.Event
	for event, err := range readEvents(strings.NewReader(stream)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, event)
	}
	want := []understudy.Event{
		{Name: "thread.run.created", Data: []byte(`{"id":1}`)},
		{Name: "done", Data: []byte("[DONE]")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestScreen(t *testing.T) {
	var b strings.Builder
	s := newScreen(&b)
	s.title("A %s", "part")
	s.say("user", green, "hello")
	s.say("assistant", "", "line one\nline ")
	s.say("assistant", "", "")
	s.say("assistant", "", "two \x1b]0;title\a\tend")
	s.note("done")
	want := "\n== A part\nuser\n   hello\nassistant\n   line one\n   line two ]0;title\tend\n   done\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("screen (-want +got):\n%s", diff)
	}
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}
