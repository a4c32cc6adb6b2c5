// Package store keeps everything the server must remember but file bytes: it
// holds every SQL statement, the event log of runs, and the leases under which
// engines execute them.
//
// Objects are stored as the JSON the protocol shows, beside the columns that
// queries need; see migrations. What vector stores and batches tell of their files
// follows from the files' rows: triggers and views put it together.
//
// A state and the events that announce it are written in one transaction, and
// readers learn of events only after it has committed. The one exception are the
// deltas of a streaming answer: they are visible at once and become durable with
// the next commit of their run ([DB.Publish]).
//
// All writes go through one goroutine that commits what has queued up
// meanwhile as one transaction (see writer.go), so that concurrent runs share
// the cost of making writes durable.
//
// Methods return an [*understudy.Error] for what a client may be told and any
// other error for internal faults. All of them are safe for concurrent use.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"github.com/understudy-dev/understudy"
)

//go:embed migrations
var migrations embed.FS

// readers is how many queries may run at once beside the writer.
const readers = 4

// Config says where the database is.
type Config struct {
	Path   string       // the SQLite file; made if it does not exist
	Logger *slog.Logger // nil: no log
}

// DB is the open database. Make one with [Open].
type DB struct {
	log    *slog.Logger
	read   *sql.DB
	write  *sql.DB
	writer *writer

	stmtMu sync.Mutex
	stmts  map[string]*sql.Stmt // prepared on read

	logs    runLogs
	watches watches
}

// Open opens the database, making it or bringing its schema up to date first.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	write, err := openSQLite(c.Path, "_pragma=cache_size(-16000)&_pragma=temp_store(memory)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	db := &DB{
		log: c.Logger, write: write, stmts: make(map[string]*sql.Stmt),
		logs: runLogs{byRun: make(map[string]*runLog)}, watches: watches{byID: make(map[string]*watch)},
	}
	if err := db.open(ctx, c.Path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string) error {
	if err := migrate(ctx, db.write); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	read, err := openSQLite(path, "_pragma=query_only(1)&_pragma=cache_size(-4000)")
	if err != nil {
		return err
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	db.read = read
	w, err := newWriter(ctx, db.write)
	if err != nil {
		return err
	}
	db.writer = w
	return nil
}

func openSQLite(path, extra string) (*sql.DB, error) {
	// FULL: a commit that was acknowledged survives a power cut, not only a crash of the program.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(1)&" + extra
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Close waits for the writes under way and closes the database. Readers of
// events that still follow a run end with an error.
func (db *DB) Close() error {
	var errs []error
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	db.logs.closeAll()
	db.stmtMu.Lock()
	for _, s := range db.stmts {
		errs = append(errs, s.Close())
	}
	clear(db.stmts)
	db.stmtMu.Unlock()
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	return errors.Join(append(errs, db.write.Close())...)
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// querier runs prepared queries: the pool of readers, or a transaction.
type querier interface {
	query(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

// query runs a read-only query outside any transaction.
func (db *DB) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	db.stmtMu.Lock()
	stmt := db.stmts[q]
	db.stmtMu.Unlock()
	if stmt == nil {
		var err error
		if stmt, err = db.read.PrepareContext(ctx, q); err != nil {
			return nil, fmt.Errorf("prepare %q: %w", q, err)
		}
		db.stmtMu.Lock()
		if other := db.stmts[q]; other != nil {
			_ = stmt.Close() // another reader was first
			stmt = other
		} else {
			db.stmts[q] = stmt
		}
		db.stmtMu.Unlock()
	}
	return stmt.QueryContext(ctx, args...)
}

// active is the condition, as the partial indexes have it, of a run that is not
// over.
const active = `status IN ('queued', 'in_progress', 'requires_action', 'cancelling')`

// now is the time that goes into objects and leases.
func now() time.Time { return time.Now() }

// notFound turns the absence of a row into the protocol's error.
func notFound(err error, kind, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return understudy.NotFound(kind, id)
	}
	return err
}
