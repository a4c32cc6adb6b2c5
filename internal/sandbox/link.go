package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

// link is the server's end of a running session: it reads whatever the session
// sends, all the time, so that a session never blocks on a full socket and the
// server never waits for one. Everything it reads is untrusted.
type link struct {
	process   process
	limits    Limits
	installer Installer      // nil: nothing can be installed
	done      chan doneFrame // end of the current cell
	broken    chan struct{}  // closed at the first protocol error, or flood
	readers   sync.WaitGroup

	mu     sync.Mutex
	cell   uint32     // current cell, 0 if none
	sink   *collector // of the current cell
	cause  error      // why broken
	stray  int64      // bytes that belonged to no current cell, since the last began
	effort int64      // that frames of the current cell cost besides their text
	nextID uint32
	// stopInstall ends the installation that the session waits for; nil if there is none.
	stopInstall context.CancelFunc

	writing sync.Mutex // one writer of a frame at a time

	drain  sync.Mutex // one reader of the pipe at a time
	buffer []byte     // of readSome, made at its first use
}

// execFrame begins a cell.
type execFrame struct {
	Code    string `json:"code"`
	Install bool   `json:"install"` // packages can be asked for
}

// doneFrame ends a cell.
type doneFrame struct {
	Status Status  `json:"status"`
	CPU    float64 `json:"cpu"`
}

// errFlood says that a cell printed more than Limits.FloodBytes.
var errFlood = errors.New("too much output")

func newLink(p process, c Config) *link {
	k := &link{process: p, limits: c.Limits, installer: c.Installer, done: make(chan doneFrame, 1), broken: make(chan struct{})}
	k.readers.Go(k.readFrames)
	k.readers.Go(k.readPipe)
	return k
}

// close kills the session and waits until nothing of it is left.
func (k *link) close() {
	k.process.kill()
	<-k.process.exited()
	frames, output := k.process.streams()
	frames.Close()
	output.Close()
	k.mu.Lock()
	k.cell = 0 // what is still to be read of it begins nothing any more
	k.stopInstalling()
	k.mu.Unlock()
	k.readers.Wait()
	k.process.release()
}

// begin sends a cell. What the session shows from now on goes to sink.
func (k *link) begin(code string, sink *collector) error {
	k.mu.Lock()
	k.nextID++
	k.cell, k.sink, k.stray, k.effort = k.nextID, sink, 0, 0
	cell := k.cell
	k.mu.Unlock()
	text, err := json.Marshal(execFrame{Code: code, Install: k.installer != nil})
	if err != nil {
		return fmt.Errorf("sandbox: encode cell: %w", err)
	}
	if err := k.send(frame{kind: frameExec, cell: cell, json: text}, callTimeout); err != nil {
		return fmt.Errorf("sandbox: send cell: %w", err)
	}
	return nil
}

// end takes the last bytes of the cell; what comes later belongs to nobody.
func (k *link) end() {
	k.readAvailable()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cell, k.sink = 0, nil
	k.stopInstalling()
}

// fault returns why the link broke.
func (k *link) fault() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cause
}

// fail kills the session for cause.
func (k *link) fail(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cause == nil {
		k.cause = cause
		close(k.broken)
		k.process.kill()
	}
}

// discard counts bytes that nobody wants. A session that sends without end, though
// no cell runs, costs the server time.
func (k *link) discard(n int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stray += int64(n); k.stray > k.limits.FloodBytes {
		return errFlood
	}
	return nil
}

// What a frame costs the server, in bytes of text: taking it at all, answering it,
// and a byte of JSON.
const (
	frameCost  = 64
	answerCost = 512
	jsonCost   = 16
)

// charge counts what a frame costs besides text of the current cell, which the
// collector counts. A session makes frames in a fraction of the time that the server
// needs for them.
func (k *link) charge(f frame, current bool) error {
	cost := frameCost + jsonCost*len(f.json)
	if f.kind == frameSync || f.kind == frameInstall {
		cost += answerCost
	}
	if !current || f.kind == frameImage {
		cost += len(f.blob)
	}
	if !current {
		return k.discard(cost)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.effort += int64(cost); k.effort > k.limits.FloodBytes {
		return errFlood
	}
	return nil
}

func (k *link) readFrames() {
	frames, _ := k.process.streams()
	r := bufio.NewReaderSize(frames, 16<<10)
	for {
		f, err := readFrame(r, frameMax)
		if err == nil {
			k.readAvailable() // what subprocesses wrote before the session sent this
			err = k.handle(f)
		}
		if errors.Is(err, errFrame) || errors.Is(err, errFlood) {
			k.fail(err)
			_, _ = io.Copy(io.Discard, r) // until the kill is done
			return
		}
		if err != nil {
			return // end of the session
		}
	}
}

// handle takes one frame of the session.
func (k *link) handle(f frame) error {
	k.mu.Lock()
	sink, current := k.sink, f.cell == k.cell && f.cell != 0
	if current && f.kind == frameDone {
		k.cell = 0 // a second end of this cell is an error, and no end of the next
	}
	k.mu.Unlock()
	if err := k.charge(f, current); err != nil {
		return err
	}
	switch f.kind {
	case frameStdout, frameStderr, frameResult, frameError:
		if !current {
			return nil
		}
		if !sink.text(f.blob) {
			return errFlood
		}
		if len(f.json) == 0 {
			return nil
		}
		meaning, err := decodeMeaning(f)
		if err == nil && meaning.Data != nil {
			sink.data(*meaning.Data)
		}
		return err
	case frameImage:
		if !current {
			return nil
		}
		meaning, err := decodeMeaning(f)
		if err != nil {
			return err
		}
		if !slices.Contains(imageTypes, meaning.MIME) {
			return fmt.Errorf("%w: image of an unknown type", errFrame)
		}
		sink.image(Image{Data: f.blob, MIME: meaning.MIME})
		if meaning.Data != nil {
			sink.data(*meaning.Data)
		}
	case frameDone:
		var done doneFrame
		if err := json.Unmarshal(f.json, &done); err != nil {
			return fmt.Errorf("%w: end is not described", errFrame)
		}
		switch done.Status {
		case StatusOK, StatusError, StatusInterrupted:
		default:
			return fmt.Errorf("%w: unknown status", errFrame)
		}
		if !current {
			return fmt.Errorf("%w: end of cell %d", errFrame, f.cell)
		}
		k.done <- done // has room: one end for each cell, and the last one was taken
	case frameSync:
		return k.acknowledge(f)
	case frameInstall:
		if current {
			return k.install(f)
		}
	case frameStop:
		k.mu.Lock()
		k.stopInstalling()
		k.mu.Unlock()
	default:
		return fmt.Errorf("%w: type %d", errFrame, f.kind)
	}
	return nil
}

// imageTypes are the MIME types that an image may have.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// meaning is the JSON part of a frame that shows something.
type meaning struct {
	MIME string `json:"mime"`
	Data *Data  `json:"data"`
}

func decodeMeaning(f frame) (meaning, error) {
	var m meaning
	if len(f.json) > maxData+1024 {
		return m, fmt.Errorf("%w: output is described in %d bytes", errFrame, len(f.json))
	}
	if err := json.Unmarshal(f.json, &m); err != nil {
		return m, fmt.Errorf("%w: output is not described: %w", errFrame, err)
	}
	return m, nil
}

// UnmarshalJSON reads {"type":"table","table":{…}}.
func (d *Data) UnmarshalJSON(b []byte) error {
	var kind struct{ Type string }
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(b, &kind), json.Unmarshal(b, &all)); err != nil {
		return err
	}
	if !slices.Contains([]string{"table", "chart", "plotly"}, kind.Type) || all[kind.Type] == nil {
		return errors.New("data of an unknown type")
	}
	if !utf8.Valid(all[kind.Type]) { // the decoder lets it pass, and so does all of encoding/json on its way to clients
		return errors.New("data is not UTF-8")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, all[kind.Type]); err != nil {
		return err
	}
	d.Kind, d.JSON = kind.Type, compact.Bytes()
	return nil
}

// acknowledge answers a frameSync. A session that asks without reading the answers
// would stop the reader, and is at fault.
func (k *link) acknowledge(f frame) error {
	if len(f.json) > 32 || len(f.blob) > 0 {
		return fmt.Errorf("%w: sync of %d bytes", errFrame, len(f.json)+len(f.blob))
	}
	return k.send(frame{kind: frameAck, cell: f.cell, json: f.json}, time.Second)
}

// readPipe collects what subprocesses and C code write to descriptors 1 and 2.
func (k *link) readPipe() {
	_, output := k.process.streams()
	raw, err := output.SyscallConn()
	if err != nil {
		return
	}
	for {
		var more bool
		var end error
		err := raw.Read(func(fd uintptr) bool {
			more, end = k.readSome(fd)
			return more || end != nil
		})
		if errors.Is(end, errFlood) {
			k.fail(end)
			_, _ = io.Copy(io.Discard, output)
		}
		if err != nil || end != nil {
			return // closed by us, or all writers are gone
		}
	}
}

// readAvailable reads what is in the pipe now.
func (k *link) readAvailable() {
	_, output := k.process.streams()
	if raw, err := output.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if _, err := k.readSome(fd); errors.Is(err, errFlood) {
				k.fail(err)
			}
		})
	}
}

// readSome reads the pipe until it is empty, or about a pipe's worth: then more is
// true. The error is io.EOF when nobody is left to write.
func (k *link) readSome(fd uintptr) (more bool, err error) {
	k.drain.Lock()
	defer k.drain.Unlock()
	if k.buffer == nil {
		k.buffer = make([]byte, 16<<10)
	}
	for range 8 {
		n, err := syscall.Read(int(fd), k.buffer)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return false, nil
		case err != nil:
			return false, os.NewSyscallError("read", err)
		case n == 0:
			return false, io.EOF
		}
		k.mu.Lock()
		sink := k.sink
		k.mu.Unlock()
		if sink == nil {
			err = k.discard(n)
		} else if !sink.raw(k.buffer[:n]) {
			err = errFlood
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// decodeReady takes the first frame of a session.
func decodeReady(f frame, report *sessionReport) error {
	if f.kind != frameReady {
		return fmt.Errorf("%w: type %d before ready", errFrame, f.kind)
	}
	if err := json.Unmarshal(f.json, report); err != nil {
		return fmt.Errorf("%w: ready: %w", errFrame, err)
	}
	return nil
}
