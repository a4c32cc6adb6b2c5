package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/understudy-dev/understudy"
)

// NewVectorStore is a vector store to be created with its first files.
type NewVectorStore struct {
	Store *understudy.VectorStore
	Files []*understudy.VectorStoreFile // in progress, each file once
}

// CreateVectorStore stores a new vector store; n.Store counts its files
// afterwards. Files that do not exist are an error.
func (db *DB) CreateVectorStore(ctx context.Context, n NewVectorStore) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.createVectorStore(ctx, n) })
}

func (t *tx) createVectorStore(ctx context.Context, n NewVectorStore) error {
	doc, err := encode(n.Store)
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "INSERT INTO vector_stores (id, expires_at, doc) VALUES ($1, $2, $3)", n.Store.ID, expiry(n.Store), doc); err != nil {
		return err
	}
	if len(n.Files) == 0 {
		return nil
	}
	if err := t.attachFiles(ctx, n.Store.ID, "", n.Files); err != nil {
		return err
	}
	stored, err := document[understudy.VectorStore](ctx, t, selectVectorStore, n.Store.ID)
	if err != nil {
		return err
	}
	*n.Store = *stored
	return nil
}

// createStores creates stores for the owner of r, and adds them to it.
func (t *tx) createStores(ctx context.Context, r *understudy.ToolResources, stores []NewVectorStore) error {
	for _, n := range stores {
		if err := t.createVectorStore(ctx, n); err != nil {
			return err
		}
		if r.FileSearch == nil {
			r.FileSearch = new(understudy.FileSearchResources{})
		}
		r.FileSearch.VectorStoreIDs = append(r.FileSearch.VectorStoreIDs, n.Store.ID)
	}
	return nil
}

// expiry is when the store expires, in Unix seconds, as its column has it.
func expiry(v *understudy.VectorStore) int64 {
	if v.ExpiresAt == nil {
		return 0
	}
	return *v.ExpiresAt
}

// overdue reports whether the store's time is over, marked or not.
func overdue(v *understudy.VectorStore) bool {
	return v.Status == understudy.VectorStoreExpired || v.ExpiresAt != nil && *v.ExpiresAt <= now().Unix()
}

const selectVectorStore = "SELECT doc FROM vector_store_objects WHERE id = $1"

// VectorStore returns the vector store with the given id. One whose time is over
// is expired, whether or not [DB.ExpireVectorStores] has seen it.
func (db *DB) VectorStore(ctx context.Context, id string) (*understudy.VectorStore, error) {
	v, err := document[understudy.VectorStore](ctx, db, selectVectorStore, id)
	if err != nil {
		return nil, notFound(err, "vector store", id)
	}
	if overdue(v) {
		v.Status = understudy.VectorStoreExpired
	}
	return v, nil
}

// ListVectorStores returns a page of all vector stores.
func (db *DB) ListVectorStores(ctx context.Context, p understudy.Page) ([]*understudy.VectorStore, bool, error) {
	all, more, err := page[understudy.VectorStore](ctx, db, listing{table: "vector_store_objects"}, p)
	for _, v := range all {
		if overdue(v) {
			v.Status = understudy.VectorStoreExpired
		}
	}
	return all, more, err
}

// UpdateVectorStore lets edit change the store's name, description, metadata and
// ExpiresAfter, and stores the result. With a new ExpiresAfter, the store counts
// as used now: it must not expire by being given a time. An expired store cannot
// have one. Nothing is stored if edit fails.
func (db *DB) UpdateVectorStore(ctx context.Context, id string, edit func(*understudy.VectorStore) error) (v *understudy.VectorStore, err error) {
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		if v, err = document[understudy.VectorStore](ctx, t, selectVectorStore, id); err != nil {
			return notFound(err, "vector store", id)
		}
		if overdue(v) {
			if err := t.expire(ctx, db, id); err != nil {
				return err
			}
			if v, err = document[understudy.VectorStore](ctx, t, selectVectorStore, id); err != nil {
				return err
			}
		}
		before := v.ExpiresAfter
		v.ExpiresAfter = copied(before)
		if err := edit(v); err != nil {
			return err
		}
		if !equal(before, v.ExpiresAfter) {
			if v.Status == understudy.VectorStoreExpired {
				return understudy.ExpiredVectorStore(id)
			}
			v.Touch(now())
		}
		return t.saveVectorStore(ctx, v)
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (t *tx) saveVectorStore(ctx context.Context, v *understudy.VectorStore) error {
	doc, err := encode(v)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE vector_stores SET doc = $1, expires_at = $2 WHERE id = $3", doc, expiry(v), v.ID)
	return err
}

// TouchVectorStores records that stores are in use now, which postpones their
// expiry. Stores that have expired or do not exist are left alone.
func (db *DB) TouchVectorStores(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		for _, id := range ids {
			v, err := document[understudy.VectorStore](ctx, t, selectVectorStore, id)
			if errors.Is(err, sql.ErrNoRows) || err == nil && overdue(v) {
				continue
			}
			if err != nil {
				return err
			}
			v.Touch(now())
			if err := t.saveVectorStore(ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// ExpireVectorStores marks the stores whose time is over as expired. Their files
// stay on their lists, but can no longer be searched: those that were being
// ingested are cancelled, and the segments of the others are loose.
func (db *DB) ExpireVectorStores(ctx context.Context) error {
	const due = "expires_at > 0 AND NOT expired AND expires_at <= $1"
	ids, err := column(ctx, db, "SELECT id FROM vector_stores WHERE "+due, now().Unix())
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := db.update(ctx, func(ctx context.Context, t *tx) error {
			var still string // nobody has deleted or touched it meanwhile
			err := one(ctx, t, "SELECT id FROM vector_stores WHERE "+due+" AND id = $2", []any{now().Unix(), id}, &still)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			return t.expire(ctx, db, id)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expire marks a store as expired, and ends the ingestion of its files.
func (t *tx) expire(ctx context.Context, db *DB, id string) error {
	t.settles(db, id)
	for _, q := range []string{
		"UPDATE vector_store_files SET status = 'cancelled', owner = '', lease_until = 0 WHERE store_id = $1 AND status = 'in_progress'",
		"UPDATE vector_store_files SET segment = '', usage_bytes = 0 WHERE store_id = $1 AND segment <> ''",
		"UPDATE vector_stores SET expired = TRUE WHERE id = $1 AND NOT expired",
	} {
		if _, err := t.exec(ctx, q, id); err != nil {
			return fmt.Errorf("expire %s: %w", id, err)
		}
	}
	return nil
}

// DeleteVectorStore deletes the store, with its batches, and takes it off the
// lists of the assistants and threads that had it. Its files are only detached.
func (db *DB) DeleteVectorStore(ctx context.Context, id string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.dropVectorStoreUses(ctx, id); err != nil {
			return err
		}
		t.settles(db, id)
		return notFound(t.remove(ctx, "vector_stores", id), "vector store", id)
	})
}

// checkVectorStores fails, naming the first, if some of the stores do not exist.
func (t *tx) checkVectorStores(ctx context.Context, ids []string) error {
	for _, id := range ids {
		var found string
		if err := one(ctx, t, "SELECT id FROM vector_stores WHERE id = $1", []any{id}, &found); err != nil {
			return notFound(err, "vector store", id)
		}
	}
	return nil
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
