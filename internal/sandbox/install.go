package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Installer gets packages for sessions, which have no network. Its methods may be
// called concurrently.
type Installer interface {
	// Install gets what arguments ask for, the words behind `pip install` as a session
	// sent them: anything. It gives each wheel, in one piece, to deliver, and ends as
	// soon as it can when ctx does, or deliver fails. What it said, like an error's
	// text, is shown to whoever runs the code.
	Install(ctx context.Context, arguments []string, deliver func(name string, size int64, wheel io.Reader) error) (said string, err error)
}

const (
	maxInstall   = 64 << 10  // bytes of a request, and of what is said about it
	wheelPart    = 256 << 10 // bytes of a wheel in one frame
	wheelTimeout = 10 * time.Second
)

// installFrame asks for packages.
type installFrame struct {
	Arguments []string `json:"arguments"`
}

// wheelFrame is a part of a wheel, the last one if nothing is left.
type wheelFrame struct {
	Name string `json:"name"`
	Left int64  `json:"left"`
}

// installedFrame ends an installation, also one that was stopped.
type installedFrame struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// install begins what a frameInstall of the current cell asks for. A session asks
// for one installation at a time, and waits for its end.
func (k *link) install(f frame) error {
	var asked installFrame
	if k.installer == nil || len(f.json) > maxInstall || len(f.blob) > 0 || json.Unmarshal(f.json, &asked) != nil {
		return fmt.Errorf("%w: installation is asked for in %d bytes", errFrame, len(f.json)+len(f.blob))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cell != f.cell {
		return nil // it has ended meanwhile
	}
	if k.stopInstall != nil {
		return fmt.Errorf("%w: a second installation at once", errFrame)
	}
	ctx, stop := context.WithCancel(context.Background()) // ends with the cell
	k.stopInstall = stop
	k.readers.Go(func() {
		defer stop()
		k.fetch(ctx, f.cell, asked.Arguments)
	})
	return nil
}

// fetch carries out an installation.
func (k *link) fetch(ctx context.Context, cell uint32, arguments []string) {
	var sent error
	said, err := k.installer.Install(ctx, arguments, func(name string, size int64, wheel io.Reader) error {
		sent = k.sendWheel(ctx, cell, name, size, wheel)
		return sent
	})
	if errors.Is(sent, errFrame) {
		k.fail(sent)
		return
	}
	if err != nil {
		said = err.Error()
	}
	text, err := json.Marshal(installedFrame{OK: err == nil, Text: said[:runeFloor([]byte(said), min(len(said), maxInstall))]})
	k.mu.Lock()
	k.stopInstall = nil // first: the session may ask again at once
	k.mu.Unlock()
	if err == nil {
		err = k.send(frame{kind: frameInstalled, cell: cell, json: text}, wheelTimeout)
	}
	if errors.Is(err, errFrame) {
		k.fail(err)
	}
}

// sendWheel sends one wheel in parts.
func (k *link) sendWheel(ctx context.Context, cell uint32, name string, size int64, wheel io.Reader) error {
	part := make([]byte, min(size, wheelPart))
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(wheel, part[:min(left, wheelPart)])
		if err != nil {
			return fmt.Errorf("sandbox: read wheel: %w", err)
		}
		left -= int64(n)
		text, err := json.Marshal(wheelFrame{Name: name, Left: left})
		if err != nil {
			return err
		}
		if err := k.send(frame{kind: frameWheel, cell: cell, json: text, blob: part[:n]}, wheelTimeout); err != nil {
			return err
		}
	}
	return nil
}

// stopInstalling ends the installation that is on its way, if there is one. The
// caller holds k.mu.
func (k *link) stopInstalling() {
	if k.stopInstall != nil {
		k.stopInstall()
	}
}

// send writes a frame. A session that does not read it would stop whoever sends,
// and is at fault.
func (k *link) send(f frame, patience time.Duration) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	conn, _ := k.process.streams()
	_ = conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := conn.Write(appendFrame(nil, f))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: answers are not read", errFrame)
	}
	return err // else the session is gone
}
