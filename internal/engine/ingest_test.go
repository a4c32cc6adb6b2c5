package engine_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/engine"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// library is a vector store with an engine that ingests its files.
type library struct {
	t      *testing.T
	db     *store.DB
	files  *blob.Dir
	config engine.Config
	engine *engine.Engine
	stop   func()
}

func newLibrary(t *testing.T, s engine.Interpreter) *library {
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "understudy.db")})
	if err != nil {
		t.Fatal(err)
	}
	l := &library{t: t, db: db, files: bytesOf(t)}
	l.config = engine.Config{Store: db, Files: l.files, Sandbox: s, Node: "node", SweepInterval: time.Second}
	if err := db.CreateVectorStore(t.Context(), store.NewVectorStore{Store: &understudy.VectorStore{ID: "vs_1", Object: "vector_store"}}); err != nil {
		t.Fatal(err)
	}
	l.start()
	return l
}

func (l *library) start() {
	l.engine, l.stop = startEngine(l.t, l.config)
}

// startEngine runs a new engine in a bubble of time, until stop is called.
func startEngine(t testing.TB, c engine.Config) (e *engine.Engine, stop func()) {
	e = engine.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait() // it takes runs only once it is running
	return e, func() { cancel(); wg.Wait() }
}

func (l *library) close() {
	l.stop()
	if err := l.db.Close(); err != nil {
		l.t.Error(err)
	}
}

// add attaches a file with the given text and waits until nothing more happens at once.
func (l *library) add(name, text string, a understudy.Attributes) {
	l.t.Helper()
	f := &understudy.File{ID: "file-" + strings.NewReplacer(".", "_").Replace(name), Object: "file", Filename: name}
	var err error
	if f.Bytes, err = l.files.Put(l.t.Context(), f.ID, strings.NewReader(text)); err != nil {
		l.t.Fatal(err)
	}
	if err := l.db.CreateFile(l.t.Context(), f); err != nil {
		l.t.Fatal(err)
	}
	vf := understudy.NewVectorStoreFile(time.Now(), f.ID, understudy.ChunkingStrategy{}, a)
	if err := l.db.AttachFile(l.t.Context(), "vs_1", vf); err != nil {
		l.t.Fatal(err)
	}
	l.engine.Ingest()
	synctest.Wait()
}

func (l *library) file(id string) *understudy.VectorStoreFile {
	l.t.Helper()
	f, err := l.db.VectorStoreFile(l.t.Context(), "vs_1", id)
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

// TestIngest shows what becomes of files that are attached: their text can be
// searched and read, and goes with them.
func TestIngest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, nil)
		defer l.close()
		l.add("cats.txt", "Cats sleep all day.", understudy.Attributes{"kind": "pet"})
		l.add("bears.txt", "\xef\xbb\xbfBears sleep\r\nall winter.", nil)
		l.add("photo.png", "\x89PNG", nil)
		l.add("report.pdf", "%PDF-1.7", nil) // nobody can read it: there is no sandbox
		for id, want := range map[string]struct {
			status understudy.VectorStoreFileStatus
			usage  int64
			code   string
		}{
			"file-cats_txt":   {understudy.VectorStoreFileCompleted, 19 + 1024, ""},
			"file-bears_txt":  {understudy.VectorStoreFileCompleted, 23 + 1024, ""},
			"file-photo_png":  {understudy.VectorStoreFileFailed, 0, understudy.VectorStoreFileUnsupported},
			"file-report_pdf": {understudy.VectorStoreFileFailed, 0, understudy.VectorStoreFileServerError},
		} {
			got, code := l.file(id), ""
			if got.LastError != nil {
				code = got.LastError.Code
			}
			if got.Status != want.status || got.UsageBytes != want.usage || code != want.code {
				t.Errorf("%s: %s, %d bytes, %q; want %+v", id, got.Status, got.UsageBytes, code, want)
			}
		}
		ask := func(q understudy.SearchRequest) (found []string) {
			t.Helper()
			q.MaxResults = max(q.MaxResults, 1)
			hits, err := l.engine.Search(t.Context(), []string{"vs_1"}, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range hits {
				found = append(found, h.Filename+": "+h.Text)
			}
			return found
		}
		cats, bears := "cats.txt: Cats sleep all day.", "bears.txt: Bears sleep\nall winter."
		var pets understudy.Filter
		if err := pets.UnmarshalJSON([]byte(`{"type":"eq","key":"kind","value":"pet"}`)); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name string
			q    understudy.SearchRequest
			want []string
		}{
			{"best first", understudy.SearchRequest{Queries: []string{"winter sleep"}, MaxResults: 5}, []string{bears, cats}},
			{"limit", understudy.SearchRequest{Queries: []string{"winter sleep"}}, []string{bears}},
			{"threshold", understudy.SearchRequest{Queries: []string{"cats of the south"}, MaxResults: 5, ScoreThreshold: 0.99}, nil},
			{"filter", understudy.SearchRequest{Queries: []string{"winter sleep"}, MaxResults: 5, Filter: &pets}, []string{cats}},
			{"several queries", understudy.SearchRequest{Queries: []string{"cats", "bears"}, MaxResults: 5}, []string{cats, bears}},
			{"nothing asked", understudy.SearchRequest{}, nil},
		} {
			if diff := cmp.Diff(test.want, ask(test.q)); diff != "" {
				t.Errorf("%s: %s", test.name, diff)
			}
		}
		if err := l.db.CreateVectorStore(t.Context(), store.NewVectorStore{
			Store: &understudy.VectorStore{ID: "vs_2", Object: "vector_store"},
			Files: []*understudy.VectorStoreFile{understudy.NewVectorStoreFile(time.Now(), "file-cats_txt", understudy.ChunkingStrategy{}, nil)},
		}); err != nil {
			t.Fatal(err)
		}
		l.engine.Ingest()
		synctest.Wait()
		hits, err := l.engine.Search(t.Context(), []string{"vs_2", "vs_1", "vs_none"}, understudy.SearchRequest{Queries: []string{"cats"}, MaxResults: 5})
		if err != nil || len(hits) != 1 || hits[0].StoreID != "vs_2" {
			t.Errorf("in two stores: %+v, %v", hits, err)
		}
		l.stop()
		l.start() // with nothing in memory
		if diff := cmp.Diff([]string{cats}, ask(understudy.SearchRequest{Queries: []string{"cats"}})); diff != "" {
			t.Errorf("after a restart: %s", diff)
		}
		if text, err := l.engine.FileText(t.Context(), "vs_1", "file-bears_txt"); text != "Bears sleep\nall winter." || err != nil {
			t.Errorf("text %q, %v", text, err)
		}
		indexed, err := l.db.IndexedFile(t.Context(), "vs_1", "file-cats_txt")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.db.DetachFile(t.Context(), "vs_1", "file-cats_txt"); err != nil {
			t.Fatal(err)
		}
		if found := ask(understudy.SearchRequest{Queries: []string{"cats"}}); found != nil {
			t.Errorf("found after it was detached: %q", found)
		}
		time.Sleep(2 * time.Second) // virtual: until the next sweep
		synctest.Wait()
		if _, err := l.files.Open(indexed.Segment); err == nil {
			t.Error("the index of a file that was detached is still kept")
		}
	})
}

// TestIndexOfACrash shows that bytes are removed which an engine has written that
// died before it could complete the file.
func TestIndexOfACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t, nil)
		defer l.close()
		l.stop()
		l.add("a.txt", "Cats sleep all day.", nil)
		c, _, _, err := l.db.ClaimIngestion(t.Context(), "dead", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.files.Put(t.Context(), c.Segment, strings.NewReader("an index")); err != nil {
			t.Fatal(err)
		}
		l.start()
		time.Sleep(2 * time.Minute)
		if got := l.file(c.FileID); got.Status != understudy.VectorStoreFileCompleted {
			t.Errorf("another engine: %+v", got)
		}
		time.Sleep(2 * time.Hour)
		if _, err := l.files.Open(c.Segment); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what the dead one wrote: %v, want it removed", err)
		}
		if text, err := l.engine.FileText(t.Context(), "vs_1", c.FileID); text == "" || err != nil {
			t.Errorf("text %q, %v", text, err)
		}
	})
}

// leaving has a file leave its vector store, bytes and all, just before its index
// is opened.
type leaving struct {
	engine.Files
	leave func(segment string)
}

func (f leaving) Open(id string) (*os.File, error) {
	f.leave(id)
	return f.Files.Open(id)
}

// TestSearchWhileFilesLeave shows that a file may go between the moment when a
// search learns of it and the one when its index is read.
func TestSearchWhileFilesLeave(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(ctx context.Context, db *store.DB, fileID string) error
		want  func(error) bool // of the file's text
	}{
		{"detached", func(ctx context.Context, db *store.DB, fileID string) error {
			return db.DetachFile(ctx, "vs_1", fileID)
		}, understudy.IsNotFound},
		{"attached anew", func(ctx context.Context, db *store.DB, fileID string) error {
			f := understudy.NewVectorStoreFile(time.Now(), fileID, understudy.ChunkingStrategy{}, nil)
			f.Status = understudy.VectorStoreFileCancelled // or it might be ingested by the time it is looked for
			return db.AttachFile(ctx, "vs_1", f)
		}, func(err error) bool {
			e, ok := errors.AsType[*understudy.Error](err)
			return ok && e.Kind == understudy.KindInvalid
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { searchWhileFilesLeave(t, c.leave, c.want) })
		})
	}
}

func searchWhileFilesLeave(t *testing.T, leave func(context.Context, *store.DB, string) error, want func(error) bool) {
	l := newLibrary(t, nil)
	defer l.close()
	l.add("a.txt", "Cats sleep all day.", nil)
	l.add("b.txt", "Cats sleep all night.", nil)
	l.stop()
	goes := "file-a_txt"
	l.config.Files = leaving{Files: l.files, leave: func(segment string) {
		if f, err := l.db.IndexedFile(t.Context(), "vs_1", goes); err != nil || f.Segment != segment {
			return
		}
		if err := errors.Join(leave(t.Context(), l.db, goes), l.files.Delete(segment)); err != nil {
			t.Error(err)
		}
		goes = "gone"
	}}
	l.start()
	hits, err := l.engine.Search(t.Context(), []string{"vs_1"}, understudy.SearchRequest{Queries: []string{"cats"}, MaxResults: 5})
	if err != nil || len(hits) != 1 || hits[0].FileID != "file-b_txt" || goes != "gone" {
		t.Errorf("got %+v, %v, want what is in the other file; %s", hits, err, goes)
	}
	goes = "file-b_txt"
	l.stop()
	l.start()
	if _, err := l.engine.FileText(t.Context(), "vs_1", "file-b_txt"); !want(err) || goes != "gone" {
		t.Errorf("text: got %v; %s", err, goes)
	}
}

// reader is a sandbox that reads documents, once it is let.
type reader struct {
	mu   sync.Mutex
	err  error
	runs int
	hold chan struct{} // nil: at once
}

func (r *reader) Run(ctx context.Context, _ string, _ sandbox.Cell) (sandbox.Result, error) {
	r.mu.Lock()
	r.runs++
	err, hold := r.err, r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return sandbox.Result{}, ctx.Err()
		}
	}
	return sandbox.Result{Status: sandbox.StatusOK}, err
}

func (r *reader) Open(_, name string) (io.ReadCloser, error) {
	if name != "extracted.txt" {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader("what the document says")), nil
}

func (r *reader) Files(string) []sandbox.FileInfo { return nil }

func (r *reader) Kill(string) {}

func (r *reader) set(err error, hold chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.hold = err, hold
}

// TestIngestAgain shows that a file waits out what is not its own fault, but not
// for ever.
func TestIngestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{err: sandbox.ErrBusy}
		l := newLibrary(t, r)
		defer l.close()
		l.add("a.pdf", "%PDF", nil)
		if got := l.file("file-a_pdf"); got.Status != understudy.VectorStoreFileInProgress {
			t.Fatalf("while the sandbox is busy: %+v", got)
		}
		r.set(nil, nil)
		time.Sleep(time.Minute)
		if got := l.file("file-a_pdf"); got.Status != understudy.VectorStoreFileCompleted {
			t.Errorf("afterwards: %+v", got)
		}
		r.set(sandbox.ErrBusy, nil)
		l.add("b.pdf", "%PDF", nil)
		time.Sleep(10 * time.Minute)
		if got := l.file("file-b_pdf"); got.Status != understudy.VectorStoreFileFailed || got.LastError.Code != understudy.VectorStoreFileServerError {
			t.Errorf("a sandbox that stays busy: %+v", got)
		}
		if r.runs > 50 {
			t.Errorf("%d attempts", r.runs)
		}
	})
}

// TestIngestInterrupted shows that nothing is left of a file that is taken away
// while it is read, and that one goes on with the next engine that was being read
// when the engine stopped.
func TestIngestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		hold := make(chan struct{})
		r.set(nil, hold)
		l := newLibrary(t, r)
		defer l.close()
		l.add("a.pdf", "%PDF", nil)
		l.add("b.pdf", "%PDF", nil)
		l.add("c.pdf", "%PDF", nil) // waits: two are being read
		if r.runs != 2 {
			t.Errorf("%d files are read at once, want 2", r.runs)
		}
		time.Sleep(time.Minute) // leases are renewed
		if r.runs != 2 {
			t.Errorf("%d attempts, want the first two", r.runs)
		}
		if err := l.db.DetachFile(t.Context(), "vs_1", "file-a_pdf"); err != nil {
			t.Fatal(err)
		}
		if err := l.db.DeleteFile(t.Context(), "file-c_pdf"); err != nil {
			t.Fatal(err)
		}
		l.stop()
		r.set(nil, nil)
		l.config.Node = "another" // finds the file given back: no lease has to lapse
		l.start()
		if got := l.file("file-b_pdf"); got.Status != understudy.VectorStoreFileCompleted {
			t.Errorf("after a restart: %+v", got)
		}
		v, err := l.db.VectorStore(t.Context(), "vs_1")
		if want := (understudy.FileCounts{Completed: 1, Total: 1}); err != nil || v.FileCounts != want {
			t.Errorf("counts %+v, %v, want %+v", v.FileCounts, err, want)
		}
	})
}

// TestRunAwaitsFiles shows how long a run waits for a file that was given to a
// vector store a moment before.
func TestRunAwaitsFiles(t *testing.T) {
	const hangs = time.Hour
	for _, tt := range []struct {
		name        string
		owner       string
		takes, want time.Duration
		ready       bool // another file can be searched
	}{
		{"the thread's", "thread", 5 * time.Second, 5 * time.Second, true},
		{"the thread's, hangs", "thread", hangs, time.Minute, false},
		{"the run's", "run", 5 * time.Second, 5 * time.Second, true},
		{"the assistant's only one", "assistant", 5 * time.Second, 5 * time.Second, false},
		{"the assistant's only one, hangs", "assistant", hangs, time.Minute, false},
		{"one of the assistant's", "assistant", hangs, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &reader{hold: make(chan struct{})}
			l := newLibrary(t, r)
			defer l.close()
			l.stop()
			l.config.Model = instant{}
			l.start()
			if tt.ready {
				l.add("b.txt", "This can be read at once.", nil)
			}
			l.add("a.pdf", "%PDF", nil)
			if tt.takes != hangs {
				time.AfterFunc(tt.takes, func() { close(r.hold) })
			}
			at := time.Now()
			a := &understudy.Assistant{ID: "asst_1", Object: "assistant", Model: "m"}
			th := &understudy.Thread{ID: "thread_1", Object: "thread"}
			run := &understudy.Run{ID: "run_1", Object: "thread.run", CreatedAt: at.Unix(), ExpiresAt: new(at.Unix() + 600), ThreadID: "thread_1", AssistantID: "asst_1",
				Status: understudy.RunQueued, Model: "m", Instructions: new("Search."), Tools: []understudy.Tool{{Type: understudy.ToolFileSearch}}}
			resources := map[string]*understudy.ToolResources{"assistant": &a.ToolResources, "thread": &th.ToolResources, "run": &run.ToolResources}
			resources[tt.owner].FileSearch = &understudy.FileSearchResources{VectorStoreIDs: []string{"vs_1"}}
			if err := l.db.CreateAssistant(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if err := l.db.CreateRun(t.Context(), store.NewRun{Run: run, Thread: th}); err != nil {
				t.Fatal(err)
			}
			l.engine.Start(run.ID)
			for _, err := range l.db.Follow(t.Context(), run.ID, 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if got := time.Since(at); got != tt.want {
				t.Errorf("%s: the run took %v, want %v", tt.name, got, tt.want)
			}
		})
	}
}
