package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// dataDir is the data folder, held by this process.
//
//	understudy.db   the database, with its -wal and -shm
//	files/          the bytes of files
//	sandbox/        working folders of code sessions; emptied at every start
//	wheels/         packages on their way into code sessions; emptied at every start
//	python/         the Python environment of the code interpreter
//	bin/            gVisor's program, if `make runsc` has put it there
//	lock            held while a server uses the folder
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes the folder, for nobody else to read, and holds it until
// close. A folder that is there already keeps its mode; a warning says if others
// can read it. Two servers in one folder would take each other's sessions and
// temporary files away, so the second is refused.
func openDataDir(path string, log *slog.Logger) (*dataDir, error) {
	if err := makeDataDir(path); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if openToOthers(info) {
		log.Warn("other users of this machine can look into the data folder", "data", path, "fix", "chmod go-rw "+path)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another server", path)
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	d := &dataDir{path: path, lock: lock}
	// SQLite would make the file for all to read, and gives its other files the mode of this one.
	db, err := os.OpenFile(d.database(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), lock.Close())
	}
	return d, db.Close()
}

// openToOthers reports whether other users can look into the folder, or write there.
// They may pass through it, to the Python packages.
func openToOthers(folder fs.FileInfo) bool { return folder.Mode().Perm()&0o066 != 0 }

// makeDataDir makes the folder if there is none.
func makeDataDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

func (d *dataDir) database() string { return filepath.Join(d.path, "understudy.db") }
func (d *dataDir) files() string    { return filepath.Join(d.path, "files") }
func (d *dataDir) sandbox() string  { return filepath.Join(d.path, "sandbox") }
func (d *dataDir) wheels() string   { return filepath.Join(d.path, "wheels") }

// close lets go of the folder.
func (d *dataDir) close() error { return d.lock.Close() }
