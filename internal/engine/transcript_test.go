package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/engine"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// TestTranscripts plays testdata/*.txtar. The sections of a transcript are what
// the others do, a command a line, and the event log that must come of it:
//
//	-- run --     tools NAME…, parallel false, choice MODE|NAME, max_prompt N, max_completion N, failures N, metadata KEY VALUE
//	-- documents -- document NAME S (in the thread's vector store), results N, threshold X, expired
//	-- model --   turn, then its deltas: text S, refusal S, call ID NAME, args S (of the last call),
//	              usage PROMPT COMPLETION, finish REASON, error STATUS TEXT, hang
//	-- cells --   cell, then what comes of it: logs S, image, data S (a table), makes S (a file), status S, notice S, hang;
//	              code S and limits MEMORY CPU PROCESSES DATA TIMEOUT are what must be asked for
//	-- client --  what the client does when the stream ends or, for cancel, at an event:
//	              cancel EVENT, restart EVENT (of the server), delete_restart EVENT (the
//	              newest message before that), submit CALL=OUTPUT…, wait
//	-- want --    the events
//
// S is a Go string literal. All of it happens in virtual time.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no transcripts: ", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sections := make(map[string]*txtar.File)
			for i := range archive.Files {
				sections[archive.Files[i].Name] = &archive.Files[i]
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, sections) })
			if *update {
				sections["want"].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(sections["want"].Data), got); diff != "" {
				t.Errorf("event log (-want +got):\n%s", diff)
			}
		})
	}
}

// command is a line of a section.
type command struct {
	name string
	rest string
}

// text is the string literal that the command ends with.
func (c command) text(t testing.TB) string {
	s, err := strconv.Unquote(c.rest)
	if err != nil {
		t.Fatalf("%s %s: %v", c.name, c.rest, err)
	}
	return s
}

func (c command) int(t testing.TB) int {
	n, err := strconv.Atoi(c.rest)
	if err != nil {
		t.Fatalf("%s %s: %v", c.name, c.rest, err)
	}
	return n
}

func commands(f *txtar.File) (all []command) {
	if f == nil {
		return nil
	}
	for line := range strings.Lines(string(f.Data)) {
		if name, rest, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" {
			all = append(all, command{name, rest})
		}
	}
	return all
}

// blocks splits commands at those named head, which are dropped.
func blocks(all []command, head string) (bs [][]command) {
	for _, c := range all {
		if c.name == head {
			bs = append(bs, nil)
		} else {
			bs[len(bs)-1] = append(bs[len(bs)-1], c)
		}
	}
	return bs
}

func play(t *testing.T, sections map[string]*txtar.File) string {
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "understudy.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := engine.Config{
		Store:   db,
		Model:   &scriptedModel{t: t, turns: blocks(commands(sections["model"]), "turn")},
		Sandbox: &scriptedCells{t: t, cells: blocks(commands(sections["cells"]), "cell")},
		Files:   bytesOf(t),
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	run := newRun(t, commands(sections["run"]), &c)
	c.SweepInterval = time.Minute // what a transcript waits for comes without it
	p := &player{t: t, db: db, run: run, config: c}
	p.start()
	defer func() { p.stop() }()
	th := &understudy.Thread{ID: run.ThreadID, Object: "thread"}
	p.addDocuments(th, commands(sections["documents"]))
	question := &understudy.Message{ID: "msg_question", ThreadID: th.ID, Role: understudy.RoleUser, Status: understudy.MessageCompleted,
		Content: []understudy.Content{understudy.TextContent("question")}}
	if err := db.CreateRun(t.Context(), store.NewRun{Run: run, Thread: th, Messages: []*understudy.Message{question}}); err != nil {
		t.Fatal(err)
	}
	if p.expired {
		time.Sleep(2 * time.Second) // virtual
	}
	p.engine.Start(run.ID)
	return p.watch(commands(sections["client"]))
}

// player runs an engine and plays its client.
type player struct {
	t      testing.TB
	db     *store.DB
	run    *understudy.Run
	config engine.Config
	engine *engine.Engine
	stop   func()

	expired bool // the thread's vector store is, when the run starts
}

// start runs a new engine.
func (p *player) start() { p.engine, p.stop = startEngine(p.t, p.config) }

// addDocuments gives th a vector store with documents, and waits until they can be
// searched.
func (p *player) addDocuments(th *understudy.Thread, options []command) {
	if len(options) == 0 {
		return
	}
	t, ctx, at := p.t, p.t.Context(), time.Now().Unix()
	n := store.NewVectorStore{Store: &understudy.VectorStore{ID: "vs_1", Object: "vector_store", CreatedAt: at, LastActiveAt: at, Status: understudy.VectorStoreCompleted}}
	for _, o := range options {
		switch o.name {
		case "document":
			name, text, _ := strings.Cut(o.rest, " ")
			f := &understudy.File{ID: "document_" + strings.TrimSuffix(name, ".txt"), Object: "file", Filename: name, Purpose: understudy.PurposeAssistants, CreatedAt: at, Status: "processed"}
			var err error
			if f.Bytes, err = p.config.Files.Put(ctx, f.ID, strings.NewReader(command{rest: text}.text(t))); err != nil {
				t.Fatal(err)
			}
			if err := p.db.CreateFile(ctx, f); err != nil {
				t.Fatal(err)
			}
			n.Files = append(n.Files, &understudy.VectorStoreFile{ID: f.ID, Object: "vector_store.file", CreatedAt: at, VectorStoreID: "vs_1",
				Status: understudy.VectorStoreFileInProgress, ChunkingStrategy: understudy.ChunkingStrategy{}.Resolved()})
		case "results":
			p.fileSearch().MaxNumResults = new(o.int(t))
		case "threshold":
			threshold, err := strconv.ParseFloat(o.rest, 64)
			if err != nil {
				t.Fatal(err)
			}
			p.fileSearch().RankingOptions = &understudy.RankingOptions{Ranker: understudy.DefaultRanker, ScoreThreshold: understudy.Float(threshold)}
		case "expired":
			p.expired = true
			n.Store.ExpiresAfter, n.Store.ExpiresAt = &understudy.ExpiresAfter{Anchor: understudy.AnchorLastActive, Days: 1}, new(at+1)
		default:
			t.Fatalf("unknown option %s", o.name)
		}
	}
	if err := p.db.CreateVectorStore(ctx, n); err != nil {
		t.Fatal(err)
	}
	th.ToolResources.FileSearch = &understudy.FileSearchResources{VectorStoreIDs: []string{"vs_1"}}
	p.engine.Ingest()
	synctest.Wait()
	if s, err := p.db.VectorStore(ctx, "vs_1"); err != nil || s.FileCounts.Completed != int64(len(n.Files)) {
		t.Fatalf("ingestion: %+v, %v", s, err)
	}
}

// fileSearch is the options of the run's file search.
func (p *player) fileSearch() *understudy.FileSearchOptions {
	for i, tool := range p.run.Tools {
		if tool.Type == understudy.ToolFileSearch {
			if tool.FileSearch == nil {
				p.run.Tools[i].FileSearch = &understudy.FileSearchOptions{}
			}
			return p.run.Tools[i].FileSearch
		}
	}
	p.t.Fatal("the run has no file search")
	return nil
}

// react does what the client does at an event, if it does something. It
// reports whether it asked for the run to be cancelled.
func (p *player) react(a command, name understudy.EventName) (done, cancelled bool) {
	if a.rest != string(name) {
		return false, false
	}
	if a.name != "cancel" && a.name != "restart" && a.name != "delete_restart" {
		return false, false
	}
	synctest.Wait() // until the run is as far as it gets
	switch a.name {
	case "cancel":
		if _, err := p.db.CancelRun(p.t.Context(), p.run.ThreadID, p.run.ID); err != nil {
			p.t.Fatal(err)
		}
		p.engine.Cancel(p.run.ID)
		return true, true
	case "delete_restart":
		messages, _, err := p.db.ListMessages(p.t.Context(), p.run.ThreadID, "", understudy.Page{Limit: 1})
		if err != nil {
			p.t.Fatal(err)
		}
		if err := p.db.DeleteMessage(p.t.Context(), p.run.ThreadID, messages[0].ID); err != nil {
			p.t.Fatal(err)
		}
		fallthrough
	case "restart":
		p.stop()
		p.start()
		return true, false
	}
	return false, false
}

func newRun(t testing.TB, options []command, c *engine.Config) *understudy.Run {
	at := time.Now().Unix()
	r := &understudy.Run{ID: "run_1", Object: "thread.run", CreatedAt: at, ExpiresAt: new(at + 600), ThreadID: "thread_1", AssistantID: "asst_1",
		Status: understudy.RunQueued, Model: "m", ParallelToolCalls: true}
	for _, o := range options {
		switch o.name {
		case "tools":
			for name := range strings.FieldsSeq(o.rest) {
				tool := understudy.Tool{Type: understudy.ToolType(name)}
				if tool.Type != understudy.ToolCodeInterpreter && tool.Type != understudy.ToolFileSearch {
					tool = understudy.Tool{Type: understudy.ToolFunction, Function: &understudy.Function{Name: name}}
				}
				r.Tools = append(r.Tools, tool)
			}
		case "parallel":
			r.ParallelToolCalls = o.rest == "true"
		case "choice":
			r.ToolChoice.Mode = o.rest
		case "max_prompt":
			r.MaxPromptTokens = new(o.int(t))
		case "max_completion":
			r.MaxCompletionTokens = new(o.int(t))
		case "metadata":
			key, value, _ := strings.Cut(o.rest, " ")
			if r.Metadata == nil {
				r.Metadata = understudy.Metadata{}
			}
			r.Metadata[key] = value
		case "failures":
			c.MaxCellFailures = o.int(t)
		default:
			t.Fatalf("unknown option %s", o.name)
		}
	}
	return r
}

// watch plays the client until a stream ends for which it has no answer, and
// returns the log as text.
func (p *player) watch(actions []command) string {
	t, ctx, db, run := p.t, p.t.Context(), p.db, p.run
	var log strings.Builder
	var after int64
	cancelled := false
	for {
		last := understudy.EventName("")
		for ev, err := range db.Follow(ctx, run.ID, after) {
			if err != nil {
				t.Fatalf("after %s: %v\n%s", last, err, log.String())
			}
			last = ev.Name
			after++
			fmt.Fprintf(&log, "%s%s\n", ev.Name, summary(t, ev))
			if len(actions) > 0 {
				done, cancel := p.react(actions[0], ev.Name)
				if done {
					actions = actions[1:]
				}
				cancelled = cancelled || cancel
			}
		}
		if last == "thread.run.requires_action" && cancelled {
			cancelled = false
			continue
		}
		if len(actions) > 0 && actions[0].name == "wait" {
			actions = actions[1:]
			continue
		}
		if len(actions) == 0 {
			return log.String()
		}
		var outputs []store.ToolOutput
		for f := range strings.FieldsSeq(actions[0].rest) {
			id, out, _ := strings.Cut(f, "=")
			outputs = append(outputs, store.ToolOutput{CallID: id, Output: out})
		}
		actions = actions[1:]
		var err error
		if _, after, err = db.SubmitToolOutputs(ctx, run.ThreadID, run.ID, outputs); err != nil {
			t.Fatal(err)
		}
		p.engine.Start(run.ID)
		log.WriteString("-\n")
	}
}

// summary shows what matters of an event, without ids and times.
func summary(t testing.TB, ev understudy.Event) string {
	var v struct {
		Type              string
		Status            string
		Usage             *understudy.Usage
		LastError         json.RawMessage `json:"last_error"`
		IncompleteDetails json.RawMessage `json:"incomplete_details"`
		RequiredAction    json.RawMessage `json:"required_action"`
		Content           json.RawMessage
		StepDetails       json.RawMessage `json:"step_details"`
		Delta             json.RawMessage
		Attachments       []json.RawMessage
	}
	if err := json.Unmarshal(ev.Data, &v); err != nil {
		t.Fatalf("%s: %v", ev.Name, err)
	}
	var b strings.Builder
	if v.Type != "" {
		b.WriteString(" " + v.Type)
	}
	if v.Usage != nil {
		fmt.Fprintf(&b, " usage=%d+%d=%d", v.Usage.PromptTokens, v.Usage.CompletionTokens, v.Usage.TotalTokens)
	}
	for _, raw := range []json.RawMessage{v.LastError, v.IncompleteDetails, v.RequiredAction, v.Content, v.Delta} {
		if len(raw) > 0 && string(raw) != "null" {
			b.WriteString(" " + string(raw))
		}
	}
	for _, a := range v.Attachments {
		b.WriteString(" attached " + string(a))
	}
	if strings.HasPrefix(string(ev.Name), "thread.run.step.") && ev.Name != understudy.EventStepDelta && v.Type == string(understudy.StepToolCalls) {
		b.WriteString(" " + string(v.StepDetails))
	}
	return scrub(b.String())
}

// scrub replaces the random part of ids by a letter.
func scrub(s string) string {
	for _, prefix := range []string{understudy.PrefixMessage, understudy.PrefixFile} {
		var out strings.Builder
		for {
			before, rest, found := strings.Cut(s, prefix)
			out.WriteString(before)
			if !found {
				break
			}
			out.WriteString(prefix + "X")
			s = rest[min(24, len(rest)):]
		}
		s = out.String()
	}
	return s
}

// scriptedModel says what the transcript lets it say, a block a turn.
type scriptedModel struct {
	t     testing.TB
	mu    sync.Mutex
	turns [][]command
}

func (m *scriptedModel) Stream(ctx context.Context, req *model.Request) iter.Seq2[model.Delta, error] {
	return func(yield func(model.Delta, error) bool) {
		m.mu.Lock()
		if len(m.turns) == 0 {
			m.mu.Unlock()
			yield(model.Delta{}, errors.New("the transcript has no further turn"))
			return
		}
		turn := m.turns[0]
		m.turns = m.turns[1:]
		m.mu.Unlock()
		calls := -1
		var usage *model.Usage
		for _, c := range turn {
			var d model.Delta
			switch c.name {
			case "text":
				d.Text = c.text(m.t)
			case "refusal":
				d.Refusal = c.text(m.t)
			case "call":
				calls++
				id, name, _ := strings.Cut(c.rest, " ")
				d.ToolCalls = []model.ToolCallDelta{{Index: calls, ID: id, Name: name}}
			case "args":
				d.ToolCalls = []model.ToolCallDelta{{Index: calls, Arguments: c.text(m.t)}}
			case "usage":
				usage = new(model.Usage)
				fmt.Sscan(c.rest, &usage.PromptTokens, &usage.CompletionTokens)
				continue
			case "finish":
				d.FinishReason, d.Usage = c.rest, usage
			case "choice": // what the engine must have asked for
				if got := req.ToolChoice.Mode + req.ToolChoice.Name; got != c.rest {
					m.t.Errorf("tool choice is %q, want %q", got, c.rest)
				}
				continue
			case "sees": // the last message the model is shown
				if got := req.Messages[len(req.Messages)-1].Text(); got != c.text(m.t) {
					m.t.Errorf("the model is shown %q, want %s", got, c.rest)
				}
				continue
			case "error":
				status, text, _ := strings.Cut(c.rest, " ")
				code, _ := strconv.Atoi(status)
				yield(d, &model.Error{Status: code, Message: text})
				return
			case "hang":
				<-ctx.Done()
				yield(d, context.Cause(ctx))
				return
			default:
				m.t.Errorf("unknown command %s", c.name)
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

// scriptedCells is an interpreter whose cells come out as the transcript says.
type scriptedCells struct {
	t     testing.TB
	cells [][]command
	made  []sandbox.FileInfo
}

func (s *scriptedCells) Run(ctx context.Context, _ string, cell sandbox.Cell) (sandbox.Result, error) {
	if len(s.cells) == 0 {
		s.t.Errorf("no cell left for %q", cell.Code)
		return sandbox.Result{}, errors.New("no cell left")
	}
	block := s.cells[0]
	s.cells = s.cells[1:]
	r := sandbox.Result{Status: sandbox.StatusOK}
	for _, c := range block {
		switch c.name {
		case "code":
			if got := c.text(s.t); cell.Code != got {
				s.t.Errorf("the cell is %q, want %q", cell.Code, got)
			}
		case "limits":
			l := cell.Limits
			if got := fmt.Sprintf("%d %g %d %d %v", l.Memory, l.CPU, l.Processes, l.DataBytes, cell.Timeout); got != c.rest {
				s.t.Errorf("the limits are %s, want %s", got, c.rest)
			}
		case "logs":
			cell.Output(sandbox.Output{Logs: c.text(s.t)})
		case "image":
			cell.Output(sandbox.Output{Image: &sandbox.Image{Data: []byte("png"), MIME: "image/png"}})
		case "data":
			cell.Output(sandbox.Output{Data: &sandbox.Data{Kind: "table", JSON: json.RawMessage(c.text(s.t))}})
		case "makes":
			r.Files = append(r.Files, sandbox.FileInfo{Path: c.text(s.t), ModTime: time.Now()})
		case "status":
			r.Status = sandbox.Status(c.rest)
		case "notice":
			r.Notice = c.text(s.t)
		case "hang":
			<-ctx.Done()
			return r, context.Cause(ctx)
		default:
			s.t.Errorf("unknown command %s", c.name)
		}
	}
	s.made = append(s.made, r.Files...)
	return r, nil
}

// Open knows the files that cells have made, and made.csv.
func (s *scriptedCells) Open(_, name string) (io.ReadCloser, error) {
	isIt := func(f sandbox.FileInfo) bool { return f.Path == name }
	if name != "made.csv" && !slices.ContainsFunc(s.made, isIt) {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader("a,b\n")), nil
}

// Files lists the files that cells have made.
func (s *scriptedCells) Files(string) []sandbox.FileInfo { return s.made }

func (s *scriptedCells) Kill(string) {}

// bytesOf keeps the bytes of files for the length of a test.
func bytesOf(t testing.TB) *blob.Dir {
	dir, err := blob.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}
