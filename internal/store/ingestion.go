package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/understudy-dev/understudy"
)

// IngestClaim is the right to ingest a file of a vector store until its lease
// lapses. Fence tells it from all other claims. It is lost when the file is
// detached, deleted, attached anew or cancelled, and when its store expires.
type IngestClaim struct {
	StoreID, FileID string
	Fence           int64
	Segment         string // the key for the file's index, of this claim alone
}

const (
	segmentPrefix = "seg_"
	// ingesting is how long after the claim the bytes of a file's index are kept for it.
	ingesting = time.Hour
)

// Files wait in their stores, and the stores take turns: nobody waits for all of
// what somebody else has put into another store.
const (
	waiting   = "status = 'in_progress' AND lease_until <= $1 AND store_id = "
	nextStore = "SELECT id FROM vector_stores AS s WHERE in_progress > 0 AND EXISTS (SELECT 1 FROM vector_store_files WHERE " + waiting + "s.id) ORDER BY served, seq LIMIT 1"
	nextFile  = "SELECT seq, file_id FROM vector_store_files WHERE " + waiting + "$2 ORDER BY lease_until, seq LIMIT 1"
)

// ClaimIngestion takes a file for owner until lease from now: one that nobody
// ingests, or whose lease has lapsed. Of the stores that have such files it takes
// the one that was served longest ago, and of its files the one that has waited
// longest. It returns [ErrNotClaimable] if there is none.
func (db *DB) ClaimIngestion(ctx context.Context, owner string, lease time.Duration) (c IngestClaim, vf *understudy.VectorStoreFile, f *understudy.File, err error) {
	// Asking costs no transaction: mostly, nothing waits.
	if err := one(ctx, db, nextStore, []any{now().UnixMilli()}, &c.StoreID); err != nil {
		return IngestClaim{}, nil, nil, notClaimable(err)
	}
	err = db.update(ctx, func(ctx context.Context, t *tx) error {
		c, err = t.claimFile(ctx, owner, lease)
		if err != nil {
			return err
		}
		if vf, err = document[understudy.VectorStoreFile](ctx, t, selectVectorStoreFile, c.FileID, c.StoreID); err != nil {
			return err
		}
		f, err = document[understudy.File](ctx, t, "SELECT doc FROM files WHERE id = $1", c.FileID)
		return err
	})
	if err != nil {
		return IngestClaim{}, nil, nil, notClaimable(err)
	}
	return c, vf, f, nil
}

func (t *tx) claimFile(ctx context.Context, owner string, lease time.Duration) (c IngestClaim, err error) {
	at := now()
	if err := one(ctx, t, nextStore, []any{at.UnixMilli()}, &c.StoreID); err != nil {
		return c, err
	}
	var seq int64
	if err := one(ctx, t, nextFile, []any{at.UnixMilli(), c.StoreID}, &seq, &c.FileID); err != nil {
		return c, err
	}
	if err := one(ctx, t, "UPDATE ingestion_claims SET last = last + 1 RETURNING last", nil, &c.Fence); err != nil {
		return c, err
	}
	if _, err := t.exec(ctx, "UPDATE vector_stores SET served = $1 WHERE id = $2", c.Fence, c.StoreID); err != nil {
		return c, err
	}
	if _, err := t.exec(ctx, "UPDATE vector_store_files SET owner = $1, lease_until = $2, fence = $3 WHERE seq = $4",
		owner, at.Add(lease).UnixMilli(), c.Fence, seq); err != nil {
		return c, err
	}
	c.Segment = understudy.NewID(segmentPrefix)
	return c, t.loosen(ctx, c.Segment, at.Add(ingesting).Unix())
}

func notClaimable(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotClaimable
	}
	return err
}

// RenewIngestions extends the leases of those of the claims that owner still
// holds. The others are found out by their end.
func (db *DB) RenewIngestions(ctx context.Context, owner string, claims []IngestClaim, lease time.Duration) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		until := now().Add(lease).UnixMilli()
		for _, c := range claims {
			if _, err := t.exec(ctx, "UPDATE vector_store_files SET lease_until = $1 WHERE store_id = $2 AND file_id = $3 AND fence = $4 AND owner = $5",
				until, c.StoreID, c.FileID, c.Fence, owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReleaseIngestions gives back all files of owner, which must have stopped
// ingesting them.
func (db *DB) ReleaseIngestions(ctx context.Context, owner string) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "UPDATE vector_store_files SET owner = '', lease_until = 0, fence = 0 WHERE owner = $1 AND owner <> ''", owner)
		return err
	})
}

// FinishIngestion completes a claimed file, whose index is kept under c.Segment
// and takes usageBytes of its store. After an error, such as [ErrLeaseLost] if the
// claim no longer holds, nothing has become of the file, and the caller deletes
// the index.
func (db *DB) FinishIngestion(ctx context.Context, c IngestClaim, usageBytes int64) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.endIngestion(ctx, db, c, "status = 'completed', segment = $4, usage_bytes = $5", c.Segment, usageBytes); err != nil {
			return err
		}
		return t.fasten(ctx, c.Segment)
	})
}

// FailIngestion ends a claimed file that cannot be made searchable. It returns
// [ErrLeaseLost] if the claim no longer holds.
func (db *DB) FailIngestion(ctx context.Context, c IngestClaim, e understudy.VectorStoreFileError) error {
	lastError, err := encode(e)
	if err != nil {
		return err
	}
	return db.update(ctx, func(ctx context.Context, t *tx) error {
		return t.endIngestion(ctx, db, c, "status = 'failed', doc = json_set(doc, '$.last_error', json($4))", lastError)
	})
}

// endIngestion changes a claimed file as set says, whose placeholders begin with
// $4, and gives up the claim.
func (t *tx) endIngestion(ctx context.Context, db *DB, c IngestClaim, set string, args ...any) error {
	done, err := t.exec(ctx, "UPDATE vector_store_files SET "+set+", owner = '', lease_until = 0 "+
		"WHERE store_id = $1 AND file_id = $2 AND fence = $3 AND owner <> ''", append([]any{c.StoreID, c.FileID, c.Fence}, args...)...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return ErrLeaseLost
	}
	t.settles(db, c.StoreID)
	return nil
}

// IndexedFile is a file of a vector store that can be searched.
type IndexedFile struct {
	StoreID, FileID, Filename string
	Segment                   string // the key of its index
	Attributes                understudy.Attributes
}

const selectIndexed = "SELECT store_id, file_id, filename, segment, attributes FROM vector_store_files WHERE segment <> '' AND store_id = $1"

// IndexedFiles returns the files of stores that can be searched, in the order in
// which they were attached, store by store.
func (db *DB) IndexedFiles(ctx context.Context, storeIDs ...string) ([]IndexedFile, error) {
	var all []IndexedFile
	for _, id := range storeIDs {
		found, err := indexed(ctx, db, selectIndexed+" ORDER BY seq", id)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// IndexedFile returns a file of a store that can be searched. For one that
// cannot, the error says why.
func (db *DB) IndexedFile(ctx context.Context, storeID, fileID string) (IndexedFile, error) {
	found, err := indexed(ctx, db, selectIndexed+" AND file_id = $2", storeID, fileID)
	if err != nil {
		return IndexedFile{}, err
	}
	if len(found) == 1 {
		return found[0], nil
	}
	f, err := db.VectorStoreFile(ctx, storeID, fileID)
	if err != nil {
		return IndexedFile{}, err
	}
	if v, err := db.VectorStore(ctx, storeID); err != nil {
		return IndexedFile{}, err
	} else if v.Status == understudy.VectorStoreExpired {
		return IndexedFile{}, understudy.ExpiredVectorStore(storeID)
	}
	return IndexedFile{}, understudy.Invalid("File '%s' in vector store '%s' cannot be read: its status is '%s'.", fileID, storeID, f.Status)
}

func indexed(ctx context.Context, q querier, query string, args ...any) ([]IndexedFile, error) {
	rows, err := q.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []IndexedFile
	for rows.Next() {
		var f IndexedFile
		var attributes string
		if err := rows.Scan(&f.StoreID, &f.FileID, &f.Filename, &f.Segment, &attributes); err != nil {
			return nil, err
		}
		if attributes != "{}" {
			if err := json.Unmarshal([]byte(attributes), &f.Attributes); err != nil {
				return nil, fmt.Errorf("attributes of %s in %s: %w", f.FileID, f.StoreID, err)
			}
		}
		all = append(all, f)
	}
	return all, rows.Err()
}
