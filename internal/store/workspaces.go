package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/understudy-dev/understudy"
)

// ErrStale says that a workspace is not of the version that a change begins with.
var ErrStale = errors.New("the workspace has changed meanwhile")

// WorkspaceFile is a file of a workspace, which is what is kept of the files of a
// thread's code sessions: a stretch of a blob.
type WorkspaceFile struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Unix nanoseconds
	Start    int64  `json:"start"`    // in the blob
	Blob     string `json:"-"`
	BlobSize int64  `json:"-"` // with what no file needs any more
}

const (
	workspaceBlobPrefix = "work_"
	// saving is how long after it was reserved a blob is kept for a workspace.
	saving = time.Hour
)

// WorkspaceVersion returns the version of a thread's workspace, "" if nothing is
// kept. It changes with every [DB.SaveWorkspace] and never comes again.
func (db *DB) WorkspaceVersion(ctx context.Context, threadID string) (string, error) {
	return workspaceVersion(ctx, db, threadID)
}

func workspaceVersion(ctx context.Context, q querier, threadID string) (version string, err error) {
	err = one(ctx, q, "SELECT version FROM workspaces WHERE thread_id = $1", []any{threadID}, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return version, err
}

// WorkspaceFiles returns what is kept of a thread's files, by path.
func (db *DB) WorkspaceFiles(ctx context.Context, threadID string) ([]WorkspaceFile, error) {
	return workspaceFiles(ctx, db, "f.thread_id = $1 ORDER BY f.path", threadID)
}

// WorkspaceFile returns the file of that path, or an error that wraps
// [sql.ErrNoRows] if none is kept.
func (db *DB) WorkspaceFile(ctx context.Context, threadID, path string) (WorkspaceFile, error) {
	found, err := workspaceFiles(ctx, db, "f.thread_id = $1 AND f.path = $2", threadID, path)
	if err == nil && len(found) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return WorkspaceFile{}, fmt.Errorf("workspace of %s: %w", threadID, err)
	}
	return found[0], nil
}

func workspaceFiles(ctx context.Context, q querier, where string, args ...any) ([]WorkspaceFile, error) {
	rows, err := q.query(ctx, "SELECT f.path, f.size, f.modified_at, f.start, b.key, b.size "+
		"FROM workspace_files AS f JOIN workspace_blobs AS b ON b.key = f.blob WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []WorkspaceFile
	for rows.Next() {
		var f WorkspaceFile
		if err := rows.Scan(&f.Path, &f.Size, &f.Modified, &f.Start, &f.Blob, &f.BlobSize); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// RanCode reports whether a code interpreter call of the thread is over.
func (db *DB) RanCode(ctx context.Context, threadID string) (ran bool, err error) {
	err = one(ctx, db, "SELECT EXISTS (SELECT 1 FROM steps WHERE thread_id = $1 AND json_array_length(progress, '$.done') > 0 "+
		`AND doc LIKE '%"type":"code_interpreter"%')`, []any{threadID}, &ran)
	return ran, err
}

// ReserveWorkspaceBlob returns a key under which bytes can be kept for a workspace.
// If no [DB.SaveWorkspace] follows within an hour, they are removed.
func (db *DB) ReserveWorkspaceBlob(ctx context.Context) (string, error) {
	key := understudy.NewID(workspaceBlobPrefix)
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		return t.loosen(ctx, key, now().Add(saving).Unix())
	})
	return key, err
}

// WorkspaceChange leads from one version of a workspace to the next.
type WorkspaceChange struct {
	Since    string          // the version that it begins with
	Gone     []string        // paths of files that are dropped
	Files    []WorkspaceFile // added, or put in place of those of the same paths; all of them in Blob
	Blob     string          // from [DB.ReserveWorkspaceBlob]; "": there are no Files
	BlobSize int64
}

// SaveWorkspace changes the workspace of the thread of a claimed run and returns
// its new version. Blobs that no file needs any more are due to be removed. It
// returns [ErrLeaseLost] if the claim no longer holds and [ErrStale] if the
// workspace is not of version c.Since; then nothing has changed.
func (db *DB) SaveWorkspace(ctx context.Context, claim Claim, c WorkspaceChange) (version string, err error) {
	gone, err := encode(c.Gone)
	if err != nil {
		return "", err
	}
	files, err := encode(c.Files)
	if err != nil {
		return "", err
	}
	version = understudy.NewID("")
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.checkClaim(ctx, claim); err != nil {
			return err
		}
		if at, err := workspaceVersion(ctx, t, claim.ThreadID); err != nil {
			return err
		} else if at != c.Since {
			return ErrStale
		}
		return t.changeWorkspace(ctx, claim.ThreadID, version, c, gone, files)
	})
	if err != nil {
		return "", err
	}
	return version, nil
}

func (t *tx) checkClaim(ctx context.Context, c Claim) error {
	var id string
	err := one(ctx, t, "SELECT id FROM runs WHERE id = $1 AND fence = $2 AND "+active, []any{c.RunID, c.Fence}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLeaseLost
	}
	return err
}

// changeWorkspace makes a change whose lists are gone and files, as JSON: one
// statement for thousands of files, while all other writers wait.
func (t *tx) changeWorkspace(ctx context.Context, threadID, version string, c WorkspaceChange, gone, files string) error {
	if _, err := t.exec(ctx, "INSERT INTO workspaces (thread_id, version, saved_at) VALUES ($1, $2, $3) "+
		"ON CONFLICT (thread_id) DO UPDATE SET version = excluded.version, saved_at = excluded.saved_at", threadID, version, now().Unix()); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM workspace_files WHERE thread_id = $1 AND path IN (SELECT value FROM json_each($2))", threadID, gone); err != nil {
		return err
	}
	if c.Blob != "" {
		if err := t.fasten(ctx, c.Blob); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO workspace_blobs (key, thread_id, size) VALUES ($1, $2, $3)", c.Blob, threadID, c.BlobSize); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO workspace_files (thread_id, path, size, modified_at, blob, start) "+
			"SELECT $1, value ->> 'path', value ->> 'size', value ->> 'modified', $2, value ->> 'start' FROM json_each($3) WHERE true "+
			"ON CONFLICT (thread_id, path) DO UPDATE SET size = excluded.size, modified_at = excluded.modified_at, blob = excluded.blob, start = excluded.start",
			threadID, c.Blob, files); err != nil {
			return err
		}
	}
	_, err := t.exec(ctx, "DELETE FROM workspace_blobs WHERE thread_id = $1 AND NOT EXISTS (SELECT 1 FROM workspace_files WHERE blob = key)", threadID)
	return err
}

// ExpireWorkspaces drops at most limit workspaces that were last changed before
// that time, but none of a thread with an active run.
func (db *DB) ExpireWorkspaces(ctx context.Context, before time.Time, limit int) error {
	const overdue = "SELECT thread_id FROM workspaces AS w WHERE saved_at < $1 " +
		"AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = w.thread_id AND " + active + ") LIMIT $2"
	ids, err := column(ctx, db, overdue, before.Unix(), limit)
	if err != nil || len(ids) == 0 {
		return err
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM workspaces WHERE thread_id IN ("+overdue+")", before.Unix(), limit)
		return err
	})
}
