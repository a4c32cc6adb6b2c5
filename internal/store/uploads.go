package store

import (
	"context"
	"fmt"
	"time"

	"github.com/understudy-dev/understudy"
)

// completing is how long making the file of an upload may take.
const completing = time.Hour

// CreateUpload stores a new, pending upload. lifetime is that of the file it
// will become, in seconds; 0: the file does not expire.
func (db *DB) CreateUpload(ctx context.Context, u *understudy.Upload, lifetime int64) error {
	doc, err := encode(u)
	if err != nil {
		return err
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO uploads (id, status, deadline, lifetime, doc) VALUES ($1, $2, $3, $4, $5)",
			u.ID, string(u.Status), u.ExpiresAt, lifetime, doc)
		return err
	})
}

const selectUpload = "SELECT doc FROM uploads WHERE id = $1"

// Upload returns the upload with the given id.
func (db *DB) Upload(ctx context.Context, id string) (*understudy.Upload, error) {
	u, err := document[understudy.Upload](ctx, db, selectUpload, id)
	return u, notFound(err, "upload", id)
}

// pendingUpload returns an upload that is open to changes.
func (t *tx) pendingUpload(ctx context.Context, id string) (*understudy.Upload, error) {
	u, err := document[understudy.Upload](ctx, t, selectUpload, id)
	if err != nil {
		return nil, notFound(err, "upload", id)
	}
	if u.Status == understudy.UploadPending && u.ExpiresAt <= now().Unix() {
		u.Status = understudy.UploadExpired // the sweep is yet to come
	}
	if u.Status != understudy.UploadPending {
		return nil, understudy.ClosedUpload(u)
	}
	return u, nil
}

// BeginPart says that bytes for a part of an upload are about to be kept under
// the key partID. It fails if the upload takes no more parts.
func (db *DB) BeginPart(ctx context.Context, uploadID, partID string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		u, err := t.pendingUpload(ctx, uploadID)
		if err != nil {
			return err
		}
		var parts int
		if err := one(ctx, t, "SELECT COUNT(*) FROM upload_parts WHERE upload_id = $1", []any{uploadID}, &parts); err != nil {
			return err
		}
		if parts >= understudy.MaxUploadParts {
			return understudy.Invalid("Upload '%s' has %d parts already, which is as many as an upload can have.", uploadID, parts)
		}
		return t.loosen(ctx, partID, u.ExpiresAt)
	})
}

// AddPart adds a part whose bytes are kept to its upload. It fails if the upload
// takes no more parts by now, or not as many bytes; the caller then deletes the
// bytes. Parts that are retried, because their client missed the answer to an
// earlier attempt, are counted apart, or that attempt would take up their room.
func (db *DB) AddPart(ctx context.Context, p *understudy.UploadPart, size int64, retried bool) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		u, err := t.pendingUpload(ctx, p.UploadID)
		if err != nil {
			return err
		}
		var kept int64
		if err := one(ctx, t, "SELECT COALESCE(SUM(size), 0) FROM upload_parts WHERE upload_id = $1 AND retried = $2",
			[]any{p.UploadID, retried}, &kept); err != nil {
			return err
		}
		if kept+size > u.Bytes {
			return understudy.Invalid("The part has %d bytes, which is more than upload '%s' has room for: it was declared to have %d bytes, and its parts have %d already.",
				size, p.UploadID, u.Bytes, kept)
		}
		if err := t.fasten(ctx, p.ID); err != nil {
			return err
		}
		_, err = t.exec(ctx, "INSERT INTO upload_parts (id, upload_id, size, retried) VALUES ($1, $2, $3, $4)", p.ID, p.UploadID, size, retried)
		return err
	})
}

// BeginCompletion checks that an upload can be completed with the given parts in
// this order, and returns the file that it will become, under the key fileID.
// The caller composes the bytes and then calls CompleteUpload. The upload stays
// pending until then; a later call takes the right to complete it away.
func (db *DB) BeginCompletion(ctx context.Context, id, fileID string, parts []string) (f *understudy.File, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		u, err := t.pendingUpload(ctx, id)
		if err != nil {
			return err
		}
		if err := t.checkParts(ctx, u, parts); err != nil {
			return err
		}
		var lifetime int64
		if err := one(ctx, t, "SELECT lifetime FROM uploads WHERE id = $1", []any{id}, &lifetime); err != nil {
			return err
		}
		f = &understudy.File{
			Object: "file", ID: fileID, Purpose: u.Purpose, Filename: u.Filename, Bytes: u.Bytes, CreatedAt: u.CreatedAt, Status: "processed",
		}
		if lifetime > 0 {
			f.ExpiresAt = new(u.CreatedAt + lifetime)
		}
		deadline := now().Add(completing).Unix()
		if _, err := t.exec(ctx, "UPDATE uploads SET file_id = $1, deadline = $2 WHERE id = $3", fileID, deadline, id); err != nil {
			return err
		}
		return t.loosen(ctx, fileID, deadline)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// checkParts checks that parts are of the upload, each once, and that they add up.
func (t *tx) checkParts(ctx context.Context, u *understudy.Upload, parts []string) error {
	wrong := func(format string, args ...any) error {
		e := understudy.Invalid(format, args...)
		e.Param, e.Code = "part_ids", "invalid_value"
		return e
	}
	sizes, err := t.partSizes(ctx, u.ID)
	if err != nil {
		return err
	}
	var total int64
	seen := make(map[string]bool, len(parts))
	for _, id := range parts {
		size, ok := sizes[id]
		switch {
		case !ok:
			return wrong("Invalid 'part_ids': upload '%s' has no part '%s'.", u.ID, id)
		case seen[id]:
			return wrong("Invalid 'part_ids': part '%s' is listed twice.", id)
		}
		seen[id] = true
		total += size
	}
	if total != u.Bytes {
		return wrong("Invalid 'part_ids': the parts have %d bytes in total, but upload '%s' was declared to have %d bytes.", total, u.ID, u.Bytes)
	}
	return nil
}

// partSizes returns the sizes of an upload's parts by their ids.
func (t *tx) partSizes(ctx context.Context, uploadID string) (map[string]int64, error) {
	rows, err := t.query(ctx, "SELECT id, size FROM upload_parts WHERE upload_id = $1", uploadID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sizes := make(map[string]int64)
	for rows.Next() {
		var id string
		var size int64
		if err := rows.Scan(&id, &size); err != nil {
			return nil, err
		}
		sizes[id] = size
	}
	return sizes, rows.Err()
}

// CompleteUpload makes the file, whose bytes are kept, out of a pending upload,
// and lets go of the parts. It fails if the upload is no longer pending or somebody
// else completes it; the caller then deletes the bytes.
func (db *DB) CompleteUpload(ctx context.Context, id string, f *understudy.File) (u *understudy.Upload, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		var fileID string
		var deadline int64
		if err := one(ctx, t, "SELECT file_id, deadline FROM uploads WHERE id = $1", []any{id}, &fileID, &deadline); err != nil {
			return notFound(err, "upload", id)
		}
		if u, err = document[understudy.Upload](ctx, t, selectUpload, id); err != nil {
			return err
		}
		if u.Status != understudy.UploadPending || fileID != f.ID || deadline <= now().Unix() {
			return understudy.Invalid("Upload '%s' is %s, or is being completed by another request.", id, u.Status)
		}
		if err := t.fasten(ctx, f.ID); err != nil {
			return err
		}
		if err := t.createFile(ctx, f); err != nil {
			return err
		}
		u.File = f
		return t.endUpload(ctx, u, understudy.UploadCompleted)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// CancelUpload cancels a pending upload and lets go of its parts.
func (db *DB) CancelUpload(ctx context.Context, id string) (u *understudy.Upload, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if u, err = t.pendingUpload(ctx, id); err != nil {
			return err
		}
		return t.endUpload(ctx, u, understudy.UploadCancelled)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// ExpireUploads ends the pending uploads whose time is over, at most limit of
// them, and lets go of their parts.
func (db *DB) ExpireUploads(ctx context.Context, limit int) error {
	const overdue = "SELECT id FROM uploads WHERE status = 'pending' AND deadline <= $1 LIMIT $2"
	ids, err := column(ctx, db, overdue, now().Unix(), limit)
	if err != nil || len(ids) == 0 {
		return err
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		ids, err := column(ctx, t, overdue, now().Unix(), limit) // one may have ended, or be completed, meanwhile
		if err != nil {
			return err
		}
		for _, id := range ids {
			u, err := document[understudy.Upload](ctx, t, selectUpload, id)
			if err != nil {
				return err
			}
			if err := t.endUpload(ctx, u, understudy.UploadExpired); err != nil {
				return err
			}
		}
		return nil
	})
}

// endUpload stores an upload that is over. The bytes of its parts are due to be
// removed at once.
func (t *tx) endUpload(ctx context.Context, u *understudy.Upload, status understudy.UploadStatus) error {
	u.Status = status
	doc, err := encode(u)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "UPDATE uploads SET status = $1, doc = $2 WHERE id = $3", string(status), doc, u.ID); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO loose_blobs (key, due_at) SELECT id, $1 FROM upload_parts WHERE upload_id = $2", now().Unix(), u.ID); err != nil {
		return err
	}
	_, err = t.exec(ctx, "DELETE FROM upload_parts WHERE upload_id = $1", u.ID)
	return err
}

// loosen enters a key under which bytes are about to be kept.
func (t *tx) loosen(ctx context.Context, key string, due int64) error {
	_, err := t.exec(ctx, "INSERT INTO loose_blobs (key, due_at) VALUES ($1, $2)", key, due)
	return err
}

// fasten takes a key out whose bytes belong to something from now on. It fails if
// they may be gone already: from the time when they are due to be removed,
// somebody may have been told so by [DB.LooseBlobs].
func (t *tx) fasten(ctx context.Context, key string) error {
	done, err := t.exec(ctx, "DELETE FROM loose_blobs WHERE key = $1 AND due_at > $2", key, now().Unix())
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return fmt.Errorf("the bytes of %s came too late", key)
	}
	return nil
}

// LooseBlobs returns at most limit keys whose bytes, if there are any, belong to
// nothing and are to be removed; then [DB.ForgetBlobs] is told.
func (db *DB) LooseBlobs(ctx context.Context, limit int) ([]string, error) {
	return column(ctx, db, "SELECT key FROM loose_blobs WHERE due_at <= $1 ORDER BY due_at LIMIT $2", now().Unix(), limit)
}

// ForgetBlobs strikes keys off the list of [DB.LooseBlobs].
func (db *DB) ForgetBlobs(ctx context.Context, keys ...string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		for _, key := range keys {
			if _, err := t.exec(ctx, "DELETE FROM loose_blobs WHERE key = $1", key); err != nil {
				return err
			}
		}
		return nil
	})
}
