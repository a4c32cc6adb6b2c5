package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// The files of a session belong to whoever runs code in it. It may turn any path
// into a link, a pipe or a loop between two looks at it, so the server reaches them
// only from the folder's descriptor, below it, and never through a link.
const (
	resolveSafely = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV
	openSafely    = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY

	dataPath = "/mnt/data"
	maxDepth = 16   // of folders that are looked at
	maxPath  = 1024 // bytes below the folder
	meanPath = 256  // bytes of all paths that are looked at, divided by their number
)

// openIn opens name in the volume; flags come on top of openSafely.
func (v *volume) openIn(name string, flags int, mode uint32) (*os.File, error) {
	how := &unix.OpenHow{Flags: uint64(flags | openSafely), Resolve: resolveSafely}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(mode)
	}
	for range 8 { // EAGAIN: a rename elsewhere made the kernel unsure
		fd, err := unix.Openat2(int(v.dir.Fd()), name, how)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
	return nil, fmt.Errorf("%w: %s keeps changing", ErrUnsafe, name)
}

// open opens a regular file for reading.
func (v *volume) open(name string, limit int64) (*File, error) {
	name, err := cleanPath(name)
	if err != nil {
		return nil, err
	}
	f, err := v.openIn(name, unix.O_RDONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("sandbox: %s: %w", name, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnsafe, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no regular file", ErrUnsafe, name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &File{Name: name, Size: min(info.Size(), limit), file: f, rest: limit}, nil
}

// cleanPath returns name relative to /mnt/data.
func cleanPath(name string) (string, error) {
	if len(name) > 4096 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%w: malformed name", ErrUnsafe)
	}
	if rest, ok := strings.CutPrefix(path.Clean(name), dataPath+"/"); ok {
		name = rest
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || clean == "." {
		return "", fmt.Errorf("%w: %s", ErrUnsafe, name)
	}
	return clean, nil
}

// list returns the regular files of the volume by path. It looks at no more than
// limit entries, with paths of no more than meanPath bytes on average, and passes over
// names that are not printable UTF-8, and paths that are too long or too deep; passed
// counts at least one if it did. What it returns is held as long as the session.
func (v *volume) list(limit int) (files map[string]fileState, passed int, err error) {
	files = map[string]fileState{}
	seen, bytes := 0, 0
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		d, err := v.openIn(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			if dir == "." {
				return err
			}
			passed++ // gone, or closed to us, or turned into something else: not listed
			return nil
		}
		defer d.Close()
		for {
			names, err := d.Readdirnames(256)
			for _, name := range names {
				full := path.Join(dir, name)
				bytes += len(full)
				if seen++; seen > limit || bytes > max(limit*meanPath, maxPath) {
					passed++
					return nil
				}
				if !safeName(name) || len(full) > maxPath {
					passed++
					continue // nobody could be shown it, or ask for it
				}
				var st unix.Stat_t
				if unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
					continue
				}
				switch st.Mode & unix.S_IFMT {
				case unix.S_IFREG:
					files[full] = fileState{inode: st.Ino, size: st.Size, changed: st.Mtim.Nano(), status: st.Ctim.Nano()}
				case unix.S_IFDIR:
					if depth == maxDepth {
						passed++
						continue
					}
					if err := walk(full, depth+1); err != nil {
						return err
					}
				}
			}
			if err != nil || len(names) == 0 {
				return nil
			}
		}
	}
	if err := walk(".", 1); err != nil {
		return nil, 0, fmt.Errorf("sandbox: list files: %w", err)
	}
	return files, passed, nil
}

// place writes in as /mnt/data/<ID> and links its name to it: both, or neither.
func (v *volume) place(w *supply, in Input, limit int64) error {
	if !safeName(in.ID) {
		return fmt.Errorf("%w: input id %q", ErrUnsafe, in.ID)
	}
	source, err := in.Open(w.ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since it was listed
	}
	if err != nil {
		return fmt.Errorf("sandbox: open input %s: %w", in.ID, err)
	}
	defer source.Close()
	r := w.reader(source)
	if err := v.write(in.ID, r, limit, time.Time{}); err != nil {
		if r.err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errNotPlaced, err)
	}
	name := path.Base(strings.ReplaceAll(in.Name, `\`, "/"))
	if !safeName(name) || name == in.ID {
		return nil
	}
	return v.asOwner(func() error {
		dir := int(v.dir.Fd())
		err := unix.Linkat(dir, in.ID, dir, name, 0)
		if err == nil || errors.Is(err, unix.EEXIST) {
			return nil
		}
		_ = unix.Unlinkat(dir, in.ID, 0) // or it would be no input, and there all the same
		return fmt.Errorf("%w: link %s: %w", errNotPlaced, in.ID, err)
	})
}

// room returns what the volume can still take, nothing if that is not known.
func (v *volume) room() room {
	var st unix.Statfs_t
	if unix.Fstatfs(int(v.dir.Fd()), &st) != nil {
		return room{}
	}
	return room{bytes: st.Bfree * uint64(st.Bsize), files: st.Ffree}
}

// write makes the file name from source, whole or not at all. A file that is there
// is replaced; a link is replaced too, not followed. With modified not zero, that
// is when the file says it was modified.
func (v *volume) write(name string, source io.Reader, limit int64, modified time.Time) error {
	temporary := fmt.Sprintf(".understudy-%016x", rand.Uint64())
	var f *os.File
	err := v.asOwner(func() (err error) {
		f, err = v.openIn(temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o644)
		return err
	})
	if err != nil {
		return fmt.Errorf("sandbox: make %s: %w", name, err)
	}
	n, err := io.Copy(f, io.LimitReader(source, limit+1))
	err = errors.Join(err, f.Close())
	if err == nil && n > limit {
		err = fmt.Errorf("%w: input %s", ErrTooLarge, name)
	}
	dir := int(v.dir.Fd())
	return v.asOwner(func() error {
		if err == nil && !modified.IsZero() {
			at := unix.NsecToTimespec(modified.UnixNano())
			err = unix.UtimesNanoAt(dir, temporary, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err == nil {
			if err = unix.Renameat2(dir, temporary, dir, name, 0); err == nil {
				return nil
			}
		}
		_ = unix.Unlinkat(dir, temporary, 0)
		return fmt.Errorf("sandbox: write %s: %w", name, err)
	})
}

// asOwner calls f with the file access rights of the session's user, where that is
// not the server's own: its file system knows no other, so root itself cannot make
// files there, and what the session may not do, f may not do either.
func (v *volume) asOwner(f func() error) error {
	if !v.host.switched {
		return f()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := setFileUser(v.host.id)
		if err == nil {
			err = f()
		}
		if setFileUser(os.Geteuid()) == nil {
			runtime.UnlockOSThread() // else the thread dies with the goroutine
		}
		result <- err
	}()
	return <-result
}

// setFileUser sets the calling thread's user and group for file access.
func setFileUser(id int) error {
	const ask = -1 // changes nothing, returns the current id
	for _, set := range []func(int) (int, error){unix.SetfsgidRetGid, unix.SetfsuidRetUid} {
		if _, err := set(id); err != nil {
			return fmt.Errorf("set file user: %w", err)
		}
		if now, err := set(ask); err != nil || now != id {
			return fmt.Errorf("set file user: is %d, want %d", now, id)
		}
	}
	return nil
}

// copyFrom copies the regular files of old into a volume no session has used yet. It
// returns what it found there, and all errors, after having copied what it could; or
// nothing, if the supply ended.
func (v *volume) copyFrom(w *supply, old *volume, l Limits) (map[string]fileState, error) {
	files, _, all := old.list(l.ListedFiles)
	for name, state := range files {
		f, err := old.open(name, l.DataBytes)
		if err == nil {
			err = v.restore(FileInfo{Path: name, Size: l.DataBytes, ModTime: time.Unix(0, state.changed)}, w.reader(f))
			f.Close()
		}
		if all = errors.Join(all, err); w.err != nil {
			return nil, all
		}
	}
	return files, all
}

// restore writes a file of an earlier volume, at most f.Size bytes of it, into one
// that no session has used yet: the folders above the file are no links.
func (v *volume) restore(f FileInfo, source io.Reader) error {
	if !fs.ValidPath(f.Path) || f.Path == "." {
		return fmt.Errorf("%w: %s", ErrUnsafe, f.Path)
	}
	if err := v.makeFolders(path.Dir(f.Path)); err != nil {
		return err
	}
	return v.write(f.Path, source, f.Size, f.ModTime)
}

// makeFolders makes the folder dir and those above it.
func (v *volume) makeFolders(dir string) error {
	if dir == "." {
		return nil
	}
	if err := v.makeFolders(path.Dir(dir)); err != nil {
		return err
	}
	return v.asOwner(func() error {
		if err := unix.Mkdirat(int(v.dir.Fd()), dir, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("sandbox: make folder %s: %w", dir, err)
		}
		return nil
	})
}
