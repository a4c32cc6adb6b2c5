package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/understudy-dev/understudy"
)

const (
	// maxBody bounds the bodies of JSON requests. Ten messages of the longest
	// text in four-byte characters fit in; a client that sends more is told so
	// before the body is read.
	maxBody = 16 << 20
	// bodyTimeout is how long the body of a JSON request may take to arrive.
	bodyTimeout = 60 * time.Second
)

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// decode reads the body of a request, checks it against sch and decodes it into
// v. An empty body is an empty object.
func (s *server) decode(w http.ResponseWriter, r *http.Request, sch *schema, v any) error {
	buf := bodies.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			bodies.Put(buf)
		}
	}()
	buf.Reset()
	if err := readBody(w, r, buf); err != nil {
		return err
	}
	body := buf.Bytes()
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	if tooDeep(body) {
		return understudy.Invalid("The JSON body of your request is nested too deeply. Expected at most %d levels.", maxDepth)
	}
	if err := validate(body, sch, s.dialect.strict); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		if e, ok := errors.AsType[*understudy.Error](err); ok {
			return e // of a type that checks itself, as filters do
		}
		return errSyntax // numbers that do not fit, at most: the schema has seen the rest
	}
	return nil
}

// maxDepth bounds the nesting of bodies. What is stored is shown again, indented:
// deep nesting makes a small body a huge answer.
const maxDepth = 128

// tooDeep reports whether body nests deeper than maxDepth. It need not be valid.
func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// readBody reads a whole request body into buf.
func readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) error {
	if r.ContentLength == 0 {
		return nil
	}
	tooLarge := &understudy.Error{Kind: understudy.KindTooLarge, Message: fmt.Sprintf("The request body is larger than the limit of %d bytes.", maxBody)}
	if r.ContentLength > maxBody {
		return tooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // not supported by test recorders
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		_ = rc.SetReadDeadline(time.Time{}) // or it would end the stream that may follow
		return nil
	}
	// Otherwise it stays: the server reads on to find the end of the body.
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return bodyError(err)
}

// bodyError is the answer to a body that could not be read to its end.
func bodyError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return understudy.Invalid("The request body did not arrive whole.")
}
