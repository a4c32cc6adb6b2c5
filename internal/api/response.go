package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// writeTimeout is how long one piece of a response may take to leave: a client
// that reads nothing for so long is cut off.
const writeTimeout = 30 * time.Second

// response is what handlers write to. It adds the headers that every response
// has and bounds the time of each write.
type response struct {
	http.ResponseWriter
	rc     *http.ResponseController
	id     string // of the request
	start  time.Time
	status int // 0 until the header was written

	view func(any) (any, error) // of the dialect; nil: objects are shown as they are
}

func newResponse(w http.ResponseWriter, id string) *response {
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	return &response{ResponseWriter: w, rc: http.NewResponseController(w), id: id, start: time.Now()}
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		h := w.Header()
		h.Set("Openai-Version", "2020-10-01")
		h.Set("Openai-Processing-Ms", strconv.FormatInt(time.Since(w.start).Milliseconds(), 10))
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	_ = w.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // not supported by test recorders, which never block
	return w.ResponseWriter.Write(p)
}

// encoder is a buffer with a JSON encoder that writes to it without HTML escapes,
// and a second one for the same indented by two spaces, as the wire wants it.
type encoder struct {
	buf      bytes.Buffer
	json     *json.Encoder
	indented bytes.Buffer
}

// maxIndented is the size of answers above which nothing is indented: it is for
// people, and what is nested deeply would grow many times.
const maxIndented = 256 << 10

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

// maxPooled is the size up to which buffers are kept for reuse.
const maxPooled = 64 << 10

// writeJSON answers with status and v. It fails, having written nothing, if v
// cannot be encoded; that the client does not read is no error.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	e := encoders.Get().(*encoder)
	defer func() {
		if e.buf.Cap() <= maxPooled && e.indented.Cap() <= maxPooled {
			encoders.Put(e)
		}
	}()
	e.buf.Reset()
	if err := e.json.Encode(v); err != nil {
		return err
	}
	body := &e.buf
	if e.buf.Len() <= maxIndented {
		e.indented.Reset()
		if err := json.Indent(&e.indented, e.buf.Bytes(), "", "  "); err != nil {
			return err
		}
		body = &e.indented
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// ok answers with v, as the request's dialect shows it.
func ok(w http.ResponseWriter, v any) error {
	if rw, is := w.(*response); is && rw.view != nil {
		var err error
		if v, err = rw.view(v); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, v)
}
