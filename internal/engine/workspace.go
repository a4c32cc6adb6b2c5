package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// workspace keeps the files of a thread's code sessions for a run. What one cell
// changed becomes one blob, however many files that is: it costs one flush. The
// store knows where in which blob each file is. When less than half of a blob is
// still needed, the next save moves that to the new blob, so that blobs take at
// most twice the room of the files.
//
// A run's lease decides who may save: a session on a server that has lost the run
// cannot overwrite what its successor saved.
type workspace struct {
	store *store.DB
	files Files
	claim store.Claim
}

// Version implements [sandbox.Keeper].
func (w *workspace) Version(ctx context.Context) (string, error) {
	return w.store.WorkspaceVersion(ctx, w.claim.ThreadID)
}

// Files implements [sandbox.Keeper].
func (w *workspace) Files(ctx context.Context) (all []sandbox.KeptFile, used bool, err error) {
	if used, err = w.store.RanCode(ctx, w.claim.ThreadID); err != nil {
		return nil, false, err
	}
	rows, err := w.store.WorkspaceFiles(ctx, w.claim.ThreadID)
	if err != nil {
		return nil, false, err
	}
	all = make([]sandbox.KeptFile, len(rows))
	for i, f := range rows {
		all[i] = sandbox.KeptFile{
			FileInfo: sandbox.FileInfo{Path: f.Path, Size: f.Size, ModTime: time.Unix(0, f.Modified)},
			Open:     func(context.Context) (io.ReadCloser, error) { return openStretch(w.files, f) },
		}
	}
	return all, used || len(all) > 0, nil
}

// Save implements [sandbox.Keeper].
func (w *workspace) Save(ctx context.Context, c sandbox.Changes) (version string, err error) {
	moved, err := w.sparse(ctx, c.Gone)
	if err != nil {
		return "", err
	}
	next, stop := iter.Pull2(w.sources(c.Files, moved))
	defer stop()
	p := &pack{next: next}
	p.advance()
	change := store.WorkspaceChange{Since: c.Since, Gone: c.Gone}
	if p.content != nil {
		if change.Blob, err = w.store.ReserveWorkspaceBlob(ctx); err != nil {
			return "", err
		}
		if change.BlobSize, err = w.files.Put(ctx, change.Blob, p); err != nil {
			return "", fmt.Errorf("keep %s: %w", change.Blob, err)
		}
	}
	change.Files = p.packed
	return w.store.SaveWorkspace(ctx, w.claim, change)
}

// sources yields what goes into a new blob: files of the session, and those of
// other blobs that are moved. A blob that is lost is left alone.
func (w *workspace) sources(changed iter.Seq2[sandbox.FileInfo, io.Reader], moved []store.WorkspaceFile) iter.Seq2[store.WorkspaceFile, io.Reader] {
	return func(yield func(store.WorkspaceFile, io.Reader) bool) {
		for f, content := range changed {
			if !yield(store.WorkspaceFile{Path: f.Path, Modified: f.ModTime.UnixNano()}, content) {
				return
			}
		}
		for _, f := range moved {
			r, err := openStretch(w.files, f)
			if err != nil {
				continue
			}
			more := yield(store.WorkspaceFile{Path: f.Path, Modified: f.Modified}, r)
			r.Close()
			if !more {
				return
			}
		}
	}
}

// sparse returns the files, gone apart, of blobs that are mostly of no use.
func (w *workspace) sparse(ctx context.Context, gone []string) ([]store.WorkspaceFile, error) {
	rows, err := w.store.WorkspaceFiles(ctx, w.claim.ThreadID)
	if err != nil {
		return nil, err
	}
	dropped := make(map[string]bool, len(gone))
	for _, name := range gone {
		dropped[name] = true
	}
	used := make(map[string]int64)
	for _, f := range rows {
		if !dropped[f.Path] {
			used[f.Blob] += f.Size
		}
	}
	var moved []store.WorkspaceFile
	for _, f := range rows {
		if !dropped[f.Path] && used[f.Blob] < f.BlobSize/2 {
			moved = append(moved, f)
		}
	}
	return moved, nil
}

// pack reads files as one, and remembers where in it each of them is.
type pack struct {
	next    func() (store.WorkspaceFile, io.Reader, bool)
	file    store.WorkspaceFile
	content io.Reader // of file; nil: there is no more
	read    int64
	packed  []store.WorkspaceFile
}

func (p *pack) advance() {
	p.file, p.content, _ = p.next()
	p.file.Start = p.read
}

// Read implements [io.Reader].
func (p *pack) Read(b []byte) (int, error) {
	for p.content != nil {
		n, err := p.content.Read(b)
		p.read += int64(n)
		if errors.Is(err, io.EOF) {
			err = nil
			p.file.Size = p.read - p.file.Start
			p.packed = append(p.packed, p.file)
			p.advance()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// stretch is a file of a workspace, opened for reading.
type stretch struct {
	*io.SectionReader
	io.Closer
}

func openStretch(files Files, f store.WorkspaceFile) (stretch, error) {
	blob, err := files.Open(f.Blob)
	if err != nil {
		return stretch{}, err
	}
	if info, err := blob.Stat(); err != nil || info.Size() < f.Start+f.Size {
		return stretch{}, errors.Join(fmt.Errorf("%s is cut off: %w", f.Blob, fs.ErrNotExist), err, blob.Close())
	}
	return stretch{io.NewSectionReader(blob, f.Start, f.Size), blob}, nil
}

// openData opens a file of /mnt/data: of the thread's session or, where that is
// over, what is kept of it.
func (x *execution) openData(ctx context.Context, name string) (io.ReadCloser, error) {
	file, err := x.e.Sandbox.Open(x.run.ThreadID, name)
	if !errors.Is(err, sandbox.ErrNoSession) {
		return file, err
	}
	f, err := x.e.Store.WorkspaceFile(ctx, x.run.ThreadID, strings.TrimPrefix(path.Clean("/"+name), "/"))
	if err != nil {
		return nil, err
	}
	return openStretch(x.e.Files, f)
}

// dataFiles lists the files of /mnt/data that openData opens.
func (x *execution) dataFiles(ctx context.Context) []sandbox.FileInfo {
	if all := x.e.Sandbox.Files(x.run.ThreadID); all != nil {
		return all
	}
	kept, err := x.e.Store.WorkspaceFiles(ctx, x.run.ThreadID)
	if err != nil {
		x.log.Error("cannot list the files that are kept", "err", err)
	}
	var all []sandbox.FileInfo
	for _, f := range kept {
		all = append(all, sandbox.FileInfo{Path: f.Path, Size: f.Size, ModTime: time.Unix(0, f.Modified)})
	}
	return all
}

// dropOldWorkspaces removes the kept files of threads that have not changed them for
// Config.KeepFiles.
func (e *Engine) dropOldWorkspaces(ctx context.Context) {
	if e.KeepFiles == 0 {
		return
	}
	if err := e.Store.ExpireWorkspaces(ctx, time.Now().Add(-e.KeepFiles), 100); err != nil && ctx.Err() == nil {
		e.Logger.Error("cannot remove old files of code sessions", "err", err)
	}
}
