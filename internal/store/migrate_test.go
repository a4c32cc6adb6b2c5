package store

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/understudy-dev/understudy"
)

// TestOldDatabaseGetsVectorStores opens a database that the first migration
// alone has made, with objects in it.
func TestOldDatabaseGetsVectorStores(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "old.db"), t.Context()
	old, err := openSQLite(path, "")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, old, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO files (id, purpose, doc) VALUES ('file-1', 'assistants', '{"id":"file-1","filename":"a.txt"}')`,
		`INSERT INTO assistants (id, doc) VALUES ('asst_1', '{"id":"asst_1","tool_resources":{"code_interpreter":{"file_ids":["file-1"]}}}')`,
		`INSERT INTO file_uses (file_id, object_id) VALUES ('file-1', 'asst_1')`,
	} {
		if _, err := old.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	db, err := Open(ctx, Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	n := NewVectorStore{Store: understudy.NewVectorStore(time.Now(), 0), Files: []*understudy.VectorStoreFile{
		understudy.NewVectorStoreFile(time.Now(), "file-1", understudy.ChunkingStrategy{}, nil),
	}}
	if err := db.CreateVectorStore(ctx, n); err != nil {
		t.Fatal(err)
	}
	if n.Store.FileCounts.InProgress != 1 {
		t.Errorf("got %+v, want one file in progress", n.Store.FileCounts)
	}
	if err := db.DeleteFile(ctx, "file-1"); err != nil {
		t.Fatal(err)
	}
	a, err := db.Assistant(ctx, "asst_1")
	if err != nil || len(a.ToolResources.CodeFileIDs()) != 0 {
		t.Errorf("assistant: got %+v, %v, want its file gone", a, err)
	}
	if v, err := db.VectorStore(ctx, n.Store.ID); err != nil || v.FileCounts.Total != 0 {
		t.Errorf("store: got %+v, %v, want its file gone", v, err)
	}
}
