package sandbox

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// callTimeout bounds one request to the driver or a session on a busy host.
const callTimeout = 20 * time.Second

// A driver makes isolated processes and volumes. It only starts, connects and
// kills; the Manager owns the rules: limits of time and output, files, lifetimes.
// Methods may be called concurrently.
type driver interface {
	// start makes a session on volume and returns when its isolation is complete
	// and it waits for a cell.
	start(ctx context.Context, volume *volume, limits Limits) (process, error)
	// makeVolume makes the place for the files of one session, as large as limits say.
	makeVolume(ctx context.Context, limits Limits) (*volume, error)
	// resizeVolume gives volume another size, in bytes. It fails, and changes nothing,
	// if the files take more than that. Nobody else may use volume meanwhile but its process.
	resizeVolume(ctx context.Context, volume *volume, size int64) error
	// dropVolume removes a volume that no live process uses.
	dropVolume(volume *volume)
	// usage measures what the sessions take.
	usage() Usage
	// report says what isolation the sessions of start have.
	report() Report
	// close kills every session and removes what the driver made.
	close() error
}

// process is one running session.
type process interface {
	// streams are the socket that frames take, and the pipe that descriptors 1 and 2 write to.
	streams() (frames net.Conn, output *os.File)
	// interrupt sends SIGINT, and returns when it has arrived, or is lost: none comes late,
	// to the next cell. The error says that this may happen yet.
	interrupt(by time.Time) error
	kill() // SIGKILL to all its processes; at once, and not only asked for
	// limit sets other SessionLimits and returns what is in force then. The error
	// errFixed says that only a new process can have them.
	limit(Limits) (Limits, error)
	exited() <-chan struct{} // closed when all its processes are gone
	outOfMemory() bool       // whether that ended it; after exited
	release()                // gives back what the host holds for it; after exited, once
}

// errFixed says that a process cannot get the limits that it was to have.
var errFixed = errors.New("the limits of this process are fixed")

// sessionReport is the first frame of a session.
type sessionReport struct {
	Landlock int    `json:"landlock"`
	Seccomp  bool   `json:"seccomp"`
	Proc     string `json:"proc"`
	Network  bool   `json:"network"`
}

// volume is the storage of one session's files. It may outlive a process, and
// belongs to one key from its first use to its end.
type volume struct {
	id   int
	uid  int      // in the session
	size int64    // bytes
	dir  *os.File // O_PATH
	host hostID   // who owns the files, seen from the host
	home any      // the driver's own
}

// hostID is the owner of a session's files as the host sees it. With switched
// set, files must be made as that owner; else the server itself is the owner.
type hostID struct {
	switched bool
	id       int
}

// room is what a volume can still take.
type room struct{ bytes, files uint64 }

// errNotPlaced says that a volume does not take an input: it has no room for it now, or
// never, or the session has closed it.
var errNotPlaced = errors.New("input not placed")
