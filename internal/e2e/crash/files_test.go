package crash

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy"
	harness "github.com/understudy-dev/understudy/internal/e2e/program"
	"github.com/understudy-dev/understudy/internal/store"
)

// script runs a message as code and says what comes out, or links to a file.
const script = `
scenes:
  - when: {user: {matches: '^link (?P<name>.*)$'}}
    then:
      - say: 'Here it is: [file](sandbox:/mnt/data/{{.match.name}})'
  - when: {user: {matches: '(?s)^(?P<code>.*)$'}, tool: code_interpreter}
    then:
      - call:
          - name: code_interpreter
            args: {code: '{{.match.code}}'}
      - say: '{{.output}}'
`

// coder is a server that runs messages as code, and one assistant.
type coder struct {
	t             *testing.T
	program, data string
	flags         []string
	*server
	assistant understudy.Assistant
}

func newCoder(t *testing.T, config string) *coder {
	harness.NeedPython(t, "that the files of code sessions outlive the server")
	dir := t.TempDir()
	c := &coder{t: t, program: build(t), data: filepath.Join(dir, "data")}
	for name, text := range map[string]string{"script.yaml": script, "config.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.flags = []string{"--config", filepath.Join(dir, "config.yaml"), "--model", "rehearsal", "--rehearsal", filepath.Join(dir, "script.yaml"),
		"--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES")}
	c.start()
	c.call("POST", "/assistants", map[string]any{"model": "rehearsal", "tools": []any{map[string]any{"type": "code_interpreter"}}}, &c.assistant)
	return c
}

func (c *coder) start() { c.server = start(c.t, c.program, c.data, "http://127.0.0.1:1", c.flags...) }

func (c *coder) restart() {
	c.kill()
	c.start()
}

func (c *coder) thread() string {
	var th understudy.Thread
	c.call("POST", "/threads", map[string]any{}, &th)
	return th.ID
}

// begin has a message answered.
func (c *coder) begin(thread, text string) (r understudy.Run) {
	c.t.Helper()
	var m understudy.Message
	c.call("POST", "/threads/"+thread+"/messages", map[string]any{"role": "user", "content": text}, &m)
	c.call("POST", "/threads/"+thread+"/runs", map[string]any{"assistant_id": c.assistant.ID}, &r)
	return r
}

// end returns the answer of a run.
func (c *coder) end(r understudy.Run) understudy.Text {
	c.t.Helper()
	waitFor(c.t, "run "+r.ID, func() bool {
		c.call("GET", "/threads/"+r.ThreadID+"/runs/"+r.ID, nil, &r)
		return r.Status.Terminal()
	})
	var messages understudy.List[understudy.Message]
	c.call("GET", "/threads/"+r.ThreadID+"/messages?limit=1", nil, &messages)
	if r.Status != understudy.RunCompleted || len(messages.Data) != 1 || len(messages.Data[0].Content) == 0 {
		c.t.Fatalf("run %s is %s (%v) and wrote %+v", r.ID, r.Status, r.LastError, messages.Data)
	}
	return *messages.Data[0].Content[0].Text
}

// says checks that the answer to a message has all the parts.
func (c *coder) says(thread, text string, parts ...string) {
	c.t.Helper()
	got := c.end(c.begin(thread, text)).Value
	for _, part := range parts {
		if !strings.Contains(got, part) {
			c.t.Errorf("%s: got %q, want %q in it", text, got, part)
		}
	}
}

// blobs returns what is kept of code sessions.
func (c *coder) blobs() []string {
	names, err := filepath.Glob(filepath.Join(c.data, "files", "work_*"))
	if err != nil {
		c.t.Fatal(err)
	}
	return names
}

// TestFilesOutliveTheServer finds a thread's files again after another thread has
// taken its session's place, and after the server was killed, and nothing of them
// once the thread is deleted.
func TestFilesOutliveTheServer(t *testing.T) {
	c := newCoder(t, "sandbox: {max_sessions: 1, pool: 1}")
	a, b := c.thread(), c.thread()
	c.says(a, "x = 1; open('a.txt', 'w').write('one')", "3")
	c.says(b, "open('a.txt')", "FileNotFoundError")
	c.says(a, "open('a.txt').read(), 'x' in globals()", "('one', False)", "fresh session", "kept")
	c.says(a, "x = open('a.txt', 'w').write('three'); x", "5")
	c.restart()

	answer := c.end(c.begin(a, "link a.txt"))
	if len(answer.Annotations) != 1 || answer.Annotations[0].FilePath == nil {
		t.Fatalf("got %+v, want a link to a file", answer)
	}
	if got := c.content(answer.Annotations[0].FilePath.FileID); got != "three" {
		t.Errorf("linked file: got %q, want three", got)
	}
	c.says(a, "open('a.txt').read(), 'x' in globals()", "('three', False)", "fresh session", "kept")
	c.says(b, "1 + 1", "2", "fresh session") // it has no files, but it had variables

	if len(c.blobs()) == 0 {
		t.Fatal("no blob is kept")
	}
	var gone understudy.Deleted
	c.call("DELETE", "/threads/"+a, nil, &gone)
	waitFor(t, "the files of the deleted thread to go", func() bool { return len(c.blobs()) == 0 })
}

func (c *coder) content(id string) string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), "GET", c.url+"/v1/files/"+id+"/content", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer test")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// TestKilledWhileSaving kills the server again and again while it saves many files
// that all hold the same number. Whenever that is, the database names whole files
// of one moment, and the run goes on from there.
func TestKilledWhileSaving(t *testing.T) {
	const files = 60
	count := fmt.Sprintf(`
import os
n = int(open('0').read(8)) + 1 if os.path.exists('0') else 1
for i in range(%d):
    open(str(i), 'w').write(f'{n:08}' * 5000)
n`, files)
	c := newCoder(t, "sandbox: {pool: 1}")
	th := c.thread()
	c.says(th, count, "1")
	for round := range 5 {
		before := len(c.blobs())
		run := c.begin(th, count)
		if round > 0 { // the first time it dies at once
			waitFor(t, "a save", func() bool {
				writing, _ := filepath.Glob(filepath.Join(c.data, "files", "tmp", "*"))
				return len(writing) > 0 || len(c.blobs()) != before
			})
		}
		c.kill()
		t.Logf("round %d: killed with %d blobs", round, len(c.blobs()))
		c.checkKept(th, files)
		c.start()
		c.end(run)
	}
	c.says(th, "len({open(str(i)).read() for i in range(60)})", "1")
}

// checkKept reads what is kept of a thread from the folder of a server that is not
// running: all of the files, whole, and with the same content.
func (c *coder) checkKept(thread string, files int) {
	c.t.Helper()
	db, err := store.Open(c.t.Context(), store.Config{Path: filepath.Join(c.data, "understudy.db")})
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.WorkspaceFiles(c.t.Context(), thread)
	if err != nil || len(rows) != files {
		c.t.Fatalf("got %d files, %v, want %d", len(rows), err, files)
	}
	contents := map[string]bool{}
	for _, f := range rows {
		b, err := os.ReadFile(filepath.Join(c.data, "files", f.Blob))
		if err != nil || int64(len(b)) < f.Start+f.Size {
			c.t.Fatalf("%s: %v, or %d bytes are too few", f.Path, err, len(b))
		}
		contents[string(b[f.Start:f.Start+f.Size])] = true
	}
	if len(contents) != 1 {
		c.t.Errorf("the files have %d contents, want one", len(contents))
	}
}
