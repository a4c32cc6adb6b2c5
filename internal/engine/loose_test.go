package engine

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/store"
)

// TestLooseBlobs sweeps after an upload that was cancelled and one whose time is
// over, and leaves alone what is under way.
func TestLooseBlobs(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	db, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	files, err := blob.Open(filepath.Join(dir, "files"))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	add := func(upload string, expires int64) {
		t.Helper()
		u := &understudy.Upload{ID: upload, Bytes: 8, Status: understudy.UploadPending, ExpiresAt: expires}
		part := &understudy.UploadPart{ID: "part_of_" + upload, UploadID: upload}
		_, putErr := files.Put(ctx, part.ID, strings.NewReader("x"))
		if err := errors.Join(putErr, db.CreateUpload(ctx, u, 0)); err != nil {
			t.Fatal(err)
		}
		err := db.BeginPart(ctx, upload, part.ID)
		if err == nil {
			err = db.AddPart(ctx, part, 1, false)
		}
		if gone := err != nil; gone != (expires == 0) {
			t.Fatal(err)
		}
	}
	const later = 1 << 40
	add("upload_1", later)
	add("upload_2", later)
	add("upload_3", 0)
	if err := db.BeginPart(ctx, "upload_2", "part_arriving"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CancelUpload(ctx, "upload_1"); err != nil {
		t.Fatal(err)
	}
	New(Config{Store: db, Files: files}).removeLooseBlobs(ctx)
	for key, want := range map[string]error{"part_of_upload_1": fs.ErrNotExist, "part_of_upload_2": nil} {
		f, err := files.Open(key)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", key, err, want)
		}
		if err == nil {
			f.Close()
		}
	}
	if u, err := db.Upload(ctx, "upload_3"); err != nil || u.Status != understudy.UploadExpired {
		t.Errorf("overdue: got %v, %v", u, err)
	}
	if keys, err := db.LooseBlobs(ctx, 10); err != nil || len(keys) != 0 {
		t.Errorf("still to be removed: %v, %v", keys, err)
	}
}
