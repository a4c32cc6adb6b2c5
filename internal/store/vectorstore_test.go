package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

func newFile(t testing.TB, db *store.DB) string {
	t.Helper()
	f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Object: "file", Purpose: understudy.PurposeAssistants, Filename: "a.txt", Status: "processed"}
	if err := db.CreateFile(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	return f.ID
}

func storeFile(id string) *understudy.VectorStoreFile {
	return understudy.NewVectorStoreFile(time.Now(), id, understudy.ChunkingStrategy{}, nil)
}

func newStore(t testing.TB, db *store.DB, fileIDs ...string) string {
	t.Helper()
	n := store.NewVectorStore{Store: understudy.NewVectorStore(time.Now(), 0)}
	for _, id := range fileIDs {
		n.Files = append(n.Files, storeFile(id))
	}
	if err := db.CreateVectorStore(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n.Store.ID
}

func newBatch(t testing.TB, db *store.DB, storeID string, fileIDs ...string) *understudy.FileBatch {
	t.Helper()
	b := &understudy.FileBatch{ID: understudy.NewID(understudy.PrefixFileBatch), Object: "vector_store.file_batch", VectorStoreID: storeID}
	var files []*understudy.VectorStoreFile
	for _, id := range fileIDs {
		files = append(files, storeFile(id))
	}
	if err := db.CreateFileBatch(t.Context(), b, files); err != nil {
		t.Fatal(err)
	}
	return b
}

func claimFile(t testing.TB, db *store.DB) store.IngestClaim {
	t.Helper()
	c, _, _, err := db.ClaimIngestion(t.Context(), "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ingest completes all files that wait, and returns their segments.
func ingest(t testing.TB, db *store.DB) (segments []string) {
	t.Helper()
	for {
		c, _, _, err := db.ClaimIngestion(t.Context(), "me", time.Minute)
		if errors.Is(err, store.ErrNotClaimable) {
			return segments
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := db.FinishIngestion(t.Context(), c, 1045); err != nil {
			t.Fatal(err)
		}
		segments = append(segments, c.Segment)
	}
}

// loose returns the keys of bytes that are to be removed now.
func loose(t testing.TB, db *store.DB) []string {
	t.Helper()
	keys, err := db.LooseBlobs(t.Context(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// count counts files as a store should.
func count(files []*understudy.VectorStoreFile) (c understudy.FileCounts, usage int64) {
	for _, f := range files {
		switch f.Status {
		case understudy.VectorStoreFileInProgress:
			c.InProgress++
		case understudy.VectorStoreFileCompleted:
			c.Completed++
		case understudy.VectorStoreFileFailed:
			c.Failed++
		case understudy.VectorStoreFileCancelled:
			c.Cancelled++
		}
		c.Total++
		usage += f.UsageBytes
	}
	return c, usage
}

// checkStore compares what a store says of itself with its files.
func checkStore(t testing.TB, db *store.DB, id string) {
	t.Helper()
	v, err := db.VectorStore(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var files []*understudy.VectorStoreFile
	for p, more := (understudy.Page{Limit: 100, Order: understudy.Asc}), true; more; {
		var some []*understudy.VectorStoreFile
		if some, more, err = db.ListVectorStoreFiles(t.Context(), id, "", p); err != nil {
			t.Fatal(err)
		}
		if files = append(files, some...); len(files) > 0 {
			p.After = files[len(files)-1].ID
		}
	}
	counts, usage := count(files)
	if diff := cmp.Diff(counts, v.FileCounts); diff != "" || usage != v.UsageBytes {
		t.Errorf("%s counts otherwise than its files are (-files +store):\n%s\nusage: files %d, store %d", id, diff, usage, v.UsageBytes)
	}
	want := understudy.VectorStoreCompleted
	if counts.InProgress > 0 {
		want = understudy.VectorStoreInProgress
	}
	if v.Status != want {
		t.Errorf("%s is %s with %+v, want %s", id, v.Status, counts, want)
	}
}

func checkBatch(t testing.TB, db *store.DB, b *understudy.FileBatch) {
	t.Helper()
	got, err := db.FileBatch(t.Context(), b.VectorStoreID, b.ID)
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := db.ListBatchFiles(t.Context(), b.VectorStoreID, b.ID, "", understudy.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	counts, _ := count(files)
	if diff := cmp.Diff(counts, got.FileCounts); diff != "" {
		t.Errorf("batch counts otherwise than its files are (-files +batch):\n%s", diff)
	}
	if inProgress := got.Status == understudy.FileBatchInProgress; inProgress != (counts.InProgress > 0) {
		t.Errorf("batch is %s with %+v", got.Status, counts)
	}
}

// TestStoresAgreeWithTheirFiles does at random all that can be done to files in
// stores. After each step stores and batches must tell the truth, and a segment
// must be either a file's or loose.
func TestStoresAgreeWithTheirFiles(t *testing.T) {
	db, ctx := open(t), t.Context()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(ids []string) string { return ids[random.IntN(len(ids))] }
	stores := []string{newStore(t, db), newStore(t, db)}
	var files []string
	var batches []*understudy.FileBatch
	var claims []store.IngestClaim
	segments := map[string]bool{}
	ignore := func(err error) { // what a random step is allowed to meet
		t.Helper()
		if err != nil && !understudy.IsNotFound(err) && !errors.Is(err, store.ErrLeaseLost) && !errors.Is(err, store.ErrNotClaimable) {
			t.Fatal(err)
		}
	}
	for range 200 {
		if len(files) < 12 {
			files = append(files, newFile(t, db))
		}
		switch n := random.IntN(16); {
		case n < 4:
			ignore(db.AttachFile(ctx, pick(stores), storeFile(pick(files))))
		case n < 5:
			batches = append(batches, newBatch(t, db, pick(stores), files[random.IntN(4)], files[4+random.IntN(4)]))
		case n < 8:
			c, _, _, err := db.ClaimIngestion(ctx, "me", time.Duration(random.IntN(2))*time.Minute)
			if ignore(err); err == nil {
				claims = append(claims, c)
			}
		case n < 11 && len(claims) > 0:
			c := claims[max(0, len(claims)-1-random.IntN(3))] // mostly one that holds
			err := db.FinishIngestion(ctx, c, 1+random.Int64N(5000))
			if ignore(err); err == nil {
				segments[c.Segment] = true
			}
		case n < 12 && len(claims) > 0:
			ignore(db.FailIngestion(ctx, claims[random.IntN(len(claims))], understudy.VectorStoreFileError{Code: understudy.VectorStoreFileServerError, Message: "no"}))
		case n < 13:
			ignore(db.DetachFile(ctx, pick(stores), pick(files)))
		case n < 14:
			i := random.IntN(len(files))
			ignore(db.DeleteFile(ctx, files[i]))
			files = slices.Delete(files, i, i+1)
		case n < 15 && len(batches) > 0:
			b := batches[random.IntN(len(batches))]
			_, err := db.CancelFileBatch(ctx, b.VectorStoreID, b.ID)
			ignore(err)
		case n == 15 && random.IntN(10) == 0:
			i := random.IntN(len(stores))
			gone := stores[i]
			if err := db.DeleteVectorStore(ctx, gone); err != nil {
				t.Fatal(err)
			}
			stores[i] = newStore(t, db)
			batches = slices.DeleteFunc(batches, func(b *understudy.FileBatch) bool { return b.VectorStoreID == gone })
		}
		for _, id := range stores {
			checkStore(t, db, id)
		}
		for _, b := range batches {
			checkBatch(t, db, b)
		}
		indexed, err := db.IndexedFiles(ctx, stores...)
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]bool{}
		for _, key := range loose(t, db) {
			if !strings.HasPrefix(key, "file-") { // the bytes of one that was deleted
				left[key] = true
			}
		}
		for _, f := range indexed {
			if left[f.Segment] {
				t.Errorf("%s is in use and loose", f.Segment)
			}
			left[f.Segment] = true
		}
		if diff := cmp.Diff(segments, left); diff != "" {
			t.Fatalf("segments (-made +in use or loose):\n%s", diff)
		}
	}
	if len(segments) < 10 {
		t.Errorf("only %d files were ingested: the steps are not random enough", len(segments))
	}
}

func TestIngestion(t *testing.T) {
	db, ctx := open(t), t.Context()
	file := newFile(t, db)
	id := newStore(t, db, file)
	if err := db.FinishIngestion(ctx, store.IngestClaim{StoreID: id, FileID: file}, 1); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("without a claim: got %v, want the lease to be lost", err)
	}
	c, vf, f, err := db.ClaimIngestion(ctx, "me", time.Minute)
	if err != nil || c.StoreID != id || c.FileID != file || vf.VectorStoreID != id || vf.ID != file || f.Filename != "a.txt" {
		t.Fatalf("claim: got %+v, %+v, %+v, %v", c, vf, f, err)
	}
	if _, _, _, err := db.ClaimIngestion(ctx, "other", time.Minute); !errors.Is(err, store.ErrNotClaimable) {
		t.Errorf("second claim: got %v, want none", err)
	}
	_, err = db.IndexedFile(ctx, id, file)
	if got, want := message(err), fmt.Sprintf("invalid: File '%s' in vector store '%s' cannot be read: its status is 'in_progress'.", file, id); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := db.FinishIngestion(ctx, c, 1045); err != nil {
		t.Fatal(err)
	}
	if err := db.FinishIngestion(ctx, c, 1045); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("twice: got %v, want the lease to be lost", err)
	}
	if _, err := db.UpdateVectorStoreFile(ctx, id, file, func(f *understudy.VectorStoreFile) error {
		f.Attributes = understudy.Attributes{"year": 2024.0}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := store.IndexedFile{StoreID: id, FileID: file, Filename: "a.txt", Segment: c.Segment, Attributes: understudy.Attributes{"year": 2024.0}}
	got, err := db.IndexedFile(ctx, id, file)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("indexed file (-want +got):\n%s\n%v", diff, err)
	}
	checkStore(t, db, id)
	if got := loose(t, db); len(got) != 0 {
		t.Errorf("loose while it is in use: %v", got)
	}
	if err := db.DetachFile(ctx, id, file); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{c.Segment}, loose(t, db)); diff != "" {
		t.Errorf("loose once it is detached (-want +got):\n%s", diff)
	}
}

// TestIndexComesTooLate shows that an index belongs to no file once its bytes are
// due to be removed: a sweep may have been told so just before.
func TestIndexComesTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := open(t)
		id := newStore(t, db, newFile(t, db))
		c, _, _, err := db.ClaimIngestion(t.Context(), "me", 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for len(loose(t, db)) == 0 {
			time.Sleep(time.Minute) // virtual
		}
		if err := db.FinishIngestion(t.Context(), c, 1045); err == nil {
			t.Error("an index was accepted whose bytes were to be removed")
		}
		if diff := cmp.Diff([]string{c.Segment}, loose(t, db)); diff != "" {
			t.Errorf("loose afterwards (-want +got):\n%s", diff)
		}
		v, err := db.VectorStore(t.Context(), id)
		if want := (understudy.FileCounts{InProgress: 1, Total: 1}); err != nil || v.FileCounts != want {
			t.Errorf("got %+v, %v; want %+v", v, err, want)
		}
	})
}

// TestStoresTakeTurns shows that a file need not wait for all of those that were
// put into another store before it.
func TestStoresTakeTurns(t *testing.T) {
	db := open(t)
	var files []string
	for range 4 {
		files = append(files, newFile(t, db))
	}
	many := newStore(t, db, files...)
	few := newStore(t, db, files[0])
	claimed := func() store.IngestClaim {
		c := claimFile(t, db)
		c.Fence, c.Segment = 0, ""
		return c
	}
	var got []store.IngestClaim
	for range 3 {
		got = append(got, claimed())
	}
	if err := db.AttachFile(t.Context(), few, storeFile(files[1])); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got = append(got, claimed())
	}
	want := []store.IngestClaim{
		{StoreID: many, FileID: files[0]}, {StoreID: few, FileID: files[0]}, {StoreID: many, FileID: files[1]},
		{StoreID: few, FileID: files[1]}, {StoreID: many, FileID: files[2]}, {StoreID: many, FileID: files[3]},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestFailedIngestion(t *testing.T) {
	db, ctx := open(t), t.Context()
	file := newFile(t, db)
	id := newStore(t, db, file)
	want := understudy.VectorStoreFileError{Code: understudy.VectorStoreFileUnsupported, Message: `no "text" in <it>`}
	if err := db.FailIngestion(ctx, claimFile(t, db), want); err != nil {
		t.Fatal(err)
	}
	f, err := db.VectorStoreFile(ctx, id, file)
	if err != nil || f.Status != understudy.VectorStoreFileFailed || f.LastError == nil || *f.LastError != want {
		t.Errorf("got %+v, %v", f, err)
	}
	checkStore(t, db, id)
}

// TestClaimIsLost has everything happen that takes a file away from the engine
// that ingests it.
func TestClaimIsLost(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, db *store.DB, c store.IngestClaim, batchID string) error
	}{
		{"detached", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			return db.DetachFile(t.Context(), c.StoreID, c.FileID)
		}},
		{"file deleted", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			return db.DeleteFile(t.Context(), c.FileID)
		}},
		{"store deleted", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			return db.DeleteVectorStore(t.Context(), c.StoreID)
		}},
		{"batch cancelled", func(t *testing.T, db *store.DB, c store.IngestClaim, batchID string) error {
			b, err := db.CancelFileBatch(t.Context(), c.StoreID, batchID)
			if err == nil && b.Status != understudy.FileBatchCancelled {
				t.Errorf("batch is %s, want cancelled", b.Status)
			}
			return err
		}},
		{"attached again", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			return db.AttachFile(t.Context(), c.StoreID, storeFile(c.FileID))
		}},
		{"attached again and claimed", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			if err := db.AttachFile(t.Context(), c.StoreID, storeFile(c.FileID)); err != nil {
				return err
			}
			_, _, _, err := db.ClaimIngestion(t.Context(), "me", time.Minute)
			return err
		}},
		{"released", func(t *testing.T, db *store.DB, _ store.IngestClaim, _ string) error {
			return db.ReleaseIngestions(t.Context(), "me")
		}},
		{"lapsed and taken over", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			if err := db.RenewIngestions(t.Context(), "me", []store.IngestClaim{c}, -time.Second); err != nil {
				return err
			}
			_, _, _, err := db.ClaimIngestion(t.Context(), "other", time.Minute)
			return err
		}},
		{"store expired", func(t *testing.T, db *store.DB, c store.IngestClaim, _ string) error {
			makeOverdue(t, db, c.StoreID)
			return db.ExpireVectorStores(t.Context())
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			db, ctx := open(t), t.Context()
			file := newFile(t, db)
			id := newStore(t, db)
			b := newBatch(t, db, id, file)
			c := claimFile(t, db)
			if err := test.do(t, db, c, b.ID); err != nil {
				t.Fatal(err)
			}
			if err := db.FinishIngestion(ctx, c, 1); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("finish: got %v, want the lease to be lost", err)
			}
			if err := db.FailIngestion(ctx, c, understudy.VectorStoreFileError{}); !errors.Is(err, store.ErrLeaseLost) {
				t.Errorf("fail: got %v, want the lease to be lost", err)
			}
			if indexed, err := db.IndexedFiles(ctx, id); err != nil || len(indexed) != 0 {
				t.Errorf("indexed: got %+v, %v, want nothing", indexed, err)
			}
		})
	}
}

// makeOverdue has the time of a store be over, unmarked.
func makeOverdue(t testing.TB, db *store.DB, id string) {
	t.Helper()
	past := time.Now().AddDate(0, 0, -3).Unix()
	if _, err := db.UpdateVectorStore(t.Context(), id, func(v *understudy.VectorStore) error {
		v.ExpiresAt = new(past)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestVectorStoreExpires(t *testing.T) {
	db, ctx := open(t), t.Context()
	done, waits := newFile(t, db), newFile(t, db)
	id := newStore(t, db, done)
	segments := ingest(t, db)
	if err := db.AttachFile(ctx, id, storeFile(waits)); err != nil {
		t.Fatal(err)
	}
	v, err := db.UpdateVectorStore(ctx, id, func(v *understudy.VectorStore) error {
		v.ExpiresAfter = &understudy.ExpiresAfter{Anchor: understudy.AnchorLastActive, Days: 2}
		return nil
	})
	if err != nil || v.ExpiresAt == nil || *v.ExpiresAt != v.LastActiveAt+2*86400 {
		t.Fatalf("got %+v, %v", v, err)
	}
	if err := db.ExpireVectorStores(ctx); err != nil {
		t.Fatal(err)
	}
	checkStore(t, db, id) // not yet

	makeOverdue(t, db, id)
	if err := db.TouchVectorStores(ctx, id, "vs_unknown"); err != nil {
		t.Fatal(err)
	}
	wantExpired := func(when string) {
		t.Helper()
		if v, err := db.VectorStore(ctx, id); err != nil || v.Status != understudy.VectorStoreExpired {
			t.Errorf("%s: got %+v, %v, want it expired", when, v, err)
		}
		err := db.AttachFile(ctx, id, storeFile(waits))
		if got, want := message(err), fmt.Sprintf("invalid: Vector store '%s' has expired", id); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	wantExpired("before it was marked")
	if err := db.ExpireVectorStores(ctx); err != nil {
		t.Fatal(err)
	}
	wantExpired("marked")
	if diff := cmp.Diff(segments, loose(t, db)); diff != "" {
		t.Errorf("loose segments (-want +got):\n%s", diff)
	}
	got, _, err := db.ListVectorStoreFiles(ctx, id, "", understudy.Page{Limit: 9, Order: understudy.Asc})
	if err != nil || len(got) != 2 || got[0].Status != understudy.VectorStoreFileCompleted || got[1].Status != understudy.VectorStoreFileCancelled {
		t.Errorf("files: got %+v, %v, want them listed, the one under way cancelled", got, err)
	}
	_, err = db.IndexedFile(ctx, id, done)
	if got, want := message(err), fmt.Sprintf("invalid: Vector store '%s' has expired", id); got != want {
		t.Errorf("content: got %q, want %q", got, want)
	}
	if _, err := db.UpdateVectorStore(ctx, id, func(v *understudy.VectorStore) error { v.Name = new("old"); return nil }); err != nil {
		t.Errorf("rename: %v", err)
	}
	_, err = db.UpdateVectorStore(ctx, id, func(v *understudy.VectorStore) error { v.ExpiresAfter = nil; return nil })
	if got, want := message(err), fmt.Sprintf("invalid: Vector store '%s' has expired", id); got != want {
		t.Errorf("revival: got %q, want %q", got, want)
	}
}

// TestModifyingNoticesExpiry shows what becomes of a store that is modified after
// its time, before anybody has marked it.
func TestModifyingNoticesExpiry(t *testing.T) {
	db := open(t)
	id := newStore(t, db, newFile(t, db))
	makeOverdue(t, db, id)
	settled, leave := db.Watch(id)
	defer leave()
	v, err := db.UpdateVectorStore(t.Context(), id, func(v *understudy.VectorStore) error { v.Name = new("old"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := (understudy.FileCounts{Cancelled: 1, Total: 1}); v.Status != understudy.VectorStoreExpired || v.FileCounts != want {
		t.Errorf("got %s with %+v, want it expired with %+v", v.Status, v.FileCounts, want)
	}
	select {
	case <-settled:
	default:
		t.Error("who waits for its files was not told that they are cancelled")
	}
}

func TestTouchPostponesExpiry(t *testing.T) {
	db, ctx := open(t), t.Context()
	past := time.Now().AddDate(0, 0, -3)
	v := understudy.NewVectorStore(past, 7)
	if err := db.CreateVectorStore(ctx, store.NewVectorStore{Store: v}); err != nil {
		t.Fatal(err)
	}
	if err := db.TouchVectorStores(ctx, v.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.VectorStore(ctx, v.ID)
	if err != nil || got.LastActiveAt < time.Now().Unix()-60 || *got.ExpiresAt != got.LastActiveAt+7*86400 || got.CreatedAt != past.Unix() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestFilesPageWhileTheyChange(t *testing.T) {
	db, ctx := open(t), t.Context()
	var ids []string
	for range 5 {
		ids = append(ids, newFile(t, db))
	}
	id := newStore(t, db, ids...)
	list := func(p understudy.Page, status understudy.VectorStoreFileStatus) []string {
		t.Helper()
		files, _, err := db.ListVectorStoreFiles(ctx, id, status, p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.ID)
		}
		return got
	}
	p := understudy.Page{Limit: 2, Order: understudy.Desc}
	if diff := cmp.Diff([]string{ids[4], ids[3]}, list(p, "in_progress")); diff != "" {
		t.Errorf("first page (-want +got):\n%s", diff)
	}
	ingest(t, db)
	p.After = ids[3]
	if got := list(p, "in_progress"); got != nil {
		t.Errorf("after a file that has left the filter: got %v, want none", got)
	}
	if diff := cmp.Diff([]string{ids[2], ids[1]}, list(p, "completed")); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	for _, gone := range []string{ids[3], ids[2]} {
		if err := db.DetachFile(ctx, id, gone); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{ids[1], ids[0]}, list(p, "")); diff != "" {
		t.Errorf("after a detached file (-want +got):\n%s", diff)
	}
	if err := db.AttachFile(ctx, id, storeFile(ids[3])); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ids[4], ids[1]}, list(p, "")); diff != "" {
		t.Errorf("after a file attached again (-want +got):\n%s", diff)
	}
}

// TestEnginesAndClientsRace has engines ingest while clients change their minds.
// Everything must have been ingested or taken away in the end.
func TestEnginesAndClientsRace(t *testing.T) {
	db, ctx := open(t), t.Context()
	var files []string
	for range 8 {
		files = append(files, newFile(t, db))
	}
	id := newStore(t, db)
	var clients, engines sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	segments := map[string]bool{}
	for i := range 3 {
		engines.Go(func() {
			owner := fmt.Sprint("engine", i)
			for {
				c, _, _, err := db.ClaimIngestion(ctx, owner, time.Minute)
				if errors.Is(err, store.ErrNotClaimable) {
					select {
					case <-stop:
						return
					default:
						continue
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				switch err := db.FinishIngestion(ctx, c, 1); {
				case err == nil:
					mu.Lock()
					segments[c.Segment] = true
					mu.Unlock()
				case !errors.Is(err, store.ErrLeaseLost):
					t.Error(err)
				}
			}
		})
	}
	for i := range 3 {
		clients.Go(func() {
			for n := range 15 {
				b := &understudy.FileBatch{ID: understudy.NewID(understudy.PrefixFileBatch), VectorStoreID: id}
				if err := db.CreateFileBatch(ctx, b, []*understudy.VectorStoreFile{storeFile(files[i]), storeFile(files[3+(n+i)%5])}); err != nil {
					t.Error(err)
				}
				if n%2 == 0 {
					if _, err := db.CancelFileBatch(ctx, id, b.ID); err != nil {
						t.Error(err)
					}
				} else if err := db.DetachFile(ctx, id, files[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	engines.Wait()
	checkStore(t, db, id)
	if v, err := db.VectorStore(ctx, id); err != nil || v.FileCounts.InProgress != 0 {
		t.Errorf("still in progress: %+v, %v", v, err)
	}
	indexed, err := db.IndexedFiles(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, f := range indexed {
		left[f.Segment] = true
	}
	for _, s := range loose(t, db) {
		left[s] = true
	}
	if diff := cmp.Diff(segments, left); diff != "" {
		t.Errorf("segments (-made +in use or loose):\n%s", diff)
	}
}
