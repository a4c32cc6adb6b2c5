package model

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"
)

const (
	// lateGrace is how long to wait, once the finish reason is known, for the
	// token counts and the end mark that should follow it.
	lateGrace = 2 * time.Second
	// drainTime and drainBytes bound what is done to leave a connection in a
	// state in which it can be used again.
	drainTime  = 50 * time.Millisecond
	drainBytes = 64 << 10
)

// A turn is one attempt at an answer.
type turn struct {
	client  *Client
	req     *Request
	yield   func(Delta, error) bool
	started bool // something was yielded
	stopped bool // the consumer wants no more

	calls  callTracker
	finish string
	usage  *Usage
}

// errEnd ends the reading of a stream that is complete or not wanted any more.
var errEnd = errors.New("end of answer")

// run sends the request and yields the answer. It returns nil once the answer is
// complete or the consumer has stopped.
func (t *turn) run(ctx context.Context, without refusals) error {
	body, err := encode(t.req, t.req.Model, without)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatch(t.client.up.Timeout, cancel)
	defer w.timer.Stop()
	resp, err := t.client.post(inner, t.req.Model, body)
	w.timer.Stop()
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return err
		}
		return failure(ctx, inner, err)
	}
	defer resp.Body.Close()
	w.body = resp.Body
	err = t.read(w, resp.Header.Get("Content-Type"))
	if err == errEnd {
		if t.finish != "" {
			drain(w)
		}
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, typed := errors.AsType[*Error](err); typed {
		return err
	}
	if err == errMalformed || err == errTooLong {
		return &Error{Message: err.Error()}
	}
	err = failure(ctx, inner, err)
	if e, ok := errors.AsType[*Error](err); ok && t.started {
		return truncated(e.cause)
	}
	return err
}

// read reads the answer in whatever form it came. It returns errEnd when there
// is nothing more to do.
func (t *turn) read(w *watch, contentType string) error {
	r := newEventReader(w)
	switch first := r.firstByte(); {
	case first == '<':
		page, _ := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(r.buffered()), w), maxErrorBody))
		return &Error{Message: "it sent a web page instead of an answer, is its base URL right? " + shorten(plainText(page))}
	case first == '{' && strings.Contains(contentType, "json"):
		return t.readWhole(io.MultiReader(bytes.NewReader(r.buffered()), w))
	}
	return t.readStream(r, w)
}

// readStream reads events until the answer is complete.
func (t *turn) readStream(r *eventReader, w *watch) error {
	var c chunk
	for {
		ev, err := r.next()
		if err != nil {
			if t.finish != "" {
				return t.end() // what was to follow is only the counts
			}
			if err == io.EOF {
				return truncated(nil)
			}
			return err
		}
		data := bytes.TrimSpace(ev.data)
		switch {
		case ev.isError:
			return parseError(0, nil, data)
		case bytes.HasPrefix(data, []byte("[DONE]")):
			return t.end()
		case len(data) == 0 || data[0] != '{':
			continue // a keep-alive of somebody's own invention
		}
		if err := c.parse(data); err != nil {
			return err
		}
		if err := t.take(&c); err != nil {
			return err
		}
		if t.finish != "" {
			if t.usage != nil {
				return t.end()
			}
			w.limit = min(w.limit, lateGrace)
		}
	}
}

// readWhole reads an answer that is one JSON document.
func (t *turn) readWhole(r io.Reader) error {
	body, err := io.ReadAll(io.LimitReader(r, maxEvent+1))
	switch {
	case err != nil:
		return err
	case len(body) > maxEvent:
		return errTooLong
	}
	var c chunk
	if err := c.parse(body); err != nil {
		return err
	}
	if err := t.take(&c); err != nil {
		return err
	}
	return t.end()
}

// take yields what c adds to the answer.
func (t *turn) take(c *chunk) error {
	if c.err != nil {
		return c.err
	}
	if c.finish != "" {
		t.finish = c.finish
	}
	if c.usage != nil {
		t.usage = c.usage
	}
	d := Delta{Text: c.text, Refusal: c.refusal}
	if len(c.calls) > 0 {
		var err error
		if d.ToolCalls, err = t.calls.add(c.calls, t.req.Messages); err != nil {
			return err
		}
	}
	if d.Text == "" && d.Refusal == "" && len(d.ToolCalls) == 0 {
		return nil
	}
	return t.deliver(d)
}

func (t *turn) deliver(d Delta) error {
	t.started = true
	if !t.yield(d, nil) {
		t.stopped = true
		return errEnd
	}
	return nil
}

// end yields the last delta.
func (t *turn) end() error {
	if t.finish == "" {
		return truncated(nil)
	}
	if err := t.calls.finish(); err != nil {
		return err
	}
	t.finish = finishReason(t.finish, t.calls.count > 0)
	if t.finish == "error" {
		return &Error{Message: "it ended its answer with an error and no reason"}
	}
	if err := t.deliver(Delta{FinishReason: t.finish, Usage: t.usage}); err != nil {
		return err
	}
	return errEnd
}

// finishReason maps what servers say to the Finish constants. Several say stop
// after tool calls, or have words of their own.
func finishReason(said string, called bool) string {
	switch strings.ToLower(said) {
	case "error":
		return "error"
	case "length", "max_tokens", "model_length", "max_length":
		return FinishLength
	case "content_filter", "safety", "recitation":
		return FinishContentFilter
	}
	if called {
		return FinishToolCalls
	}
	return FinishStop
}

// drain reads what little should be left of an answer, so that its connection
// can be used for the next one.
func drain(w *watch) {
	w.limit = drainTime
	_, _ = io.CopyN(io.Discard, w, drainBytes) // an error only costs the connection
}
