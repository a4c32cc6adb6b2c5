package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Types of frames from the session.
const (
	frameReady byte = iota + 1
	frameStdout
	frameStderr
	frameResult  // text of a value; JSON {"data"} if it is data too
	frameImage   // JSON {"mime"}, and "data" if it shows data; bytes
	frameError   // text of a traceback
	frameDone    // JSON doneFrame
	frameFatal   // the session could not start; JSON {"text"}
	frameSync    // wants a frameAck with the same JSON part, once all before it is taken
	frameInstall // JSON installFrame; wants the wheels and a frameInstalled
	frameStop    // wants the frameInstalled at once
)

// Types of frames to the session.
const (
	frameExec byte = iota + 64 // JSON execFrame
	frameAck
	frameHello     // to a copy of a checkpoint: it was restored; JSON {"rlimits"}
	frameWheel     // JSON wheelFrame; bytes
	frameInstalled // JSON installedFrame
)

const (
	frameHeader = 13       // length of what follows the length, type, cell, length of the JSON part
	frameMax    = 16 << 20 // bytes of one frame; more is a protocol error
)

// frame is one message on the socket of a session. The cell number ties output to
// the cell that made it: 0 is output nobody waits for.
type frame struct {
	kind byte
	cell uint32
	json []byte
	blob []byte
}

// errFrame says that the session broke the protocol.
var errFrame = errors.New("malformed frame")

// readFrame reads one frame of at most limit bytes. It returns io.EOF only at a
// frame boundary, and an error that wraps errFrame if what it read is no frame.
func readFrame(r io.Reader, limit int) (frame, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	total := int64(binary.LittleEndian.Uint32(header[0:])) - (frameHeader - 4)
	text := int64(binary.LittleEndian.Uint32(header[9:]))
	if total < 0 || total > int64(limit) || text > total {
		return frame{}, fmt.Errorf("%w: %d bytes, %d of them JSON", errFrame, total, text)
	}
	f := frame{kind: header[4], cell: binary.LittleEndian.Uint32(header[5:])}
	body, err := readBody(r, int(total))
	if err != nil {
		return frame{}, fmt.Errorf("read %d bytes of a frame: %w", total, err)
	}
	f.json, f.blob = body[:text:text], body[text:]
	return f, nil
}

// readBody reads n bytes, trusting n only as far as bytes arrive.
func readBody(r io.Reader, n int) ([]byte, error) {
	const first = 1 << 20
	body := make([]byte, min(n, first))
	for filled := 0; ; {
		if _, err := io.ReadFull(r, body[filled:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if filled = len(body); filled == n {
			return body, nil
		}
		more := make([]byte, min(n, 2*filled))
		copy(more, body)
		body = more
	}
}

// appendFrame appends the encoding of f to b.
func appendFrame(b []byte, f frame) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(frameHeader-4+len(f.json)+len(f.blob)))
	b = append(b, f.kind)
	b = binary.LittleEndian.AppendUint32(b, f.cell)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.json)))
	b = append(b, f.json...)
	return append(b, f.blob...)
}
