package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/understudy-dev/understudy"
)

// A client talks to a server over HTTP, as an application would. The demo uses
// it, so that what it shows went the whole way.
type client struct {
	base string // the server's address, without /v1
	key  string
	http *http.Client
}

// call sends in as JSON, if it is not nil, and decodes the answer into out.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// send returns the answer to a request if its status is good.
func (c *client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/v1"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("OpenAI-Beta", "assistants=v2")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // what there is of it goes into the error
	return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
}

// upload makes a file for assistants.
func (c *client) upload(ctx context.Context, name, content string) (f understudy.File, err error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("purpose", string(understudy.PurposeAssistants)); err != nil {
		return f, err
	}
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		return f, err
	}
	if _, err := io.WriteString(part, content); err != nil {
		return f, err
	}
	if err := w.Close(); err != nil {
		return f, err
	}
	resp, err := c.send(ctx, http.MethodPost, "/files", w.FormDataContentType(), &form)
	if err != nil {
		return f, err
	}
	defer resp.Body.Close()
	return f, json.NewDecoder(resp.Body).Decode(&f)
}

// download returns the bytes of a file.
func (c *client) download(ctx context.Context, id string) ([]byte, error) {
	resp, err := c.send(ctx, http.MethodGet, "/files/"+id+"/content", "", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// stream sends in and yields the events that come back, up to the one called
// done, which must come.
func (c *client) stream(ctx context.Context, path string, in any) iter.Seq2[understudy.Event, error] {
	return func(yield func(understudy.Event, error) bool) {
		b, err := json.Marshal(in)
		if err != nil {
			yield(understudy.Event{}, err)
			return
		}
		resp, err := c.send(ctx, http.MethodPost, path, "application/json", bytes.NewReader(b))
		if err != nil {
			yield(understudy.Event{}, err)
			return
		}
		defer resp.Body.Close()
		done := false
		for event, err := range readEvents(resp.Body) {
			if err == nil && event.Name == "done" {
				done = true
				break
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
		if !done {
			yield(understudy.Event{}, fmt.Errorf("POST %s: the stream ended without its done event", path))
		}
	}
}

// maxEvent bounds one line of a stream: a completed message with its texts.
const maxEvent = 16 << 20

// readEvents parses a stream of server-sent events as the server writes them:
// one line of data each.
func readEvents(r io.Reader) iter.Seq2[understudy.Event, error] {
	return func(yield func(understudy.Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxEvent)
		var event understudy.Event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				event.Name = understudy.EventName(value)
			case "data":
				event.Data = json.RawMessage(value)
			case "": // the blank line that ends an event, or a comment
				if event.Name != "" && lines.Text() == "" {
					if !yield(event, nil) {
						return
					}
					event = understudy.Event{}
				}
			}
		}
		if err := lines.Err(); err != nil {
			yield(understudy.Event{}, err)
		}
	}
}
