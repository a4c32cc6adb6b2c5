package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/understudy-dev/understudy"
)

// CreateThread stores a new thread with its first messages, and vector stores
// with it, which are added to its resources. Files that the messages attach are
// added too, as seen in th afterwards; see [DB.CreateMessage].
func (db *DB) CreateThread(ctx context.Context, th *understudy.Thread, messages []*understudy.Message, stores ...NewVectorStore) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.createThread(ctx, th, messages, stores) })
}

func (t *tx) createThread(ctx context.Context, th *understudy.Thread, messages []*understudy.Message, stores []NewVectorStore) error {
	if err := t.createStores(ctx, &th.ToolResources, stores); err != nil {
		return err
	}
	if _, err := t.attach(ctx, &th.ToolResources, messages); err != nil {
		return err
	}
	if err := t.useResources(ctx, th.ID, &th.ToolResources); err != nil {
		return err
	}
	doc, err := encode(th)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO threads (id, doc) VALUES ($1, $2)", th.ID, doc); err != nil {
		return err
	}
	for _, m := range messages {
		if err := t.insertMessage(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// attach gives the files that messages attach to the tools they are for: it adds
// them to a thread's resources r, and reports whether those have changed.
func (t *tx) attach(ctx context.Context, r *understudy.ToolResources, messages []*understudy.Message) (changed bool, err error) {
	for _, m := range messages {
		for _, id := range attached(m, understudy.ToolCodeInterpreter) {
			if slices.Contains(r.CodeFileIDs(), id) {
				continue
			}
			if r.CodeInterpreter == nil {
				r.CodeInterpreter = new(understudy.CodeInterpreterResources{})
			}
			r.CodeInterpreter.FileIDs = append(r.CodeInterpreter.FileIDs, id)
			changed = true
		}
	}
	if err := checkAttached(r); err != nil {
		return false, err
	}
	var search []string
	for _, m := range messages {
		for _, id := range attached(m, understudy.ToolFileSearch) {
			if !slices.Contains(search, id) {
				search = append(search, id)
			}
		}
	}
	added, err := t.attachToStore(ctx, r, search, understudy.ThreadStoreDays)
	return changed || added, err
}

// attached returns the files that a message attaches for a tool.
func attached(m *understudy.Message, tool understudy.ToolType) []string {
	var ids []string
	for _, a := range m.Attachments {
		if slices.Contains(a.Tools, understudy.AttachmentTool{Type: tool}) {
			ids = append(ids, a.FileID)
		}
	}
	return ids
}

// attachToStore adds files to the vector store of a thread or assistant with the
// resources r, unless it has them already or could not read them. If there is no
// store yet, it makes one that lives for days without use, 0 for ever, and reports
// that r has changed.
func (t *tx) attachToStore(ctx context.Context, r *understudy.ToolResources, fileIDs []string, days int) (changed bool, err error) {
	if len(fileIDs) == 0 {
		return false, nil
	}
	n := NewVectorStore{Store: understudy.NewVectorStore(now(), days)}
	stores := r.VectorStoreIDs()
	for _, id := range fileIDs {
		if len(stores) > 0 {
			f, err := document[understudy.VectorStoreFile](ctx, t, selectVectorStoreFile, id, stores[0])
			if err == nil && !f.Retryable() {
				continue
			}
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return false, err
			}
		}
		n.Files = append(n.Files, understudy.NewVectorStoreFile(now(), id, understudy.ChunkingStrategy{}, nil))
	}
	if len(stores) == 0 {
		return true, t.createStores(ctx, r, []NewVectorStore{n})
	}
	return false, t.attachFiles(ctx, stores[0], "", n.Files)
}

// checkAttached refuses attachments that would give a thread too many files.
func checkAttached(r *understudy.ToolResources) error {
	if n := len(r.CodeFileIDs()); n > understudy.MaxCodeFiles {
		return &understudy.Error{Kind: understudy.KindInvalid, Param: "attachments", Code: "array_above_max_length",
			Message: fmt.Sprintf("Invalid 'attachments': a thread can have at most %d files for the code interpreter, but would have %d.", understudy.MaxCodeFiles, n)}
	}
	return nil
}

const selectThread = "SELECT doc FROM threads WHERE id = $1"

// Thread returns the thread with the given id.
func (db *DB) Thread(ctx context.Context, id string) (*understudy.Thread, error) {
	th, err := document[understudy.Thread](ctx, db, selectThread, id)
	return th, notFound(err, "thread", id)
}

// ListThreads returns a page of the threads whose metadata has all of the pairs,
// or of all threads if there are none. With pairs, threads are looked through in
// the listing's order until the page is full.
func (db *DB) ListThreads(ctx context.Context, metadata understudy.Metadata, p understudy.Page) ([]*understudy.Thread, bool, error) {
	return page[understudy.Thread](ctx, db, listing{table: "threads", metadata: metadata}, p)
}

// UpdateThread lets edit change the thread and stores the result. Nothing is
// stored if edit fails.
func (db *DB) UpdateThread(ctx context.Context, id string, edit func(*understudy.Thread) error) (th *understudy.Thread, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if th, err = document[understudy.Thread](ctx, t, selectThread, id); err != nil {
			return notFound(err, "thread", id)
		}
		if err := edit(th); err != nil {
			return err
		}
		if err := t.useResources(ctx, id, &th.ToolResources); err != nil {
			return err
		}
		return t.save(ctx, "threads", id, th)
	})
	if err != nil {
		return nil, err
	}
	return th, nil
}

// DeleteThread deletes the thread with its messages, runs and steps. A run
// under way stops at its next write; those who follow it get [ErrGone].
func (db *DB) DeleteThread(ctx context.Context, id string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		runs, err := column(ctx, t, "SELECT id FROM runs WHERE thread_id = $1 AND "+active, id)
		if err != nil {
			return err
		}
		if err := t.remove(ctx, "threads", id); err != nil {
			return notFound(err, "thread", id)
		}
		t.effects = append(t.effects, effect{
			committed: func() {
				for _, run := range runs {
					db.logs.drop(run)
					db.watches.settle(run)
				}
			},
			rolledBack: func() {},
		})
		return t.useResources(ctx, id, nil)
	})
}

// CreateMessage adds a message to its thread, and the files it attaches to the
// thread's resources: those for the code interpreter to its files, those for file
// search to its vector store, which is made if there is none. It is refused while
// a run of the thread is active.
func (db *DB) CreateMessage(ctx context.Context, m *understudy.Message) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.createMessage(ctx, m) })
}

func (t *tx) createMessage(ctx context.Context, m *understudy.Message) error {
	if run, err := t.activeRun(ctx, m.ThreadID); err != nil {
		return err
	} else if run != "" {
		return understudy.Invalid("Can't add messages to %s while a run %s is active.", m.ThreadID, run)
	}
	return t.addMessages(ctx, m.ThreadID, []*understudy.Message{m})
}

// addMessages adds messages to an existing thread.
func (t *tx) addMessages(ctx context.Context, threadID string, messages []*understudy.Message) error {
	th, err := document[understudy.Thread](ctx, t, selectThread, threadID)
	if err != nil {
		return notFound(err, "thread", threadID)
	}
	changed, err := t.attach(ctx, &th.ToolResources, messages)
	if err != nil {
		return err
	}
	if changed {
		if err := t.useResources(ctx, threadID, &th.ToolResources); err != nil {
			return err
		}
		if err := t.save(ctx, "threads", threadID, th); err != nil {
			return err
		}
	}
	for _, m := range messages {
		if err := t.insertMessage(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// insertMessage stores a new message, having checked that its files exist.
func (t *tx) insertMessage(ctx context.Context, m *understudy.Message) error {
	var files []string
	for _, a := range m.Attachments {
		files = append(files, a.FileID)
	}
	for _, c := range m.Content {
		if c.ImageFile != nil {
			files = append(files, c.ImageFile.FileID)
		}
	}
	if err := t.checkFiles(ctx, files); err != nil {
		return err
	}
	doc, err := encode(m)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO messages (id, thread_id, run_id, doc) VALUES ($1, $2, $3, $4)", m.ID, m.ThreadID, m.RunID, doc)
	return err
}

const selectMessage = "SELECT doc FROM messages WHERE id = $1 AND thread_id = $2"

// Message returns a message of a thread.
func (db *DB) Message(ctx context.Context, threadID, id string) (*understudy.Message, error) {
	m, err := document[understudy.Message](ctx, db, selectMessage, id, threadID)
	return m, db.inThread(ctx, err, threadID, "message", id)
}

// UpdateMessage lets edit change the message and stores the result. Nothing is
// stored if edit fails.
func (db *DB) UpdateMessage(ctx context.Context, threadID, id string, edit func(*understudy.Message) error) (m *understudy.Message, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if m, err = document[understudy.Message](ctx, t, selectMessage, id, threadID); err != nil {
			return err
		}
		if err := edit(m); err != nil {
			return err
		}
		return t.save(ctx, "messages", id, m)
	})
	if err != nil {
		return nil, db.inThread(ctx, err, threadID, "message", id)
	}
	return m, nil
}

// DeleteMessage deletes a message.
func (db *DB) DeleteMessage(ctx context.Context, threadID, id string) error {
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		if _, err := document[understudy.Message](ctx, t, selectMessage, id, threadID); err != nil {
			return err
		}
		return t.remove(ctx, "messages", id)
	})
	return db.inThread(ctx, err, threadID, "message", id)
}

// ListMessages returns a page of a thread's messages, or of those that the run
// with the given id wrote.
func (db *DB) ListMessages(ctx context.Context, threadID, runID string, p understudy.Page) ([]*understudy.Message, bool, error) {
	if err := db.threadExists(ctx, threadID); err != nil {
		return nil, false, err
	}
	l := listing{table: "messages", where: "thread_id = $1", args: []any{threadID}}
	if runID != "" {
		l.where += " AND run_id = $2"
		l.args = append(l.args, runID)
	}
	return page[understudy.Message](ctx, db, l, p)
}

// inThread turns the absence of an object of a thread into the error for the
// thread, if that does not exist either, or for the object.
func (db *DB) inThread(ctx context.Context, err error, threadID, kind, id string) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := db.threadExists(ctx, threadID); err != nil {
		return err
	}
	return understudy.NotFound(kind, id)
}

func (db *DB) threadExists(ctx context.Context, id string) error {
	var found string
	return notFound(one(ctx, db, "SELECT id FROM threads WHERE id = $1", []any{id}, &found), "thread", id)
}

// RecentMessages yields the messages of a thread, newest first. They are read a
// few at a time, so that whoever needs the newest only pays for no more.
func (db *DB) RecentMessages(ctx context.Context, threadID string) iter.Seq2[*understudy.Message, error] {
	return func(yield func(*understudy.Message, error) bool) {
		l := listing{table: "messages", where: "thread_id = $1", args: []any{threadID}}
		p := understudy.Page{Limit: 50, Order: understudy.Desc}
		for {
			all, more, err := page[understudy.Message](ctx, db, l, p)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, m := range all {
				if !yield(m, nil) {
					return
				}
				p.After = m.ID
			}
			if !more {
				return
			}
		}
	}
}

// RecentSteps returns the n newest run steps of a thread, oldest first.
func (db *DB) RecentSteps(ctx context.Context, threadID string, n int) ([]*understudy.Step, error) {
	all, err := documents[understudy.Step](ctx, db, "SELECT doc FROM steps WHERE thread_id = $1 ORDER BY seq DESC LIMIT $2", threadID, n)
	slices.Reverse(all)
	return all, err
}
