package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/understudy-dev/understudy"
)

// CreateFileBatch adds files, each once, to the vector store that b names, as
// [DB.AttachFile] does: all or, with an error, none. b counts them afterwards.
func (db *DB) CreateFileBatch(ctx context.Context, b *understudy.FileBatch, files []*understudy.VectorStoreFile) error {
	doc, err := encode(b)
	if err != nil {
		return err
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.checkVectorStores(ctx, []string{b.VectorStoreID}); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO file_batches (id, store_id, doc) VALUES ($1, $2, $3)", b.ID, b.VectorStoreID, doc); err != nil {
			return err
		}
		if err := t.attachFiles(ctx, b.VectorStoreID, b.ID, files); err != nil {
			return err
		}
		stored, err := document[understudy.FileBatch](ctx, t, selectFileBatch, b.ID, b.VectorStoreID)
		if err != nil {
			return err
		}
		*b = *stored
		return nil
	})
}

const selectFileBatch = "SELECT doc FROM file_batch_objects WHERE id = $1 AND store_id = $2"

// FileBatch returns a batch of files of a vector store.
func (db *DB) FileBatch(ctx context.Context, storeID, id string) (*understudy.FileBatch, error) {
	b, err := document[understudy.FileBatch](ctx, db, selectFileBatch, id, storeID)
	return b, db.noBatch(ctx, err, storeID, id)
}

// noBatch turns the absence of a batch into the error for the store, if that
// does not exist either, or for the batch.
func (db *DB) noBatch(ctx context.Context, err error, storeID, id string) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := db.vectorStoreExists(ctx, storeID); err != nil {
		return err
	}
	return understudy.NotFound("file batch", id)
}

// CancelFileBatch cancels the files of a batch that are in progress. Those that
// were ingested stay in the store. A batch that has none in progress is returned
// as it is.
func (db *DB) CancelFileBatch(ctx context.Context, storeID, id string) (b *understudy.FileBatch, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		var found string
		if err := one(ctx, t, "SELECT id FROM file_batches WHERE id = $1 AND store_id = $2", []any{id, storeID}, &found); err != nil {
			return err
		}
		done, err := t.exec(ctx, "UPDATE vector_store_files SET status = 'cancelled', owner = '', lease_until = 0 WHERE batch_id = $1 AND status = 'in_progress'", id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil {
			return err
		} else if n > 0 {
			t.settles(db, storeID)
			if _, err := t.exec(ctx, "UPDATE file_batches SET cancelled = TRUE WHERE id = $1", id); err != nil {
				return err
			}
		}
		b, err = document[understudy.FileBatch](ctx, t, selectFileBatch, id, storeID)
		return err
	})
	if err != nil {
		return nil, db.noBatch(ctx, err, storeID, id)
	}
	return b, nil
}

// ListBatchFiles returns a page of the files of a batch that have the given
// status, or of all if status is empty. Files that were detached, or attached
// anew, are the batch's no longer.
func (db *DB) ListBatchFiles(ctx context.Context, storeID, batchID string, status understudy.VectorStoreFileStatus, p understudy.Page) ([]*understudy.VectorStoreFile, bool, error) {
	if _, err := db.FileBatch(ctx, storeID, batchID); err != nil {
		return nil, false, err
	}
	return page[understudy.VectorStoreFile](ctx, db, listing{
		table: "vector_store_file_objects", where: "batch_id = $1", args: []any{batchID}, status: string(status), scope: storeID + "/",
	}, p)
}
