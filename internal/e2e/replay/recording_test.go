package replay

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// recording is what one test of an SDK said to the service it was recorded
// with, and what that answered.
type recording struct {
	name      string
	exchanges []exchange
}

// exchange is one request and its answer.
type exchange struct {
	Method         string            `json:"method"`
	URI            string            `json:"uri"`
	RequestHeaders map[string]string `json:"request_headers"`
	RequestBody    any               `json:"request_body"`
	Status         int               `json:"status"`
	Headers        map[string]string `json:"response_headers"`
	Body           any               `json:"response_body"` // a list of lines if it is a stream
}

func readRecording(file string) (*recording, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var content struct {
		Entries []exchange `json:"entries"`
	}
	if err := json.Unmarshal(b, &content); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &recording{name: strings.TrimSuffix(filepath.Base(file), ".json"), exchanges: content.Entries}, nil
}

// path returns the path below /v1, with its query.
func (x *exchange) path() string {
	_, path, _ := strings.Cut(x.URI, "/v1/")
	return "/" + path
}

// stream returns the events of the answer, and whether it is a stream.
func (x *exchange) stream() ([]event, bool, error) {
	if !strings.HasPrefix(x.Headers["Content-Type"], "text/event-stream") {
		return nil, false, nil
	}
	lines, ok := x.Body.([]any)
	if !ok {
		return nil, false, fmt.Errorf("%s %s: a stream that is %T", x.Method, x.URI, x.Body)
	}
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprint(&text, line)
	}
	events, err := parseEvents(text.String())
	return events, true, err
}

// runStatus returns the status of the run that the exchange is about, if it is a
// GET of one.
func (x *exchange) runStatus() string {
	body, ok := x.Body.(map[string]any)
	if !ok || x.Method != "GET" || body["object"] != "thread.run" {
		return ""
	}
	status, _ := body["status"].(string)
	return status
}

// transient are the statuses that a run leaves by itself.
func transient(status any) bool {
	return status == "queued" || status == "in_progress" || status == "cancelling"
}

// event is an event of a stream.
type event struct {
	name string
	data any // a string if it is not JSON
}

func parseEvents(text string) ([]event, error) {
	var events []event
	for block := range strings.SplitSeq(text, "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		var e event
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "event":
				e.name = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					if value != "[DONE]" {
						return nil, fmt.Errorf("event %s: %w: %s", e.name, err, value)
					}
					e.data = value
				}
			case "": // a comment keeps the connection alive
			default:
				return nil, fmt.Errorf("a stream has the line %q", line)
			}
		}
		if e.name != "" || e.data != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// idPattern are the ids that recordings have.
var idPattern = regexp.MustCompile(`\b(?:(?:asst|thread|msg|run|step|call|vs|vsfb|vsfb_ibj|upload|part)_[A-Za-z0-9]{20,}|file-[A-Za-z0-9]{20,})`)

// routeWords are the parts of a path that are not ids.
var routeWords = map[string]bool{
	"assistants": true, "threads": true, "messages": true, "runs": true, "steps": true,
	"files": true, "content": true, "submit_tool_outputs": true, "cancel": true,
	"vector_stores": true, "file_batches": true, "uploads": true, "parts": true, "complete": true,
}

// route returns the method and the path with {id} for every id, to name
// differences with.
func (x *exchange) route() string {
	path, _, _ := strings.Cut(x.path(), "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		if !routeWords[part] {
			parts[i] = "{id}"
		}
	}
	return x.Method + " /" + strings.Join(parts, "/")
}

// wholeAccount tells whether the answer lists what others made, too.
func (x *exchange) wholeAccount() bool {
	route := x.route()
	return route == "GET /assistants" || route == "GET /files" || route == "GET /vector_stores"
}

// unordered tells whether the answer lists files in an order of the service's own
// choice: those of a batch come the same way up and down.
func (x *exchange) unordered() bool {
	return x.route() == "GET /vector_stores/{id}/file_batches/{id}/files"
}

// descending tells whether a list begins with the newest.
func (x *exchange) descending() bool {
	u, err := url.Parse(x.URI)
	return err != nil || u.Query().Get("order") != "asc"
}
