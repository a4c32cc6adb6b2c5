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
	if err := validate(body, sch, s.dialect.strict); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return errSyntax // numbers that do not fit, at most: the schema has seen the rest
	}
	return nil
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
	_ = rc.SetReadDeadline(time.Time{}) // or it would end the stream that may follow
	if err == nil {
		return nil
	}
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
