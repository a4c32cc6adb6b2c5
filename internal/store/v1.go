package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// V1 is the database as version 1 of the protocol uses it: it remembers which
// files that version lists for assistants, messages and runs. What version 2
// does to the resources of an object leaves these lists alone, but a file that is
// deleted leaves them, too.
type V1 struct{ db *DB }

// V1 returns the database as version 1 uses it.
func (db *DB) V1() V1 { return V1{db: db} }

// V1File is a file in the list of an assistant, message or run.
type V1File struct {
	ID        string
	CreatedAt int64 // when it was attached, in Unix seconds
}

// ownerColumn returns the column of v1_files for owners like id.
func ownerColumn(id string) string {
	switch {
	case strings.HasPrefix(id, understudy.PrefixAssistant):
		return "assistant_id"
	case strings.HasPrefix(id, understudy.PrefixMessage):
		return "message_id"
	}
	return "run_id"
}

// Files returns the lists of objects of one kind, by their ids, each in the
// order in which the files were attached. Owners that do not exist have none.
func (v V1) Files(ctx context.Context, owners ...string) (map[string][]V1File, error) {
	return v1Files(ctx, v.db, owners...)
}

func v1Files(ctx context.Context, q querier, owners ...string) (map[string][]V1File, error) {
	if len(owners) == 0 {
		return nil, nil
	}
	column := ownerColumn(owners[0])
	marks, args := make([]string, len(owners)), make([]any, len(owners))
	for i, id := range owners {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), id
	}
	rows, err := q.query(ctx, fmt.Sprintf("SELECT %s, file_id, created_at FROM v1_files WHERE %s IN (%s) ORDER BY seq",
		column, column, strings.Join(marks, ", ")), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[string][]V1File)
	for rows.Next() {
		var owner string
		var f V1File
		if err := rows.Scan(&owner, &f.ID, &f.CreatedAt); err != nil {
			return nil, err
		}
		all[owner] = append(all[owner], f)
	}
	return all, rows.Err()
}

// CreateAssistant stores a new assistant with its list of files, which must
// exist. If it has the tool file_search they are put into a new vector store.
func (v V1) CreateAssistant(ctx context.Context, a *understudy.Assistant, files []string) error {
	return v.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.checkFiles(ctx, files); err != nil {
			return err
		}
		if err := t.searchFilesV1(ctx, v.db, a, nil, files); err != nil {
			return err
		}
		if err := t.createAssistant(ctx, a, nil); err != nil {
			return err
		}
		return t.attachV1(ctx, a.ID, files)
	})
}

// UpdateAssistant lets edit change the assistant, of which it is given the files,
// and return the files it has from now on, which must exist. Those that stay
// keep their place. The others leave its vector store, and if the assistant has
// the tool file_search all of the new ones are in it. Nothing is stored if edit
// fails.
func (v V1) UpdateAssistant(ctx context.Context, id string, edit func(a *understudy.Assistant, files []string) ([]string, error)) (a *understudy.Assistant, err error) {
	err = v.db.update(ctx, func(ctx context.Context, t *tx) error {
		lists, err := v1Files(ctx, t, id)
		if err != nil {
			return err
		}
		var old, files []string
		for _, f := range lists[id] {
			old = append(old, f.ID)
		}
		a, err = t.updateAssistant(ctx, id, func(a *understudy.Assistant) error {
			if files, err = edit(a, slices.Clone(old)); err != nil {
				return err
			}
			if err := t.checkFiles(ctx, files); err != nil {
				return err
			}
			return t.searchFilesV1(ctx, v.db, a, old, files)
		})
		if err != nil {
			return err
		}
		for _, f := range old {
			if slices.Contains(files, f) {
				continue
			}
			if _, err := t.exec(ctx, "DELETE FROM v1_files WHERE assistant_id = $1 AND file_id = $2", id, f); err != nil {
				return err
			}
		}
		return t.attachV1(ctx, id, files)
	})
	return a, err
}

// searchFilesV1 takes the files that an assistant no longer has out of its vector
// store, and puts those it has into it if it can search.
func (t *tx) searchFilesV1(ctx context.Context, db *DB, a *understudy.Assistant, old, files []string) error {
	for _, store := range a.ToolResources.VectorStoreIDs() {
		t.settles(db, store) // one that leaves it may have been in progress
		for _, f := range old {
			if slices.Contains(files, f) {
				continue
			}
			if _, err := t.exec(ctx, "DELETE FROM vector_store_files WHERE store_id = $1 AND file_id = $2", store, f); err != nil {
				return err
			}
		}
	}
	if !canSearch(a.Tools) {
		return nil
	}
	_, err := t.attachToStore(ctx, &a.ToolResources, files, 0)
	return err
}

func canSearch(tools []understudy.Tool) bool {
	return slices.ContainsFunc(tools, func(t understudy.Tool) bool { return t.Type == understudy.ToolFileSearch })
}

// CreateThread is [DB.CreateThread], which lists each message's attachments as its
// files.
func (v V1) CreateThread(ctx context.Context, th *understudy.Thread, messages []*understudy.Message) error {
	return v.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.createThread(ctx, th, messages, nil); err != nil {
			return err
		}
		return t.attachMessagesV1(ctx, messages)
	})
}

// CreateMessage is [DB.CreateMessage], which lists the message's attachments as
// its files.
func (v V1) CreateMessage(ctx context.Context, m *understudy.Message) error {
	return v.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.createMessage(ctx, m); err != nil {
			return err
		}
		return t.attachMessagesV1(ctx, []*understudy.Message{m})
	})
}

func (t *tx) attachMessagesV1(ctx context.Context, messages []*understudy.Message) error {
	for _, m := range messages {
		files := make([]string, len(m.Attachments))
		for i, a := range m.Attachments {
			files[i] = a.FileID
		}
		if err := t.attachV1(ctx, m.ID, files); err != nil {
			return err
		}
	}
	return nil
}

// attachV1 adds files, which exist, to the end of an object's list, without those
// that are in it.
func (t *tx) attachV1(ctx context.Context, ownerID string, files []string) error {
	q := fmt.Sprintf("INSERT INTO v1_files (%s, file_id, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", ownerColumn(ownerID))
	for _, id := range files {
		if _, err := t.exec(ctx, q, ownerID, id, now().Unix()); err != nil {
			return err
		}
	}
	return nil
}

// createRunV1 does for a run of version 1 what others do not need: it freezes the
// list of its assistant's files, lists its new messages' files, and lets it
// search those of all messages.
func (t *tx) createRunV1(ctx context.Context, n NewRun) error {
	if err := t.attachMessagesV1(ctx, n.Messages); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO v1_files (run_id, file_id, created_at) SELECT $1, file_id, $2 FROM v1_files WHERE assistant_id = $3 ORDER BY seq",
		n.Run.ID, now().Unix(), n.Run.AssistantID); err != nil {
		return err
	}
	if !canSearch(n.Run.Tools) {
		return nil
	}
	return t.searchThreadV1(ctx, n.Run)
}

// searchThreadV1 puts what a run shall search into the vector store of its thread:
// the files of messages, which tell no tool, and those of an assistant that could
// not search by itself. Files that no run can search are passed over.
func (t *tx) searchThreadV1(ctx context.Context, r *understudy.Run) error {
	a, err := document[understudy.Assistant](ctx, t, selectAssistant, r.AssistantID)
	if err != nil {
		return notFound(err, "assistant", r.AssistantID)
	}
	assistant := ""
	if !canSearch(a.Tools) {
		assistant = a.ID
	}
	files, err := documents[understudy.File](ctx, t, `SELECT doc FROM files WHERE id IN
		(SELECT file_id FROM v1_files WHERE message_id IN (SELECT id FROM messages WHERE thread_id = $1) OR assistant_id = $2) ORDER BY seq`,
		r.ThreadID, assistant)
	if err != nil {
		return err
	}
	var ids []string
	for _, f := range files {
		if f.Searchable() {
			ids = append(ids, f.ID)
		}
	}
	th, err := document[understudy.Thread](ctx, t, selectThread, r.ThreadID)
	if err != nil {
		return err
	}
	changed, err := t.attachToStore(ctx, &th.ToolResources, ids, understudy.ThreadStoreDays)
	if err != nil || !changed {
		return err
	}
	if err := t.useResources(ctx, th.ID, &th.ToolResources); err != nil {
		return err
	}
	return t.save(ctx, "threads", th.ID, th)
}
