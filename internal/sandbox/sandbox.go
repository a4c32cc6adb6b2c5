package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"
)

// Errors of Run and Open.
var (
	// ErrIsolation says that the isolation in force is below Config.MinIsolation.
	ErrIsolation = errors.New("sandbox: isolation below the configured minimum")
	// ErrBusy says that no session can be made now: too many live, or the host is short of memory.
	ErrBusy = errors.New("sandbox: no room for a session")
	// ErrClosed says that the Manager is closed.
	ErrClosed = errors.New("sandbox: closed")
	// ErrNoSession says that the key has no live session.
	ErrNoSession = errors.New("sandbox: no session")
	// ErrUnsafe says that a path leads out of the session's files, or to something that is no regular file.
	ErrUnsafe = errors.New("sandbox: unsafe path")
	// ErrTooLarge says that code is above its limit.
	ErrTooLarge = errors.New("sandbox: too large")
)

// Names of the drivers, for Config.Driver.
const (
	DriverZygote = "zygote"
	DriverGVisor = "gvisor"
)

// Config says how sessions are made. Zero fields mean the documented defaults.
type Config struct {
	Driver   string // DriverZygote, the default, or DriverGVisor
	Runsc    string // gVisor's program, a path or a name in $PATH; default runsc
	Python   string // interpreter, absolute path; default /usr/bin/python3
	Packages string // folder of installed packages, "" for none
	// Dir is a folder the Manager owns; what an earlier process left there is removed. Required.
	Dir          string
	Limits       Limits
	MaxLimits    SessionLimits // the most that a Cell may ask for; default, and at least, those of Limits
	Pool         int           // ready sessions kept for the first cell of a key; default 4, with gVisor 2; negative for none
	Lifetime     time.Duration // of a session, from its first cell; default 1 h
	MaxSessions  int           // live sessions; default 64. One more takes the place of the one idle longest
	MinIsolation Level         // default LevelNamespaces
	Installer    Installer     // nil: sessions cannot install packages
	Logger       *slog.Logger  // default: discard

	given   Limits   // Limits without their defaults
	without features // only tests set it
	// available is memoryAvailable, unless a test sets it.
	available func(enough int64) int64
}

// features are parts of the isolation that some hosts do not have.
type features struct {
	cgroups, landlock, seccomp, proc bool
	controllers                      bool // of control groups; the version 2 tree beside version 1 has none
}

// Limits bound one session. Zero fields mean the documented defaults.
type Limits struct {
	Memory       int64         // bytes of all processes and of what they write in /mnt/data, /tmp and /dev/shm; default 1 GiB
	DataBytes    int64         // size of /mnt/data; default 512 MiB
	DataInodes   int           // files in /mnt/data; default 20 000
	TmpBytes     int64         // size of /tmp, and half of it for /dev/shm; default 128 MiB
	FileSize     int64         // bytes of one file; default 512 MiB, or DataBytes if that is more
	OpenFiles    int           // per process; default 1024
	Processes    int           // processes and threads; default 128
	CPU          float64       // processors; default 1
	CellTimeout  time.Duration // of one cell; default 60 s
	MaxTimeout   time.Duration // of what a Cell may ask for; default 10 min, or CellTimeout if that is more
	Grace        time.Duration // between the interrupt of a cell and its kill; default 2 s
	CodeBytes    int           // of one cell; default 1 MiB
	OutputBytes  int64         // of text kept of one cell, the first three quarters and the last; default 1 MiB
	FloodBytes   int64         // of text of one cell after which the session is killed; default 256 MiB
	Images       int           // kept of one cell; default 20
	ImageBytes   int64         // of all images of one cell; default 32 MiB
	ListedFiles  int           // files looked at in /mnt/data; default DataInodes
	KeptBytes    int64         // of all files that a Keeper keeps; default DataBytes
	KeptFiles    int           // that a Keeper keeps; default ListedFiles
	DownloadSize int64         // bytes that Open gives of one file; default 512 MiB
}

// SessionLimits are those of Limits that a Cell may ask for.
type SessionLimits struct {
	Memory    int64   // as in Limits, LeastMemory at least
	CPU       float64 // LeastCPU at least, and half a processor less than the host has at most
	Processes int     // LeastProcesses at least
	DataBytes int64   // as in Limits, LeastDataBytes at least; FileSize and KeptBytes follow it where they have their defaults
}

// Below these no session would start, or ordinary code would fail. Of what a Cell asks for,
// SessionLimits are held against them; Config.Limits is not, which tests set lower.
const (
	LeastMemory      = 256 << 20
	LeastCPU         = 0.1
	LeastProcesses   = 16
	LeastDataBytes   = 1 << 20
	LeastTmpBytes    = 1 << 20
	LeastFileSize    = 1 << 20
	LeastOpenFiles   = 64 // a plain cell does with 8; one that starts programs or reads documents does not
	LeastCellTimeout = time.Second
)

// WithDefaults returns l with the documented defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	l.Memory = cmp.Or(l.Memory, 1<<30)
	l.DataBytes = cmp.Or(l.DataBytes, 512<<20)
	l.DataInodes = cmp.Or(l.DataInodes, 20_000)
	l.TmpBytes = cmp.Or(l.TmpBytes, 128<<20)
	l.FileSize = cmp.Or(l.FileSize, max(512<<20, l.DataBytes))
	l.OpenFiles = cmp.Or(l.OpenFiles, 1024)
	l.Processes = cmp.Or(l.Processes, 128)
	l.CPU = cmp.Or(l.CPU, 1)
	l.CellTimeout = cmp.Or(l.CellTimeout, time.Minute)
	l.MaxTimeout = cmp.Or(l.MaxTimeout, max(10*time.Minute, l.CellTimeout))
	l.Grace = cmp.Or(l.Grace, 2*time.Second)
	l.CodeBytes = cmp.Or(l.CodeBytes, 1<<20)
	l.OutputBytes = cmp.Or(l.OutputBytes, 1<<20)
	l.FloodBytes = cmp.Or(l.FloodBytes, 256<<20)
	l.Images = cmp.Or(l.Images, 20)
	l.ImageBytes = cmp.Or(l.ImageBytes, 32<<20)
	l.ListedFiles = cmp.Or(l.ListedFiles, l.DataInodes)
	l.KeptBytes = cmp.Or(l.KeptBytes, l.DataBytes)
	l.KeptFiles = cmp.Or(l.KeptFiles, l.ListedFiles)
	l.DownloadSize = cmp.Or(l.DownloadSize, 512<<20)
	return l
}

// room tells how much /mnt/data holds.
func (l Limits) room() string {
	if l.FileSize >= l.DataBytes {
		return fmt.Sprintf("%d MiB", l.DataBytes>>20)
	}
	return fmt.Sprintf("%d MiB, in files of up to %d MiB", l.DataBytes>>20, l.FileSize>>20)
}

func (c Config) withDefaults() Config {
	c.Driver = cmp.Or(c.Driver, DriverZygote)
	c.Python = cmp.Or(c.Python, "/usr/bin/python3")
	c.given, c.Limits = c.Limits, c.Limits.WithDefaults()
	c.MaxLimits.Memory = max(c.MaxLimits.Memory, c.Limits.Memory)
	c.MaxLimits.CPU = max(c.MaxLimits.CPU, c.Limits.CPU)
	c.MaxLimits.Processes = max(c.MaxLimits.Processes, c.Limits.Processes)
	c.MaxLimits.DataBytes = max(c.MaxLimits.DataBytes, c.Limits.DataBytes)
	pool := 4
	if c.Driver == DriverGVisor {
		pool = 2 // each takes 120 MB
	}
	c.Pool = max(0, cmp.Or(c.Pool, pool))
	c.Lifetime = cmp.Or(c.Lifetime, time.Hour)
	c.MaxSessions = cmp.Or(c.MaxSessions, 64)
	c.MinIsolation = cmp.Or(c.MinIsolation, LevelNamespaces)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.available == nil {
		c.available = memoryAvailable
	}
	return c
}

// minAvailable is the memory, in bytes, that must be left when something more takes some.
const minAvailable = 256 << 20

// checkMemory refuses what takes this many bytes more where too little memory is left.
func (c Config) checkMemory(more int64) error {
	if free := c.available(minAvailable + more); free < minAvailable+more {
		return fmt.Errorf("%w: there are only %d MiB of memory left", ErrBusy, free>>20)
	}
	return nil
}

// withData returns l with another size of /mnt/data, and with what follows it unless
// it was configured.
func (c Config) withData(l Limits, size int64) Limits {
	own := Limits{DataBytes: size, FileSize: c.given.FileSize, KeptBytes: c.given.KeptBytes}.WithDefaults()
	l.DataBytes, l.FileSize, l.KeptBytes = size, own.FileSize, own.KeptBytes
	return l
}

// Cell is one piece of code to run.
type Cell struct {
	Code    string
	Inputs  []Input       // files to place before the code runs; those this session has (same ID) are skipped
	Timeout time.Duration // default Limits.CellTimeout, at most Limits.MaxTimeout
	// Limits of the session from now on, in place of Config.Limits where they are not
	// zero, within Config.MaxLimits. A session that runs gets them as it is, if that
	// can be, else a new process; less memory, or less room, it gets once it holds less.
	Limits SessionLimits
	Keep   Keeper       // if not nil, has the key's files of earlier sessions, and gets those of this one
	Output func(Output) // if not nil, gets every output as it arrives, in order, on Run's goroutine
}

// Input is a file for the session. It is placed as /mnt/data/<ID> and, where Name
// is a safe and free file name, as /mnt/data/<Name>, a hard link to the same file. If
// there is no room for it, the code runs without it; see Result.Unplaced.
type Input struct {
	ID   string
	Name string
	Open func(context.Context) (io.ReadCloser, error)
}

// Output is one thing a cell showed: exactly one field is set.
type Output struct {
	Logs  string // a piece of stdout, stderr, a value's text or a traceback; valid UTF-8
	Image *Image
	Data  *Data // what the output before it shows, for programs
}

// Data is a value as the session described it: a table, a chart, a figure of plotly.
// Its content is untrusted beyond being JSON.
type Data struct {
	Kind string          // table, chart or plotly
	JSON json.RawMessage // at most 256 KiB, compact
}

// Image is a picture as the session made it. Its bytes are untrusted: nothing here decodes them.
type Image struct {
	Data []byte
	MIME string // image/png, image/jpeg, image/gif or image/webp
}

// Status says how a cell ended.
type Status string

// A session goes on after the first three; after the others the next cell of its
// key gets a fresh one.
const (
	StatusOK            Status = "ok"
	StatusError         Status = "error"       // the code raised an exception
	StatusInterrupted   Status = "interrupted" // stopped because Run's context ended
	StatusTimeout       Status = "timeout"     // stopped at its time limit; Result.Notice says whether the session survived
	StatusOutOfMemory   Status = "out_of_memory"
	StatusDied          Status = "died"           // the session's process ended: a crash, os._exit, or a kill
	StatusProtocolError Status = "protocol_error" // the session sent what no agent sends, and was killed
)

// Result is what became of a cell.
type Result struct {
	Status   Status
	Notice   string // one line for the model if something happened to the session or its files, else ""
	Outputs  []Output
	Files    []FileInfo    // files of /mnt/data that the cell added or changed, inputs excluded, by path
	Unplaced []string      // IDs of inputs that there was no room for; Notice tells those that it has not told before
	Handover time.Duration // until the session was there: from the pool, made, or still there from the cell before
	Duration time.Duration // of the cell in it, without what was saved afterwards
}

// Text returns all text that the cell showed, one piece after the other.
func (r Result) Text() string {
	var b strings.Builder
	for _, o := range r.Outputs {
		b.WriteString(o.Logs)
	}
	return b.String()
}

// FileInfo describes a file of a session.
type FileInfo struct {
	Path    string // relative to /mnt/data, with slashes
	Size    int64
	ModTime time.Time
}

// reservedCPU is kept for the server when all sessions are busy.
const reservedCPU = 0.5

// hostCPU is what all sessions together may use.
func hostCPU() float64 { return max(0.5, float64(runtime.NumCPU())-reservedCPU) }
