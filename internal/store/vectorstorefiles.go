package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/understudy-dev/understudy"
)

// AttachFile adds a file to a vector store, where it waits to be ingested. A
// file that the store has already is replaced: it begins anew, with what f says.
func (db *DB) AttachFile(ctx context.Context, storeID string, f *understudy.VectorStoreFile) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		return t.attachFiles(ctx, storeID, "", []*understudy.VectorStoreFile{f})
	})
}

// attachFiles adds files, each once, to a vector store, as part of a batch if
// batchID is not empty.
func (t *tx) attachFiles(ctx context.Context, storeID, batchID string, files []*understudy.VectorStoreFile) error {
	v, err := document[understudy.VectorStore](ctx, t, selectVectorStore, storeID)
	if err != nil {
		return notFound(err, "vector store", storeID)
	}
	if overdue(v) {
		return understudy.ExpiredVectorStore(storeID)
	}
	if len(files) == 0 {
		return nil
	}
	ids := make([]string, len(files))
	for i, f := range files {
		ids[i] = f.ID
	}
	if err := t.checkFiles(ctx, ids); err != nil {
		return err
	}
	for _, f := range files {
		f.VectorStoreID = storeID
	}
	docs, err := encode(files)
	if err != nil {
		return err
	}
	list, err := encode(ids)
	if err != nil {
		return err
	}
	// All files at once: behind a savepoint, the cost of a statement that has triggers grows with what is written before it.
	//
	// What is there already is not updated: it gets a new place in the list, and no claim on the old one holds.
	if _, err := t.exec(ctx, "DELETE FROM vector_store_files WHERE store_id = $1 AND file_id IN (SELECT value FROM json_each($2))", storeID, list); err != nil {
		return err
	}
	batch := sql.NullString{String: batchID, Valid: batchID != ""}
	if _, err := t.exec(ctx, "INSERT INTO vector_store_files (store_id, file_id, batch_id, status, filename, doc) "+
		"SELECT $1, f.id, $2, value ->> 'status', f.doc ->> 'filename', value FROM json_each($3) AS e JOIN files AS f ON f.id = value ->> 'id' ORDER BY e.key", storeID, batch, docs); err != nil {
		return err
	}
	var total int
	if err := one(ctx, t, "SELECT in_progress + completed + failed + cancelled FROM vector_stores WHERE id = $1", []any{storeID}, &total); err != nil {
		return err
	}
	if total > understudy.MaxVectorStoreFiles {
		return understudy.Invalid("Vector store '%s' can have at most %d files, but would have %d.", storeID, understudy.MaxVectorStoreFiles, total)
	}
	return nil
}

const selectVectorStoreFile = "SELECT doc FROM vector_store_file_objects WHERE id = $1 AND store_id = $2"

// VectorStoreFile returns a file of a vector store.
func (db *DB) VectorStoreFile(ctx context.Context, storeID, fileID string) (*understudy.VectorStoreFile, error) {
	f, err := document[understudy.VectorStoreFile](ctx, db, selectVectorStoreFile, fileID, storeID)
	return f, db.inVectorStore(ctx, err, storeID, fileID)
}

// inVectorStore turns the absence of a file of a vector store into the error for
// the store, if that does not exist either, or for the file.
func (db *DB) inVectorStore(ctx context.Context, err error, storeID, fileID string) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := db.vectorStoreExists(ctx, storeID); err != nil {
		return err
	}
	return &understudy.Error{Kind: understudy.KindNotFound, Message: "No file found with id '" + fileID + "' in vector store '" + storeID + "'."}
}

func (db *DB) vectorStoreExists(ctx context.Context, id string) error {
	var found string
	return notFound(one(ctx, db, "SELECT id FROM vector_stores WHERE id = $1", []any{id}, &found), "vector store", id)
}

// UpdateVectorStoreFile lets edit change the attributes of a file of a vector
// store and stores the result. Nothing is stored if edit fails.
func (db *DB) UpdateVectorStoreFile(ctx context.Context, storeID, fileID string, edit func(*understudy.VectorStoreFile) error) (f *understudy.VectorStoreFile, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if f, err = document[understudy.VectorStoreFile](ctx, t, selectVectorStoreFile, fileID, storeID); err != nil {
			return err
		}
		if err := edit(f); err != nil {
			return err
		}
		doc, err := encode(f)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE vector_store_files SET doc = $1 WHERE store_id = $2 AND file_id = $3", doc, storeID, fileID)
		return err
	})
	if err != nil {
		return nil, db.inVectorStore(ctx, err, storeID, fileID)
	}
	return f, nil
}

// DetachFile takes a file out of a vector store. The file itself stays.
func (db *DB) DetachFile(ctx context.Context, storeID, fileID string) error {
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		done, err := t.exec(ctx, "DELETE FROM vector_store_files WHERE store_id = $1 AND file_id = $2", storeID, fileID)
		if err != nil {
			return err
		}
		t.settles(db, storeID)
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return sql.ErrNoRows
	})
	return db.inVectorStore(ctx, err, storeID, fileID)
}

// ListVectorStoreFiles returns a page of the files of a vector store that have
// the given status, or of all if status is empty.
func (db *DB) ListVectorStoreFiles(ctx context.Context, storeID string, status understudy.VectorStoreFileStatus, p understudy.Page) ([]*understudy.VectorStoreFile, bool, error) {
	if err := db.vectorStoreExists(ctx, storeID); err != nil {
		return nil, false, err
	}
	return page[understudy.VectorStoreFile](ctx, db, listing{
		table: "vector_store_file_objects", where: "store_id = $1", args: []any{storeID}, status: string(status), scope: storeID + "/",
	}, p)
}
