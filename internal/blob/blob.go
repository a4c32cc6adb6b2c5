// Package blob keeps the bytes of files, each under a key, in a folder.
//
// It knows nothing of what the bytes are or who may see them: names, purposes
// and owners are rows of the store, and a key is an id that was made for the bytes
// (of a file, of a part of an upload, of an index), never a name that a user chose.
package blob

import (
	"bytes"
	"context"
	"crypto/md5" // the protocol's checksum; it guards against accidents, not against anybody
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/understudy-dev/understudy"
)

// temporaries is the folder, inside the Dir's own, of blobs being written. Keys
// cannot clash with it: they are never this short.
const temporaries = "tmp"

// Bounds on the length of a key.
const (
	minKey = 4
	maxKey = 200
)

// Dir is a folder of blobs. Make one with [Open]. Its methods are safe for
// concurrent use, and cannot reach outside the folder whatever the key and
// whatever links somebody has put into it.
type Dir struct {
	root *os.Root
}

// Open opens the folder dir, making it if it does not exist. It removes what
// writers that did not finish have left behind; so no two processes may use one
// folder.
func Open(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	if err := errors.Join(root.RemoveAll(temporaries), root.Mkdir(temporaries, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("blob: clear temporaries: %w", err), root.Close())
	}
	return &Dir{root: root}, nil
}

// Close releases the folder. Files returned by [Dir.Open] stay usable.
func (d *Dir) Close() error { return d.root.Close() }

// Put stores all that r yields under key, replacing what was there, and returns
// how many bytes that is. When it returns without an error the blob survives a
// power cut. After an error (r's, ctx's or the disk's) what was under key before
// is unchanged and nothing else is left behind.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (size int64, err error) {
	return d.write(key, func(f *os.File) (int64, error) { return io.Copy(f, &contextReader{ctx: ctx, r: r}) })
}

// ErrChecksum says that bytes do not have the checksum that was expected.
var ErrChecksum = errors.New("blob: wrong checksum")

// Compose stores the blobs under parts, one after the other, under key, like
// [Dir.Put], and leaves them as they are. With md5sum not nil, it fails with
// [ErrChecksum] if the whole has another MD5 checksum. The error is
// [fs.ErrNotExist] if one of the parts does not exist.
func (d *Dir) Compose(ctx context.Context, key string, parts []string, md5sum []byte) (size int64, err error) {
	return d.write(key, func(f *os.File) (int64, error) {
		var to io.Writer = f // the kernel copies from file to file by itself
		sum := md5.New()
		if md5sum != nil {
			to = io.MultiWriter(f, sum)
		}
		var size int64
		for _, part := range parts {
			if err := ctx.Err(); err != nil {
				return size, context.Cause(ctx)
			}
			n, err := d.copyTo(to, part)
			if size += n; err != nil {
				return size, err
			}
		}
		if md5sum != nil && !bytes.Equal(sum.Sum(nil), md5sum) {
			return size, ErrChecksum
		}
		return size, nil
	})
}

// copyTo writes the blob under key to w.
func (d *Dir) copyTo(w io.Writer, key string) (int64, error) {
	f, err := d.Open(key)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, f)
	return n, errors.Join(err, f.Close())
}

// write stores what fill writes under key, or nothing.
func (d *Dir) write(key string, fill func(*os.File) (int64, error)) (size int64, err error) {
	if !validKey(key) {
		return 0, fmt.Errorf("blob: invalid key %q", key)
	}
	tmp := temporaries + "/" + understudy.NewID("put_")
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("blob: %w", err)
	}
	size, err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = d.root.Rename(tmp, key)
	}
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", key, errors.Join(err, d.root.Remove(tmp)))
	}
	if err := d.sync(); err != nil {
		return 0, fmt.Errorf("blob %s: %w", key, errors.Join(err, d.Delete(key)))
	}
	return size, nil
}

// sync makes the folder's own entries durable.
func (d *Dir) sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open returns the blob under key for reading. The error is [fs.ErrNotExist] if
// there is none. A blob deleted meanwhile can still be read to its end.
func (d *Dir) Open(key string) (*os.File, error) {
	if !validKey(key) {
		return nil, fmt.Errorf("blob: invalid key %q: %w", key, fs.ErrNotExist)
	}
	f, err := d.root.Open(key)
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return f, nil
}

// Delete removes the blob under key. It is no error if there is none.
func (d *Dir) Delete(key string) error {
	if !validKey(key) {
		return nil
	}
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

// validKey reports whether key can be the name of a file here: letters, digits,
// '-' and '_'.
func validKey(key string) bool {
	if len(key) < minKey || len(key) > maxKey {
		return false
	}
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// contextReader stops reading once its context is done. It lives for one call
// of Put, so the context in it does not outlive its owner.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
