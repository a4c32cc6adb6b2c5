package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// CreateFile stores the description of a file whose bytes are already kept.
func (db *DB) CreateFile(ctx context.Context, f *understudy.File) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.createFile(ctx, f) })
}

func (t *tx) createFile(ctx context.Context, f *understudy.File) error {
	doc, err := encode(f)
	if err != nil {
		return err
	}
	var expires int64
	if f.ExpiresAt != nil {
		expires = *f.ExpiresAt
	}
	_, err = t.exec(ctx, "INSERT INTO files (id, purpose, expires_at, doc) VALUES ($1, $2, $3, $4)",
		f.ID, string(f.Purpose), expires, doc)
	return err
}

// File returns the file with the given id. A file whose time is over is not
// found, whether or not it was removed already.
func (db *DB) File(ctx context.Context, id string) (*understudy.File, error) {
	f, err := document[understudy.File](ctx, db,
		"SELECT doc FROM files WHERE id = $1 AND (expires_at = 0 OR expires_at > $2)", id, now().Unix())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, understudy.FileNotFound(id)
	}
	return f, err
}

// DeleteFile deletes the description of a file, takes it off the lists of the
// assistants and threads that had it, and detaches it from all vector stores.
// The caller deletes the bytes; if it cannot, [DB.LooseBlobs] knows of them.
func (db *DB) DeleteFile(ctx context.Context, id string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		stores, err := column(ctx, t, "SELECT store_id FROM vector_store_files WHERE file_id = $1 AND status = 'in_progress'", id)
		if err != nil {
			return err
		}
		t.settles(db, stores...)
		err = t.remove(ctx, "files", id)
		if errors.Is(err, sql.ErrNoRows) {
			return understudy.FileNotFound(id)
		}
		if err != nil {
			return err
		}
		return errors.Join(t.dropFileUses(ctx, id), t.loosen(ctx, id, now().Unix()))
	})
}

// ListFiles returns a page of the files with the given purpose, or of all
// files if purpose is empty.
func (db *DB) ListFiles(ctx context.Context, purpose understudy.Purpose, p understudy.Page) ([]*understudy.File, bool, error) {
	l := listing{table: "files", where: "(expires_at = 0 OR expires_at > $1)", args: []any{now().Unix()}}
	if purpose != "" {
		l.where += " AND purpose = $2"
		l.args = append(l.args, string(purpose))
	}
	return page[understudy.File](ctx, db, l, p)
}

// ExpiredFiles returns the ids of at most limit files whose time is over.
func (db *DB) ExpiredFiles(ctx context.Context, limit int) ([]string, error) {
	return column(ctx, db, "SELECT id FROM files WHERE expires_at > 0 AND expires_at <= $1 LIMIT $2", now().Unix(), limit)
}

// useResources records which files and vector stores an object lists, having
// checked that they exist. nil resources list nothing.
func (t *tx) useResources(ctx context.Context, objectID string, r *understudy.ToolResources) error {
	if err := t.checkResources(ctx, r); err != nil {
		return err
	}
	for _, uses := range []struct {
		table, column string
		ids           []string
	}{
		{"file_uses", "file_id", r.CodeFileIDs()},
		{"vector_store_uses", "store_id", r.VectorStoreIDs()},
	} {
		if _, err := t.exec(ctx, "DELETE FROM "+uses.table+" WHERE object_id = $1", objectID); err != nil {
			return err
		}
		for _, id := range uses.ids {
			if _, err := t.exec(ctx, "INSERT INTO "+uses.table+" ("+uses.column+", object_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, objectID); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkResources fails if what r names does not exist.
func (t *tx) checkResources(ctx context.Context, r *understudy.ToolResources) error {
	if err := t.checkVectorStores(ctx, r.VectorStoreIDs()); err != nil {
		return err
	}
	return t.checkFiles(ctx, r.CodeFileIDs())
}

// checkFiles fails, naming them all, if some of the files do not exist.
func (t *tx) checkFiles(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := encode(ids)
	if err != nil {
		return err
	}
	missing, err := column(ctx, t, "SELECT value FROM json_each($1) "+
		"WHERE NOT EXISTS (SELECT 1 FROM files WHERE id = value AND (expires_at = 0 OR expires_at > $2)) ORDER BY key", list, now().Unix())
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &understudy.Error{Kind: understudy.KindNotFound, Message: fmt.Sprintf("Files [%s] were not found", strings.Join(missing, ", "))}
	}
	return nil
}

// dropFileUses takes a file off the lists of all objects.
func (t *tx) dropFileUses(ctx context.Context, id string) error {
	owners, err := column(ctx, t, "SELECT object_id FROM file_uses WHERE file_id = $1", id)
	if err != nil {
		return err
	}
	err = t.editResources(ctx, owners, func(r *understudy.ToolResources) {
		if ci := r.CodeInterpreter; ci != nil {
			ci.FileIDs = slices.DeleteFunc(ci.FileIDs, func(f string) bool { return f == id })
		}
	})
	if err != nil {
		return fmt.Errorf("user of file %s: %w", id, err)
	}
	_, err = t.exec(ctx, "DELETE FROM file_uses WHERE file_id = $1", id)
	return err
}

// dropVectorStoreUses takes a vector store off the lists of all objects.
func (t *tx) dropVectorStoreUses(ctx context.Context, id string) error {
	owners, err := column(ctx, t, "SELECT object_id FROM vector_store_uses WHERE store_id = $1", id)
	if err != nil {
		return err
	}
	err = t.editResources(ctx, owners, func(r *understudy.ToolResources) {
		if fs := r.FileSearch; fs != nil {
			fs.VectorStoreIDs = slices.DeleteFunc(fs.VectorStoreIDs, func(v string) bool { return v == id })
		}
	})
	if err != nil {
		return fmt.Errorf("user of vector store %s: %w", id, err)
	}
	_, err = t.exec(ctx, "DELETE FROM vector_store_uses WHERE store_id = $1", id)
	return err
}

// editResources changes the resources of assistants and threads.
func (t *tx) editResources(ctx context.Context, owners []string, edit func(*understudy.ToolResources)) error {
	for _, id := range owners {
		var err error
		if strings.HasPrefix(id, understudy.PrefixThread) {
			err = editDocument(ctx, t, "threads", id, func(v *understudy.Thread) { edit(&v.ToolResources) })
		} else {
			err = editDocument(ctx, t, "assistants", id, func(v *understudy.Assistant) { edit(&v.ToolResources) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

func editDocument[T any](ctx context.Context, t *tx, table, id string, edit func(*T)) error {
	v, err := document[T](ctx, t, "SELECT doc FROM "+table+" WHERE id = $1", id)
	if err != nil {
		return err
	}
	edit(v)
	return t.save(ctx, table, id, v)
}

// column reads the single text column of all rows.
func column(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
