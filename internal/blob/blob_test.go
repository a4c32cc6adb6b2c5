package blob

import (
	"context"
	"crypto/md5"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

const key = "file-AbCd1234"

func openDir(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a", "blobs")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, path
}

func put(t *testing.T, d *Dir, key, content string) {
	t.Helper()
	n, err := d.Put(t.Context(), key, strings.NewReader(content))
	if err != nil || n != int64(len(content)) {
		t.Fatalf("Put(%q): got %d, %v; want %d, nil", key, n, err, len(content))
	}
}

func content(t *testing.T, d *Dir, key string) string {
	t.Helper()
	f, err := d.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// left lists what is in the folder, temporaries included.
func left(t *testing.T, path string) []string {
	t.Helper()
	names := []string{}
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, e.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRoundTrip(t *testing.T) {
	d, path := openDir(t)
	put(t, d, key, "one")
	put(t, d, key, "two")
	put(t, d, "file-empty", "")
	if got := content(t, d, key); got != "two" {
		t.Errorf("content: got %q, want %q", got, "two")
	}
	if got := content(t, d, "file-empty"); got != "" {
		t.Errorf("content of the empty blob: got %q", got)
	}
	if got := left(t, path); len(got) != 2 {
		t.Errorf("files in the folder: got %v, want the two blobs", got)
	}
}

func TestDelete(t *testing.T) {
	d, path := openDir(t)
	put(t, d, key, "x")
	for range 2 {
		if err := d.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Open(key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open after Delete: got %v, want fs.ErrNotExist", err)
	}
	if got := left(t, path); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestPutFailureLeavesNothing(t *testing.T) {
	broken := errors.New("connection lost")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		r    io.Reader
		want error
	}{
		"reader":  {t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), broken},
		"context": {cancelled, strings.NewReader("all"), context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := openDir(t)
			put(t, d, key, "before")
			if _, err := d.Put(tc.ctx, key, tc.r); !errors.Is(err, tc.want) {
				t.Errorf("Put: got %v, want %v", err, tc.want)
			}
			if got := content(t, d, key); got != "before" {
				t.Errorf("content after the failure: got %q, want %q", got, "before")
			}
			if got := left(t, path); len(got) != 1 {
				t.Errorf("files in the folder: got %v, want only the blob", got)
			}
		})
	}
}

func TestOpenClearsTemporaries(t *testing.T) {
	d, path := openDir(t)
	put(t, d, key, "kept")
	if err := os.WriteFile(filepath.Join(path, temporaries, "put_x"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := left(t, path); len(got) != 1 || content(t, again, key) != "kept" {
		t.Errorf("files in the folder: got %v, want only the finished blob", got)
	}
}

func TestInvalidKeys(t *testing.T) {
	d, _ := openDir(t)
	for _, bad := range []string{"", "x", "tmp", "..", "../file-x", "/etc/passwd", "tmp/file", "file-\x00x", "file.x.y", "fïle-abc", strings.Repeat("x", 300)} {
		if _, err := d.Put(t.Context(), bad, strings.NewReader("x")); err == nil {
			t.Errorf("Put(%q): got no error", bad)
		}
		if _, err := d.Open(bad); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): got %v, want fs.ErrNotExist", bad, err)
		}
		if err := d.Delete(bad); err != nil {
			t.Errorf("Delete(%q): %v", bad, err)
		}
	}
}

func TestLinksDoNotLeadOutside(t *testing.T) {
	d, path := openDir(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(path, key)); err != nil {
		t.Fatal(err)
	}
	if f, err := d.Open(key); err == nil {
		f.Close()
		t.Error("Open followed a link out of the folder")
	}
}

func TestCompose(t *testing.T) {
	d, path := openDir(t)
	put(t, d, "part-1", "one, ")
	put(t, d, "part-2", "two")
	put(t, d, "part-3", "")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	sum := md5.Sum([]byte("two" + "one, " + "two"))
	for name, tc := range map[string]struct {
		ctx   context.Context
		parts []string
		sum   []byte
		want  string
		err   error
	}{
		"in order":      {t.Context(), []string{"part-1", "part-3", "part-2"}, nil, "one, two", nil},
		"out of order":  {t.Context(), []string{"part-2", "part-1", "part-2"}, sum[:], "twoone, two", nil},
		"nothing":       {t.Context(), nil, nil, "", nil},
		"checksum":      {t.Context(), []string{"part-1", "part-2"}, sum[:], "", ErrChecksum},
		"no checksum":   {t.Context(), []string{"part-1", "part-2"}, []byte{}, "", ErrChecksum},
		"missing":       {t.Context(), []string{"part-1", "part-4"}, nil, "", fs.ErrNotExist},
		"not a key":     {t.Context(), []string{"part-1", "../part"}, nil, "", fs.ErrNotExist},
		"client leaves": {cancelled, []string{"part-1"}, nil, "", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := d.Compose(tc.ctx, key, tc.parts, tc.sum)
			if !errors.Is(err, tc.err) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			want := 3 // the parts
			if tc.err == nil {
				want++
				if got := content(t, d, key); got != tc.want || n != int64(len(tc.want)) {
					t.Errorf("got %q of %d bytes, want %q", got, n, tc.want)
				}
			}
			if got := left(t, path); len(got) != want {
				t.Errorf("files in the folder: got %v, want %d", got, want)
			}
			if err := d.Delete(key); err != nil {
				t.Error(err)
			}
		})
	}
}
