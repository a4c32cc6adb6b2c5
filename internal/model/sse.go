package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Bounds on what one answer of an upstream may make us hold or read.
const (
	maxEvent  = 16 << 20  // bytes of one event, or of an answer that is not a stream
	maxStream = 256 << 20 // bytes of a whole stream
	readSize  = 16 << 10
)

var errTooLong = errors.New("it sent more than is allowed")

// An eventReader splits a text/event-stream into events. It follows the
// standard, and beyond it accepts what some servers send: a field called error,
// events without the blank line between them, and JSON lines without a field name.
type eventReader struct {
	r     io.Reader
	buf   []byte // read and not yet returned: buf[start:end]
	start int
	end   int
	seen  int // how much of buf[start:end] is known to hold no line end
	total int
	skipL bool   // the last line ended with \r: a \n that follows belongs to it
	data  []byte // data of an event that is not returned at once
	held  []byte // the first data line of the next event, if it was met already
	eof   bool
	err   error // why reading stopped

	maxEvent, maxStream int // bytes
}

// An event is one event of the stream; it is valid until the next is read.
type event struct {
	data    []byte
	isError bool // its name, or its field's name, says error
}

func newEventReader(r io.Reader) *eventReader {
	return &eventReader{r: r, buf: make([]byte, readSize), maxEvent: maxEvent, maxStream: maxStream}
}

// next returns the next event that has data. At the end of the stream it
// returns io.EOF; an event that the end cut short is returned before, since a
// server may leave out the last blank line.
func (e *eventReader) next() (event, error) {
	var ev event
	pending := len(e.held) > 0 // ev holds data
	if pending {
		e.data, e.held = e.held, e.data[:0]
		ev.data = e.data
	}
	for {
		line, err := e.line()
		if err != nil {
			if pending && err == io.EOF {
				return ev, nil
			}
			return event{}, err
		}
		if len(line) == 0 {
			if pending {
				return ev, nil
			}
			ev = event{}
			continue
		}
		name, value := field(line)
		switch name {
		case "event":
			ev.isError = string(value) == "error"
			continue
		case "error":
			ev.isError = true
		case "data":
		default:
			continue
		}
		if !pending {
			// A line is valid until the next one is read, and the one after
			// an event's only data line is nearly always the blank one: copy
			// then, not now.
			if e.blankAhead() {
				ev.data = value
				return ev, nil
			}
			e.data = append(e.data[:0], value...)
			ev.data, pending = e.data, true
			continue
		}
		if begins(value) && (begins(ev.data) && ev.data[0] == '[' || json.Valid(ev.data)) {
			e.held = append(e.held[:0], value...)
			return ev, nil
		}
		if len(e.data)+len(value) >= e.maxEvent {
			return event{}, errTooLong
		}
		e.data = append(append(e.data, '\n'), value...)
		ev.data = e.data
	}
}

// begins reports whether data may be the beginning of an event: an object, or the
// end mark.
func begins(data []byte) bool {
	return len(data) > 0 && data[0] == '{' || bytes.HasPrefix(data, []byte("[DONE]"))
}

// field splits a line into the name of its field and its value.
func field(line []byte) (name string, value []byte) {
	if line[0] == '{' {
		return "data", line
	}
	n, v, _ := bytes.Cut(line, []byte(":"))
	v = bytes.TrimPrefix(v, []byte(" "))
	switch string(n) {
	case "data":
		return "data", v
	case "event":
		return "event", v
	case "error":
		return "error", v
	}
	return "", nil // a comment, id, retry or something unknown
}

// line returns the next line without its end. It is valid until the next call.
func (e *eventReader) line() ([]byte, error) {
	for {
		if e.skipL && e.start < e.end {
			if e.buf[e.start] == '\n' {
				e.start++
			}
			e.skipL = false
		}
		if e.total == e.end && e.start == 0 && e.end >= 3 && string(e.buf[:3]) == "\xef\xbb\xbf" {
			e.start, e.seen = 3, 0
		}
		rest := e.buf[e.start:e.end]
		if i := lineEnd(rest[e.seen:]); i >= 0 {
			i += e.seen
			e.skipL = rest[i] == '\r'
			e.start += i + 1
			e.seen = 0
			return rest[:i], nil
		}
		e.seen = len(rest)
		if e.eof || e.err != nil {
			e.start, e.seen = e.end, 0
			if len(rest) > 0 {
				return rest, nil
			}
			if e.err != nil {
				return nil, e.err
			}
			return nil, io.EOF
		}
		e.fill()
	}
}

// lineEnd is the index of the first \n or \r of b, or -1.
func lineEnd(b []byte) int {
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if r := bytes.IndexByte(b[:n], '\r'); r >= 0 {
		return r
	}
	return n
}

// blankAhead consumes a blank line if it is already in the buffer.
func (e *eventReader) blankAhead() bool {
	i := e.start
	if e.skipL && i < e.end && e.buf[i] == '\n' {
		i++
	}
	if i >= e.end {
		return false
	}
	switch e.buf[i] {
	case '\n':
		e.skipL = false
	case '\r':
		e.skipL = true
	default:
		return false
	}
	e.start = i + 1
	return true
}

// fill reads more into the buffer, making room for it first.
func (e *eventReader) fill() {
	if e.start > 0 {
		copy(e.buf, e.buf[e.start:e.end])
		e.end -= e.start
		e.start = 0
	}
	if e.end == len(e.buf) {
		if len(e.buf) >= e.maxEvent {
			e.err = errTooLong
			return
		}
		e.buf = append(e.buf, make([]byte, len(e.buf))...)
	}
	n, err := e.r.Read(e.buf[e.end:])
	e.end += n
	e.total += n
	switch {
	case e.total > e.maxStream:
		e.err = errTooLong
	case err == io.EOF:
		e.eof = true
	case err != nil:
		e.err = err
	}
}

// firstByte returns the first byte of the stream that is not white space, 0 if
// there is none within the first read.
func (e *eventReader) firstByte() byte {
	for e.end == 0 && !e.eof && e.err == nil {
		e.fill()
	}
	if rest := bytes.TrimLeft(e.buf[:e.end], " \t\r\n\xef\xbb\xbf"); len(rest) > 0 {
		return rest[0]
	}
	return 0
}

// buffered returns what was read and not returned.
func (e *eventReader) buffered() []byte { return e.buf[e.start:e.end] }
