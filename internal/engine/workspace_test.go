package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// kept is a workspace with its database and its folder of blobs.
type kept struct {
	*workspace
	t    testing.TB
	dir  string
	blob *blob.Dir
}

func newKept(t testing.TB) *kept {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	k := &kept{t: t, dir: filepath.Join(dir, "files")}
	if k.blob, err = blob.Open(k.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(k.blob.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	at := time.Now().Unix()
	r := &understudy.Run{ID: "run_1", ThreadID: "thread_1", Status: understudy.RunQueued, CreatedAt: at, ExpiresAt: new(at + 600)}
	question := &understudy.Message{ID: "msg_1", ThreadID: r.ThreadID, Role: understudy.RoleUser, Content: []understudy.Content{understudy.TextContent("?")}}
	if err := db.CreateRun(t.Context(), store.NewRun{Run: r, Thread: &understudy.Thread{ID: r.ThreadID}, Messages: []*understudy.Message{question}}); err != nil {
		t.Fatal(err)
	}
	claim, _, err := db.ClaimRun(t.Context(), r.ID, "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	k.workspace = &workspace{store: db, files: k.blob, claim: claim}
	return k
}

// changes puts files in place of those of the same paths and removes others.
func changes(since string, files map[string]string, removed ...string) sandbox.Changes {
	paths := slices.Sorted(maps.Keys(files))
	return sandbox.Changes{
		Since: since, Gone: append(removed, paths...),
		Files: func(yield func(sandbox.FileInfo, io.Reader) bool) {
			for _, path := range paths {
				if !yield(sandbox.FileInfo{Path: path, ModTime: time.Unix(1e9, 5)}, strings.NewReader(files[path])) {
					return
				}
			}
		},
	}
}

func (k *kept) save(since string, files map[string]string, removed ...string) (version string) {
	k.t.Helper()
	version, err := k.Save(k.t.Context(), changes(since, files, removed...))
	if err != nil {
		k.t.Fatal(err)
	}
	return version
}

// want checks what is kept, and, after a sweep, in how many blobs.
func (k *kept) want(files map[string]string, blobs int) {
	k.t.Helper()
	all, _, err := k.Files(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range all {
		r, err := f.Open(k.t.Context())
		if err != nil {
			k.t.Fatalf("%s: %v", f.Path, err)
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || int64(len(b)) != f.Size || !f.ModTime.Equal(time.Unix(1e9, 5)) {
			k.t.Errorf("%s: got %+v and %d bytes, %v", f.Path, f.FileInfo, len(b), err)
		}
		got[f.Path] = string(b)
	}
	if diff := cmp.Diff(files, got); diff != "" {
		k.t.Errorf("kept (-want +got):\n%s", diff)
	}
	New(Config{Store: k.store, Files: k.blob}).removeLooseBlobs(k.t.Context())
	if names, _ := filepath.Glob(filepath.Join(k.dir, "work_*")); len(names) != blobs {
		k.t.Errorf("got blobs %v, want %d", names, blobs)
	}
}

func TestWorkspaceSaves(t *testing.T) {
	k := newKept(t)
	k.want(map[string]string{}, 0)
	v := k.save("", map[string]string{"a": "aaaaaa", "b/c": "cccc", "empty": ""})
	k.want(map[string]string{"a": "aaaaaa", "b/c": "cccc", "empty": ""}, 1)
	v = k.save(v, map[string]string{"b/c": "c"}, "empty")
	k.want(map[string]string{"a": "aaaaaa", "b/c": "c"}, 2)
	v = k.save(v, map[string]string{"d": "d"})
	k.want(map[string]string{"a": "aaaaaa", "b/c": "c", "d": "d"}, 3)
	v = k.save(v, nil, "a")
	k.want(map[string]string{"b/c": "c", "d": "d"}, 2)
	v = k.save(v, nil, "b/c", "d")
	k.want(map[string]string{}, 0)
	if got, err := k.Version(t.Context()); got != v || err != nil {
		t.Errorf("got version %q, %v, want %q", got, err, v)
	}
}

// TestWorkspaceBlobsStaySmall lets each cell leave something small in a large blob.
func TestWorkspaceBlobsStaySmall(t *testing.T) {
	k := newKept(t)
	var v string
	want := map[string]string{}
	for i := range 20 {
		files := map[string]string{"big": strings.Repeat(fmt.Sprint(i%10), 1000), fmt.Sprint(i): fmt.Sprint(i)}
		v = k.save(v, files)
		maps.Copy(want, files)
	}
	k.want(want, 1)
	v = k.save(v, nil, "big") // what is left of the last blob is moved
	delete(want, "big")
	k.want(want, 1)
	names, _ := filepath.Glob(filepath.Join(k.dir, "work_*"))
	if info, err := os.Stat(names[0]); err != nil || info.Size() != 30 {
		t.Errorf("got %v, %v, want a blob of 30 bytes", info, err)
	}
	if err := k.blob.Delete(filepath.Base(names[0])); err != nil { // lost: the next save is none the worse
		t.Fatal(err)
	}
	k.save(v, map[string]string{"new": "x"}, "0")
}

// stops is a folder of blobs that fails where a crash would stop the server.
type stops struct {
	Files
	before, after bool
}

var errStopped = errors.New("stopped")

func (s *stops) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	if s.before {
		return 0, errStopped
	}
	n, err := s.Files.Put(ctx, key, r)
	if s.after {
		err = errStopped
	}
	return n, err
}

// TestWorkspaceAfterACrash stops a save at each of its steps: what was kept before
// stays, and can be changed again.
func TestWorkspaceAfterACrash(t *testing.T) {
	k := newKept(t)
	v := k.save("", map[string]string{"a": "1", "b": "2"})
	next := map[string]string{"a": "3"}
	for blobs, s := range []*stops{1: {before: true}, 2: {after: true}} { // the sweep takes what was written, an hour later
		if s == nil {
			continue
		}
		s.Files = k.blob
		k.files = s
		if _, err := k.Save(t.Context(), changes(v, next, "b")); !errors.Is(err, errStopped) {
			t.Fatalf("got %v, want %v", err, errStopped)
		}
		k.files = k.blob
		k.want(map[string]string{"a": "1", "b": "2"}, blobs)
	}
	cut, cancel := context.WithCancel(t.Context())
	c := changes(v, next, "b")
	inner := c.Files
	c.Files = func(yield func(sandbox.FileInfo, io.Reader) bool) { cancel(); inner(yield) }
	if _, err := k.Save(cut, c); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: got %v", err)
	}
	k.save(v, next, "b")
	k.want(next, 2)
}

// BenchmarkWorkspaceSave measures what keeping what a cell changed costs on this
// disk, beside the cell.
func BenchmarkWorkspaceSave(b *testing.B) {
	for _, c := range []struct {
		name  string
		files int
		size  int
	}{{"nothing", 0, 0}, {"1kB", 1, 1000}, {"1000x1kB", 1000, 1000}, {"100MB", 1, 100_000_000}} {
		b.Run(c.name, func(b *testing.B) {
			k := newKept(b)
			files := map[string]string{}
			for i := range c.files {
				files[fmt.Sprint(i)] = strings.Repeat("x", c.size)
			}
			sweep := New(Config{Store: k.store, Files: k.blob})
			for b.Loop() {
				version, err := k.Version(b.Context()) // before the cell
				if err == nil && c.files > 0 {
					_, err = k.Save(b.Context(), changes(version, files))
				}
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				sweep.removeLooseBlobs(b.Context())
				b.StartTimer()
			}
		})
	}
}
