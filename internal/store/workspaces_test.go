package store_test

import (
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// save changes a workspace by files of one byte each, all in one new blob.
func save(t *testing.T, db *store.DB, c store.Claim, since string, gone []string, paths ...string) (version, blob string) {
	t.Helper()
	change := store.WorkspaceChange{Since: since, Gone: gone, BlobSize: int64(len(paths))}
	if len(paths) > 0 {
		var err error
		if change.Blob, err = db.ReserveWorkspaceBlob(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, path := range paths {
		change.Files = append(change.Files, store.WorkspaceFile{Path: path, Size: 1, Modified: 1e18 + 1, Start: int64(i)})
	}
	version, err := db.SaveWorkspace(t.Context(), c, change)
	if err != nil {
		t.Fatal(err)
	}
	return version, change.Blob
}

func TestWorkspace(t *testing.T) {
	db := open(t)
	c := claim(t, db, newRun(t, db))
	if v, err := db.WorkspaceVersion(t.Context(), c.ThreadID); v != "" || err != nil {
		t.Fatalf("before: got version %q, %v", v, err)
	}
	v1, blob1 := save(t, db, c, "", nil, "a", "d/ü", "z")
	v2, blob2 := save(t, db, c, v1, []string{"a"}, "b", "z")
	if v, err := db.WorkspaceVersion(t.Context(), c.ThreadID); v != v2 || v == v1 || err != nil {
		t.Errorf("got version %q, %v, want %q", v, err, v2)
	}
	got, err := db.WorkspaceFiles(t.Context(), c.ThreadID)
	want := []store.WorkspaceFile{
		{Path: "b", Size: 1, Modified: 1e18 + 1, Blob: blob2, BlobSize: 2},
		{Path: "d/ü", Size: 1, Modified: 1e18 + 1, Start: 1, Blob: blob1, BlobSize: 3},
		{Path: "z", Size: 1, Modified: 1e18 + 1, Start: 1, Blob: blob2, BlobSize: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; files (-want +got):\n%s", err, diff)
	}
	if f, err := db.WorkspaceFile(t.Context(), c.ThreadID, "z"); err != nil || f != want[2] {
		t.Errorf("z: got %v, %v", f, err)
	}
	if _, err := db.WorkspaceFile(t.Context(), c.ThreadID, "a"); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("a: got %v, want no rows", err)
	}
	if keys := loose(t, db); len(keys) != 0 {
		t.Errorf("loose blobs %v, want none: both are in use", keys)
	}
	v3, _ := save(t, db, c, v2, []string{"d/ü"})
	if keys := loose(t, db); !slices.Equal(keys, []string{blob1}) {
		t.Errorf("loose blobs %v, want %v", keys, []string{blob1})
	}
	for name, since := range map[string]string{"an old version": v2, "none": ""} {
		if _, err := db.SaveWorkspace(t.Context(), c, store.WorkspaceChange{Since: since, Gone: []string{"b"}}); !errors.Is(err, store.ErrStale) {
			t.Errorf("a change to %s: got %v, want %v", name, err, store.ErrStale)
		}
	}
	old := c
	old.Fence--
	if _, err := db.SaveWorkspace(t.Context(), old, store.WorkspaceChange{Since: v3}); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("an old claim: got %v, want %v", err, store.ErrLeaseLost)
	}
	if err := db.DeleteThread(t.Context(), c.ThreadID); err != nil {
		t.Fatal(err)
	}
	both := []string{blob1, blob2}
	if keys := slices.Sorted(slices.Values(loose(t, db))); !slices.Equal(keys, both) {
		t.Errorf("after the thread: loose blobs %v, want %v", keys, both)
	}
}

func TestExpireWorkspaces(t *testing.T) {
	db := open(t)
	active, over := claim(t, db, newRun(t, db)), claim(t, db, newRun(t, db))
	save(t, db, active, "", nil, "a")
	_, blob := save(t, db, over, "", nil, "a")
	if err := db.Commit(t.Context(), over, func(tx *store.RunTx) error { return tx.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before time.Time
		want   []string
	}{{time.Now().Add(-time.Hour), nil}, {time.Now().Add(time.Hour), []string{blob}}} {
		if err := db.ExpireWorkspaces(t.Context(), c.before, 10); err != nil {
			t.Fatal(err)
		}
		if got := loose(t, db); !slices.Equal(got, c.want) {
			t.Errorf("before %v: loose blobs %v, want %v", c.before, got, c.want)
		}
	}
	for thread, kept := range map[string]bool{active.ThreadID: true, over.ThreadID: false} {
		if v, err := db.WorkspaceVersion(t.Context(), thread); (v != "") != kept || err != nil {
			t.Errorf("got version %q, %v, want one: %t", v, err, kept)
		}
	}
}

func TestRanCode(t *testing.T) {
	db := open(t)
	c := claim(t, db, newRun(t, db))
	ran := func() bool {
		t.Helper()
		ran, err := db.RanCode(t.Context(), c.ThreadID)
		if err != nil {
			t.Fatal(err)
		}
		return ran
	}
	step := store.OpenStep{Step: &understudy.Step{
		ID: "step_1", RunID: c.RunID, ThreadID: c.ThreadID, Status: understudy.StepInProgress, Type: understudy.StepToolCalls,
		StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{
			{ID: "call_1", Type: understudy.ToolCodeInterpreter, CodeInterpreter: &understudy.CodeInterpreterRun{Input: "1"}},
		}},
	}}
	if err := db.Commit(t.Context(), c, func(tx *store.RunTx) error { return tx.AddStep(step.Step) }); err != nil {
		t.Fatal(err)
	}
	if ran() {
		t.Error("got true for a call under way")
	}
	step.Progress.Done = []string{"call_1"}
	if err := db.Commit(t.Context(), c, func(tx *store.RunTx) error { return tx.SaveStep(step) }); err != nil {
		t.Fatal(err)
	}
	if !ran() {
		t.Error("got false for a call that is over")
	}
	if err := db.Commit(t.Context(), c, func(tx *store.RunTx) error { return tx.EndStep(step, understudy.StepCompleted) }); err != nil {
		t.Fatal(err)
	}
	if !ran() {
		t.Error("got false for a step that is over")
	}
}
