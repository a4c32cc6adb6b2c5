package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

func TestStoresOfAssistantsAndThreads(t *testing.T) {
	db, ctx := open(t), t.Context()
	file := newFile(t, db)
	helper := func(days int, files ...string) store.NewVectorStore {
		n := store.NewVectorStore{Store: understudy.NewVectorStore(time.Now(), days)}
		for _, id := range files {
			n.Files = append(n.Files, storeFile(id))
		}
		return n
	}

	a := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant), Model: "m"}
	bad := helper(0, "file-unknown")
	if err := db.CreateAssistant(ctx, a, bad); message(err) != "not_found: Files [file-unknown] were not found" {
		t.Errorf("unknown file: got %v", err)
	}
	if _, err := db.VectorStore(ctx, bad.Store.ID); !understudy.IsNotFound(err) {
		t.Errorf("the store of an assistant that was not created: %v", err)
	}
	a.ToolResources = understudy.ToolResources{}
	n := helper(0, file)
	if err := db.CreateAssistant(ctx, a, n); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Assistant(ctx, a.ID); err != nil || !slices.Equal(got.ToolResources.VectorStoreIDs(), []string{n.Store.ID}) {
		t.Errorf("assistant: got %+v, %v", got.ToolResources, err)
	}
	checkStore(t, db, n.Store.ID)

	th := newThread(t, db)
	edit := func(ids ...string) error {
		_, err := db.UpdateThread(ctx, th.ID, func(th *understudy.Thread) error {
			th.ToolResources.FileSearch = &understudy.FileSearchResources{VectorStoreIDs: ids}
			return nil
		})
		return err
	}
	if err := edit("vs_unknown"); message(err) != "not_found: No vector store found with id 'vs_unknown'." {
		t.Errorf("unknown store: got %v", err)
	}
	if err := edit(n.Store.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteVectorStore(ctx, n.Store.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.Thread(ctx, th.ID)
	if err != nil || len(got.ToolResources.VectorStoreIDs()) != 0 {
		t.Errorf("thread after the store's deletion: got %+v, %v", got.ToolResources, err)
	}
	if a, err := db.Assistant(ctx, a.ID); err != nil || len(a.ToolResources.VectorStoreIDs()) != 0 {
		t.Errorf("assistant after the store's deletion: got %+v, %v", a.ToolResources, err)
	}
	if err := db.DeleteVectorStore(ctx, n.Store.ID); message(err) != "not_found: No vector store found with id '"+n.Store.ID+"'." {
		t.Errorf("second deletion: got %v", err)
	}
}

func TestAttachmentsForFileSearch(t *testing.T) {
	db, ctx := open(t), t.Context()
	first, second := newFile(t, db), newFile(t, db)
	attaching := func(threadID string, ids ...string) *understudy.Message {
		m := userMessage(threadID, "look")
		for _, id := range ids {
			m.Attachments = append(m.Attachments, understudy.Attachment{FileID: id, Tools: []understudy.AttachmentTool{{Type: understudy.ToolFileSearch}}})
		}
		return m
	}
	th := newThread(t, db, attaching("", first))
	ids := th.ToolResources.VectorStoreIDs()
	if len(ids) != 1 {
		t.Fatalf("stores of the thread: %v, want one", ids)
	}
	v, err := db.VectorStore(ctx, ids[0])
	if err != nil || v.FileCounts.Total != 1 || v.ExpiresAfter == nil || v.ExpiresAfter.Days != 7 {
		t.Errorf("store: got %+v, %v", v, err)
	}
	segments := ingest(t, db)
	if err := db.CreateMessage(ctx, attaching(th.ID, first, second, second)); err != nil {
		t.Fatal(err)
	}
	v, err = db.VectorStore(ctx, ids[0])
	if err != nil || v.FileCounts.Total != 2 || v.FileCounts.Completed != 1 {
		t.Errorf("store: got %+v, %v, want the first file untouched", v, err)
	}
	if indexed, err := db.IndexedFiles(ctx, ids...); err != nil || len(indexed) != 1 || indexed[0].Segment != segments[0] {
		t.Errorf("indexed: got %+v, %v", indexed, err)
	}

	for _, test := range []struct {
		code string
		want understudy.VectorStoreFileStatus // after it was attached by another message
	}{
		{understudy.VectorStoreFileUnsupported, understudy.VectorStoreFileFailed},
		{understudy.VectorStoreFileServerError, understudy.VectorStoreFileInProgress},
	} {
		if err := db.AttachFile(ctx, ids[0], storeFile(second)); err != nil {
			t.Fatal(err)
		}
		if err := db.FailIngestion(ctx, claimFile(t, db), understudy.VectorStoreFileError{Code: test.code}); err != nil {
			t.Fatal(err)
		}
		if err := db.CreateMessage(ctx, attaching(th.ID, second)); err != nil {
			t.Fatal(err)
		}
		if f, err := db.VectorStoreFile(ctx, ids[0], second); err != nil || f.Status != test.want {
			t.Errorf("attached again after %s: got %+v, %v, want it %s", test.code, f, err, test.want)
		}
	}

	err = db.CreateMessage(ctx, attaching(th.ID, "file-unknown"))
	if got, want := message(err), "not_found: Files [file-unknown] were not found"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	other := newThread(t, db)
	if err := db.CreateMessage(ctx, attaching(other.ID, first)); err != nil {
		t.Fatal(err)
	}
	got, err := db.Thread(ctx, other.ID)
	if err != nil || len(got.ToolResources.VectorStoreIDs()) != 1 {
		t.Errorf("thread that had no store: got %+v, %v", got.ToolResources, err)
	}
	if err := db.DeleteFile(ctx, first); err != nil {
		t.Fatal(err)
	}
	checkStore(t, db, ids[0])
	checkStore(t, db, got.ToolResources.VectorStoreIDs()[0])
	if diff := cmp.Diff(append(segments, first), loose(t, db)); diff != "" {
		t.Errorf("loose (-want +got):\n%s", diff)
	}
}
