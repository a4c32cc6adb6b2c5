package store

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

// TestV1FilesGo follows the lists of version 1 until nobody is left to have one.
func TestV1FilesGo(t *testing.T) {
	ctx := t.Context()
	db, err := Open(ctx, Config{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	file := func() string {
		f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Object: "file", Filename: "a.md"}
		if err := db.CreateFile(ctx, f); err != nil {
			t.Fatal(err)
		}
		return f.ID
	}
	a, b := file(), file()
	asst := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant)}
	thread := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread)}
	message := func() *understudy.Message {
		return &understudy.Message{ID: understudy.NewID(understudy.PrefixMessage), ThreadID: thread.ID, Role: understudy.RoleUser,
			Attachments: []understudy.Attachment{{FileID: b}, {FileID: a}}}
	}
	first, second := message(), message()
	run := &understudy.Run{ID: understudy.NewID(understudy.PrefixRun), ThreadID: thread.ID, AssistantID: asst.ID, Status: understudy.RunQueued, ExpiresAt: new(time.Now().Unix())}
	for _, err := range []error{
		db.V1().CreateAssistant(ctx, asst, []string{a, b}),
		db.V1().CreateThread(ctx, thread, []*understudy.Message{first}),
		db.V1().CreateMessage(ctx, second),
		db.CreateRun(ctx, NewRun{Run: run, V1: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(after string, want map[string][]string) {
		t.Helper()
		got := make(map[string][]string)
		for _, id := range []string{asst.ID, first.ID, second.ID, run.ID} {
			lists, err := db.V1().Files(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range lists[id] {
				got[id] = append(got[id], f.ID)
			}
		}
		rows, total := 0, 0
		for _, files := range want {
			total += len(files)
		}
		if err := one(ctx, db, "SELECT count(*) FROM v1_files", nil, &rows); err != nil || rows != total {
			t.Errorf("after %s: %d rows, %v, want %d", after, rows, err, total)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", after, diff)
		}
	}
	expect("creation", map[string][]string{asst.ID: {a, b}, first.ID: {b, a}, second.ID: {b, a}, run.ID: {a, b}})

	refused := errors.New("refused")
	for _, edit := range []func(*understudy.Assistant, []string) ([]string, error){
		func(*understudy.Assistant, []string) ([]string, error) { return nil, refused },
		func(*understudy.Assistant, []string) ([]string, error) { return []string{"file-none"}, nil },
	} {
		if _, err := db.V1().UpdateAssistant(ctx, asst.ID, edit); err == nil {
			t.Error("the update did not fail")
		}
	}
	if _, err := db.V1().UpdateAssistant(ctx, asst.ID, func(_ *understudy.Assistant, files []string) ([]string, error) { return files[1:], nil }); err != nil {
		t.Fatal(err)
	}
	expect("detaching", map[string][]string{asst.ID: {b}, first.ID: {b, a}, second.ID: {b, a}, run.ID: {a, b}})
	if err := db.DeleteFile(ctx, a); err != nil {
		t.Fatal(err)
	}
	expect("deleting a file", map[string][]string{asst.ID: {b}, first.ID: {b}, second.ID: {b}, run.ID: {b}})
	if err := db.DeleteMessage(ctx, thread.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	expect("deleting a message", map[string][]string{asst.ID: {b}, second.ID: {b}, run.ID: {b}})
	if err := db.DeleteThread(ctx, thread.ID); err != nil {
		t.Fatal(err)
	}
	expect("deleting the thread", map[string][]string{asst.ID: {b}})
	if err := db.DeleteAssistant(ctx, asst.ID); err != nil {
		t.Fatal(err)
	}
	expect("deleting the assistant", map[string][]string{})
}

// TestV1FileLeavesItsStore shows that those who wait for a vector store learn that
// a file of it, which they may be waiting for, is gone.
func TestV1FileLeavesItsStore(t *testing.T) {
	ctx := t.Context()
	db, err := Open(ctx, Config{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Object: "file", Filename: "a.md"}
	if err := db.CreateFile(ctx, f); err != nil {
		t.Fatal(err)
	}
	a := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant), Tools: []understudy.Tool{{Type: understudy.ToolFileSearch}}}
	if err := db.V1().CreateAssistant(ctx, a, []string{f.ID}); err != nil {
		t.Fatal(err)
	}
	id := a.ToolResources.VectorStoreIDs()[0]
	settled, leave := db.Watch(id)
	defer leave()
	if _, err := db.V1().UpdateAssistant(ctx, a.ID, func(*understudy.Assistant, []string) ([]string, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-settled:
	default:
		t.Error("not told")
	}
	if v, err := db.VectorStore(ctx, id); err != nil || v.FileCounts.Total != 0 {
		t.Errorf("got %+v, %v, want no file", v, err)
	}
}
