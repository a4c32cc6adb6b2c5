// Package pyenv prepares the Python environment of the code interpreter: it finds an interpreter on the machine and
// installs the packages that package python pins for it into the data folder. It knows nothing of the sandbox that
// uses them.
//
// Below <data>/python there is a folder per environment, named after the hash of its lock and the interpreter's ABI,
// and nothing is written outside: an environment is built in the folder "building", made durable, and renamed, so that
// one that can be seen is complete. Downloads are kept in "cache" until an installation succeeds, which is how one
// that was interrupted goes on. Start with [Prepare].
package pyenv

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/understudy-dev/understudy/python"
	"golang.org/x/sys/unix"
)

// Names below <data>/python. Everything else there is an environment.
const (
	buildingName = "building"
	cacheName    = "cache"
	lockName     = "lock"
)

// Names inside an environment.
const (
	packagesName = "site-packages"
	recordName   = "env.json" // written last
)

// ErrNotPrepared says that there is no environment for the options given.
var ErrNotPrepared = errors.New("the python environment is not prepared")

// Env is an environment that is ready to use.
type Env struct {
	Python   string // the interpreter, an absolute path
	Packages string // the folder to put on its sys.path, an absolute path; every user may read it
	Version  string // of the interpreter: "3.12.1"
	Lock     string // SHA-256 of the lock that was installed, in hexadecimal
}

// Options says which environment is meant.
type Options struct {
	// DataDir is the server's data folder. The environment lives in its folder "python".
	DataDir string

	// Python is the interpreter to use, a path or a name on PATH. Empty: the best that Find finds.
	Python string

	// Requirements replaces the embedded lock: pinned requirements with hashes in pip's format. Nothing that is not
	// listed is installed.
	Requirements string

	// Progress shows a person what happens while packages are installed: a bar on a terminal, else a line every few
	// seconds. Nil: nothing is shown. Nothing is written if there is nothing to install.
	Progress io.Writer

	// Logger receives what an operator should know. Nil: nothing is logged.
	Logger *slog.Logger
}

// record is what an environment says of itself.
type record struct {
	Python  string    `json:"python"`
	Version string    `json:"version"`
	ABI     string    `json:"abi"`
	Machine string    `json:"machine"`
	Lock    string    `json:"lock"`
	Wanted  string    `json:"wanted,omitzero"` // Options.Python that led to this interpreter
	Size    int64     `json:"python_size"`     // with ModTime: tells whether the interpreter was replaced
	ModTime time.Time `json:"python_mtime"`
}

// Prepare returns the environment for o, installing it first if it is not there. Preparing what is prepared takes
// about a millisecond and starts no process. Processes that prepare the same data folder wait for each other. After an
// installation, environments of the folder that no process holds (see [Env.Hold]) are removed.
//
// The user's own pip configuration and proxy variables decide where packages come from; the lock's hashes decide
// what is accepted. Cancelling ctx stops the installation; the next one starts from what was downloaded.
func Prepare(ctx context.Context, o Options) (Env, error) {
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	dataDir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return Env{}, err
	}
	o.DataDir = dataDir
	if env, err := Lookup(o); err == nil {
		return env, nil
	}

	in, refused, err := Find(ctx, o.Python)
	for _, r := range refused {
		o.Logger.Debug("python refused", "path", r.Path, "reason", r.Reason)
	}
	if err != nil {
		return Env{}, err
	}
	requirements, err := o.requirements(in.ABI)
	if err != nil {
		return Env{}, err
	}

	root := o.root()
	// Every user must be able to pass, whatever the umask: the sandbox may run as another.
	if err := os.MkdirAll(root, 0o755); err != nil {
		return Env{}, err
	}
	if err := os.Chmod(root, 0o755); err != nil {
		return Env{}, err
	}
	lock, err := acquire(ctx, filepath.Join(root, lockName), func() {
		o.Logger.Info("another process is preparing the python environment; waiting for it")
	})
	if err != nil {
		return Env{}, err
	}
	defer lock.Close()

	rec, err := newRecord(in, hash(requirements), o.Python)
	if err != nil {
		return Env{}, err
	}
	dir := filepath.Join(root, rec.dirName())
	if _, err := os.Stat(filepath.Join(dir, recordName)); err == nil {
		// Made by the process that was waited for, or the interpreter was updated or moved without changing its ABI.
		if err := rec.write(dir); err != nil {
			return Env{}, err
		}
		return rec.env(dir), nil
	}

	start := time.Now()
	o.Logger.Info("installing python packages", "python", in.Path, "version", in.Version, "dir", dir)
	b := build{python: in, root: root, requirements: requirements, lock: lock, progress: newProgress(o.Progress), logger: o.Logger}
	if err := b.run(ctx, rec, dir); err != nil {
		return Env{}, fmt.Errorf("install python packages: %w", err)
	}
	o.Logger.Info("python packages installed", "dir", dir, "took", time.Since(start).Round(time.Millisecond))
	if err := prune(root, rec.dirName(), o.Logger); err != nil {
		o.Logger.Warn("old python environments were not removed", "err", err)
	}
	return rec.env(dir), nil
}

// Lookup returns the environment for o if it is prepared and its interpreter is still what it was, else
// ErrNotPrepared. It starts no process and changes nothing. With no Options.Python it finds what the last Prepare chose,
// even if a better interpreter has been installed since.
func Lookup(o Options) (Env, error) {
	root, err := filepath.Abs(o.root())
	if err != nil {
		return Env{}, err
	}
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Env{}, err
	}
	var found []Env
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		rec, err := readRecord(dir)
		if err != nil || rec.Wanted != o.Python || rec.dirName() != e.Name() {
			continue
		}
		if requirements, err := o.requirements(rec.ABI); err != nil || hash(requirements) != rec.Lock {
			continue
		}
		if info, err := os.Stat(rec.Python); err != nil || info.Size() != rec.Size || !info.ModTime().Equal(rec.ModTime) {
			continue
		}
		found = append(found, rec.env(dir))
	}
	if len(found) == 0 {
		return Env{}, fmt.Errorf("%w in %s", ErrNotPrepared, root)
	}
	return slices.MaxFunc(found, func(a, b Env) int { return cmp.Compare(a.Version, b.Version) }), nil
}

// Hold marks the environment as in use until the result is closed or the process ends, so that a Prepare with
// another lock, in this or another process, does not remove it.
func (e Env) Hold() (io.Closer, error) {
	dir, err := os.Open(filepath.Dir(e.Packages))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, fmt.Errorf("hold %s: %w", dir.Name(), err)
	}
	return dir, nil
}

func (o Options) root() string { return filepath.Join(o.DataDir, "python") }

func (o Options) requirements(abi string) (string, error) {
	if o.Requirements != "" {
		return o.Requirements, nil
	}
	return python.Lock(abi)
}

func hash(requirements string) string {
	sum := sha256.Sum256([]byte(requirements))
	return hex.EncodeToString(sum[:])
}

func newRecord(in Interpreter, lock, wanted string) (record, error) {
	info, err := os.Stat(in.Path)
	if err != nil {
		return record{}, err
	}
	return record{
		Python: in.Path, Version: in.Version, ABI: in.ABI, Machine: in.Machine,
		Lock: lock, Wanted: wanted, Size: info.Size(), ModTime: info.ModTime(),
	}, nil
}

func readRecord(dir string) (record, error) {
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	if err != nil {
		return record{}, err
	}
	var rec record
	if err := json.Unmarshal(text, &rec); err != nil {
		return record{}, err
	}
	if len(rec.Lock) != hex.EncodedLen(sha256.Size) {
		return record{}, fmt.Errorf("%s names no lock", dir)
	}
	return rec, nil
}

// write puts the record into dir in one step, so that a reader sees the old or the new one.
func (r record) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, recordName)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// dirName names the environment's folder. The machine is part of it because a data folder can move.
func (r record) dirName() string { return r.Lock[:16] + "-" + r.ABI + "-" + r.Machine }

func (r record) env(dir string) Env {
	return Env{Python: r.Python, Packages: filepath.Join(dir, packagesName), Version: r.Version, Lock: r.Lock}
}

// prune removes the environments below root that no process holds, except the one named keep. The caller has the lock.
func prune(root, keep string, logger *slog.Logger) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		if e.Name() == keep || !e.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, recordName)); err != nil {
			continue // not an environment of ours
		}
		errs = append(errs, remove(dir, logger))
	}
	return errors.Join(errs...)
}

// remove removes one environment unless it is held.
func remove(dir string, logger *slog.Logger) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			logger.Info("an old python environment is still in use", "dir", dir)
			return nil
		}
		return err
	}
	// Without its record it is no environment any more, even if the removal is interrupted; the folder of one that was
	// half removed is replaced when it is needed again.
	if err := os.Remove(filepath.Join(dir, recordName)); err != nil {
		return err
	}
	logger.Info("removing an old python environment", "dir", dir)
	return os.RemoveAll(dir)
}

// acquire takes the exclusive lock on the file at path, waiting for it until ctx ends. It calls waiting once if
// somebody else has it. Closing the file, or the end of the process and of the children that inherited it, releases it.
func acquire(ctx context.Context, path string, waiting func()) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for the lock %s: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
