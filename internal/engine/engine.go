// Package engine executes runs: it claims them, talks to the model, calls the
// tools, and appends what happens to the run's event log. It also makes files
// searchable that are in vector stores. It knows nothing of HTTP; whoever creates
// a run, or adds a file, tells it by [Engine.Start] or [Engine.Ingest].
//
// The life of a run here: engine.go claims it and guards its deadlines,
// execute.go goes round between model and tools, conversation.go says what the
// model sees, turn.go turns the model's stream into messages, steps and deltas
// (code.go reads code out of arguments as they arrive, citations.go markers out of
// text), tools.go runs code, limits.go says
// within which limits, workspace.go keeps its files, filesearch.go searches,
// links.go makes files of what an answer links to, and outcome.go ends the run.
//
// The way of a file into a vector store: ingest.go claims it, extract.go gets the
// text out of it (extract_text.go if it is plain text, extract.py in the sandbox if
// not), package search indexes that, and segments.go keeps the indexes that are in
// use in memory. loose.go removes the bytes of what has left.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// Interpreter runs code in a session per key, and lists and opens the session's files. See
// [Sandbox].
type Interpreter interface {
	Run(ctx context.Context, key string, cell sandbox.Cell) (sandbox.Result, error)
	Open(key, name string) (io.ReadCloser, error)
	Files(key string) []sandbox.FileInfo // of the session of the key, by path
	Kill(key string)                     // ends the session of the key, if there is one
}

// Sandbox is the interpreter that m is.
func Sandbox(m *sandbox.Manager) Interpreter { return manager{m} }

type manager struct{ *sandbox.Manager }

func (m manager) Open(key, name string) (io.ReadCloser, error) { return m.Manager.Open(key, name) }

// Files keeps the bytes of files under their ids, and those of indexes under keys
// that the store makes.
type Files interface {
	Put(ctx context.Context, id string, r io.Reader) (int64, error)
	Delete(id string) error
	Open(id string) (*os.File, error) // io/fs.ErrNotExist if there is none
}

// Config is what an engine works with. Store, Model and Files are needed.
type Config struct {
	Store   *store.DB
	Model   model.Model
	Files   Files
	Sandbox Interpreter  // nil: code is not run, and the model is told so
	Logger  *slog.Logger // nil: no log

	// Node names this engine on its leases. No two engines that are alive may share a
	// name; one that starts takes up at once what the one before it of its name left
	// behind. Empty: a random name, and what is left behind waits for its lease to lapse.
	Node string

	// KeepFiles is how long the files of a thread's code sessions are kept after their
	// last change. 0: as long as the thread.
	KeepFiles time.Duration

	MaxRuns         int           // runs executed at once; 0: 1024
	MaxTurns        int           // model turns until the client is asked or the run ends, after which it must answer without tools; 0: 64
	MaxCellFailures int           // cells that fail in a row among them, with the same consequence; 0: 10
	MaxIngestions   int           // files put into vector stores at once; 0: 2
	IndexMemory     int64         // bytes of indexes kept in memory for file search; 0: 256 MiB
	ContextTokens   int           // estimated tokens of conversation shown to the model; 0: 96,000
	Lease           time.Duration // how long a run of an engine that died stays untouched; 0: 15 s
	SweepInterval   time.Duration // how often runs without an engine are looked for; 0: 1 s
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	set := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	set(&c.MaxRuns, 1024)
	set(&c.MaxTurns, 64)
	set(&c.MaxCellFailures, 10)
	set(&c.ContextTokens, 96_000)
	set(&c.MaxIngestions, 2)
	if c.IndexMemory == 0 {
		c.IndexMemory = 256 << 20
	}
	if c.Node == "" {
		c.Node = understudy.NewID("engine_")
	}
	if c.Lease == 0 {
		c.Lease = 15 * time.Second
	}
	if c.SweepInterval == 0 {
		c.SweepInterval = time.Second
	}
}

// Why the execution of a run is interrupted.
var (
	errCancelled = errors.New("the client cancelled the run")
	errExpired   = errors.New("the run outlived its time")
	errShutdown  = errors.New("the server is shutting down")
)

// lastWrites bounds what is written after a context has ended.
const lastWrites = 10 * time.Second

// Engine executes runs, and ingests and searches the files of vector stores. Make
// one with [New]; it works while [Engine.Run] does.
type Engine struct {
	Config

	mu      sync.Mutex
	ctx     context.Context // of executions; nil while Run is not running
	running map[string]*job
	full    bool // a run had to wait: look for it when one ends
	wg      sync.WaitGroup

	executed map[understudy.RunStatus]int // guarded by mu

	ingesting    map[*ingestion]struct{} // guarded by mu
	moreToIngest bool                    // somebody asked for more while all were busy; guarded by mu
	segments     segmentCache

	sweep chan struct{} // asks for a sweep now
}

// job is the execution of a run.
type job struct {
	cancel context.CancelCauseFunc
	again  bool // somebody asked for the run meanwhile: it may have been on its way out already
}

// New returns an engine that waits for [Engine.Run].
func New(c Config) *Engine {
	c.setDefaults()
	return &Engine{
		Config:    c,
		running:   make(map[string]*job),
		executed:  make(map[understudy.RunStatus]int),
		ingesting: make(map[*ingestion]struct{}),
		segments:  segmentCache{capacity: c.IndexMemory},
		sweep:     make(chan struct{}, 1),
	}
}

// Start executes a run that was queued, or leaves it queued until there is
// room. It does not block.
func (e *Engine) Start(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start(runID)
}

// start is Start with e.mu held.
func (e *Engine) start(runID string) {
	switch j := e.running[runID]; {
	case e.ctx == nil:
		return
	case j != nil:
		j.again = true
		return
	case len(e.running) >= e.MaxRuns:
		e.full = true
		return
	}
	ctx, cancel := context.WithCancelCause(e.ctx)
	e.running[runID] = &job{cancel: cancel}
	e.wg.Go(func() {
		defer e.ended(runID)
		e.execute(ctx, runID)
	})
}

// Stats counts what an engine does.
type Stats struct {
	Running   int                          // runs executed now
	Ingesting int                          // files being put into vector stores now
	Executed  map[understudy.RunStatus]int // executions since New, by what the run was at their end; requires_action is an end, too
}

// Stats returns the counts.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Stats{Running: len(e.running), Ingesting: len(e.ingesting), Executed: maps.Clone(e.executed)}
}

// count records the end of an execution.
func (e *Engine) count(status understudy.RunStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.executed[status]++
}

func (e *Engine) ended(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j := e.running[runID]
	j.cancel(nil)
	delete(e.running, runID)
	if j.again {
		e.start(runID)
	}
	if e.full {
		e.full = false
		e.wake()
	}
}

// Cancel carries out the wish to cancel a run: it interrupts the run if it is
// executed here, and ends it if nobody executes it. It does not block.
func (e *Engine) Cancel(runID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if j := e.running[runID]; j != nil {
		j.cancel(errCancelled)
	}
	e.start(runID)
}

func (e *Engine) wake() {
	select {
	case e.sweep <- struct{}{}:
	default:
	}
}

// Run lets the engine work until ctx ends, and looks after runs that nobody
// else does: those whose engine died, that wait for their client too long, or
// that found no room. It interrupts what is being executed, gives it back for
// another engine or a later one, and returns when all is quiet.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.Store.ReleaseRuns(ctx, e.Node); err != nil {
		return fmt.Errorf("take up runs left behind: %w", err)
	}
	if err := e.Store.ReleaseIngestions(ctx, e.Node); err != nil {
		return fmt.Errorf("take up files left behind: %w", err)
	}
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	e.mu.Lock()
	e.ctx = base
	e.mu.Unlock()
	defer e.releaseIngestions(ctx)
	defer e.wg.Wait()
	defer stop(errShutdown)
	defer func() {
		e.mu.Lock()
		e.ctx = nil
		e.mu.Unlock()
	}()

	sweep := time.NewTicker(e.SweepInterval)
	defer sweep.Stop()
	renew := time.NewTicker(e.Lease / 3)
	defer renew.Stop()
	for {
		e.startWaiting(ctx)
		e.Ingest()
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
			e.renewLeases(ctx)
			e.renewIngestions(ctx)
		case <-sweep.C:
			e.removeExpiredFiles(ctx)
			e.expireVectorStores(ctx)
			e.dropOldWorkspaces(ctx)
			e.removeLooseBlobs(ctx)
		case <-e.sweep:
		}
	}
}

// startWaiting starts the runs that wait for an engine.
func (e *Engine) startWaiting(ctx context.Context) {
	ids, err := e.Store.ClaimableRuns(ctx, e.MaxRuns)
	if err != nil {
		if ctx.Err() == nil {
			e.Logger.Error("cannot look for waiting runs", "err", err)
		}
		return
	}
	for _, id := range ids {
		e.Start(id)
	}
}

func (e *Engine) renewLeases(ctx context.Context) {
	e.mu.Lock()
	runs := slices.Collect(maps.Keys(e.running))
	e.mu.Unlock()
	cancelling, err := e.Store.RenewLeases(ctx, e.Node, runs, e.Lease)
	if err != nil {
		if ctx.Err() == nil {
			e.Logger.Error("cannot renew leases", "err", err)
		}
		return
	}
	for _, id := range cancelling {
		e.Cancel(id)
	}
}

func (e *Engine) removeExpiredFiles(ctx context.Context) {
	ids, err := e.Store.ExpiredFiles(ctx, 100)
	for _, id := range ids {
		if err = e.Store.DeleteFile(ctx, id); err != nil && !understudy.IsNotFound(err) {
			break
		}
		if err = e.Files.Delete(id); err != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		e.Logger.Error("cannot remove expired files", "err", err)
	}
}

// execute claims a run and carries it as far as it goes: to its end, or until
// it waits for its client.
func (e *Engine) execute(ctx context.Context, runID string) {
	claim, run, err := e.Store.ClaimRun(ctx, runID, e.Node, e.Lease)
	if errors.Is(err, store.ErrNotClaimable) {
		return
	}
	log := e.Logger.With("run_id", runID)
	if err != nil {
		if ctx.Err() == nil { // if it has ended, the sweep finds the run again
			log.Error("cannot claim run", "err", err)
		}
		return
	}
	if run.Status == understudy.RunCancelling { // also if it has outlived its time as well
		var cancelNow context.CancelCauseFunc
		ctx, cancelNow = context.WithCancelCause(ctx)
		cancelNow(errCancelled)
	}
	ctx, cancel := context.WithDeadlineCause(ctx, time.Unix(*run.ExpiresAt, 0), errExpired)
	defer cancel()
	x := &execution{e: e, claim: claim, run: run, log: log.With("thread_id", run.ThreadID)}
	start := time.Now()
	if err := x.work(ctx); err != nil {
		x.end(ctx, cause(ctx, err))
	}
	e.count(x.run.Status)
	x.log.Info("run", "status", x.run.Status, "duration", time.Since(start).Round(time.Microsecond), "turns", x.turns)
}
