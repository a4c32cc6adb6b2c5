package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/understudy-dev/understudy"
)

const (
	// heartbeat is how long a stream may be silent before a comment is sent, which
	// keeps proxies from cutting it and finds out clients that are gone.
	heartbeat = 15 * time.Second
	// readAhead is how many events wait for a client that reads slowly, before the
	// log is no longer read for it.
	readAhead = 64
)

// streamRun answers with the events of a run behind position after of its log,
// up to the one that ends the stream. A client that goes away stops the reading,
// never the run.
func (s *server) streamRun(w http.ResponseWriter, r *http.Request, runID string, after int64) error {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // or proxies hold events back
	w.WriteHeader(http.StatusOK)
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	out := &eventWriter{w: w, rc: http.NewResponseController(w), requestID: w.Header().Get("X-Request-Id")}
	wanted, _ := includes(r.URL.Query()) // nothing, if it is malformed where it has no meaning
	events := trimEvents(s.Store.Follow(ctx, runID, after), wanted)
	err := out.copy(ctx, stop, s.viewEvents(ctx, events))
	if err != nil && r.Context().Err() == nil {
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "stream ended early",
			slog.String("request_id", out.requestID), slog.String("run_id", runID), slog.Any("error", err))
	}
	return nil
}

// eventWriter writes server-sent events.
type eventWriter struct {
	w         http.ResponseWriter
	rc        *http.ResponseController
	requestID string
	buf       bytes.Buffer // events not yet sent
}

type following struct {
	event understudy.Event
	err   error
}

// copy sends events until they end, and then the mark of the stream's end, or
// an error. Events that are there already when the client is ready for more go
// out in one piece. It returns the error of events or of the connection. stop
// must end events.
func (o *eventWriter) copy(ctx context.Context, stop context.CancelFunc, events iter.Seq2[understudy.Event, error]) error {
	// Only a second goroutine can tell whether more events are there already: to
	// range over them is to wait for them.
	ahead := make(chan following, readAhead)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer stop()
	reader.Go(func() {
		defer close(ahead)
		for e, err := range events {
			select {
			case ahead <- following{event: e, err: err}:
			case <-ctx.Done():
				return
			}
		}
	})
	silence := time.NewTicker(heartbeat)
	defer silence.Stop()
	for {
		select {
		case f, more := <-ahead:
			for more && f.err == nil {
				o.event(f.event.Name, f.event.Data)
				if len(ahead) == 0 {
					break
				}
				f, more = <-ahead
			}
			switch {
			case ctx.Err() != nil: // the reader may have stopped before the end of the events
				o.fail(errCancelled)
				return errors.Join(context.Cause(ctx), o.flush())
			case f.err != nil:
				o.fail(f.err)
				return errors.Join(f.err, o.flush())
			case !more:
				o.event("done", []byte("[DONE]"))
				return o.flush()
			}
			silence.Reset(heartbeat)
		case <-silence.C:
			o.buf.WriteString(": keep-alive\n\n")
		}
		if err := o.flush(); err != nil {
			return err
		}
	}
}

// event adds an event to what is sent next. data is one line.
func (o *eventWriter) event(name understudy.EventName, data []byte) {
	o.buf.WriteString("event: ")
	o.buf.WriteString(string(name))
	o.buf.WriteString("\ndata: ")
	o.buf.Write(data)
	o.buf.WriteString("\n\n")
}

// fail adds the event of an error, which ends the stream without the mark of its
// end.
func (o *eventWriter) fail(err error) {
	_, body := describe(err, o.requestID)
	data, err := understudy.Encode(envelope{Error: body})
	if err != nil {
		data = json.RawMessage(`{"error":{"message":"The error could not be encoded.","type":"server_error","param":null,"code":null}}`)
	}
	o.event("error", data)
}

// flush sends what was added.
func (o *eventWriter) flush() error {
	_, err := o.w.Write(o.buf.Bytes())
	o.buf.Reset()
	if err != nil {
		return err
	}
	return o.rc.Flush()
}
