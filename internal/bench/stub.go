package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// pacedModel is the name under which the stub model speaks like a real one:
// pacedRate words a second, each with the time at which it was said.
const (
	pacedModel = "paced"
	pacedRate  = 50
	pacedWord  = "said at " // before the time, in nanoseconds
)

const chunkHead = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"stub","choices":[{"index":0,"delta":`

// A stub is a model that answers every chat completion at once, or at its pace.
type stub struct {
	answer string // of tokens words
	paced  time.Duration
}

// startStub serves a stub until stop is called. Its paced answers take that
// long.
func startStub(tokens int, paced time.Duration) (url string, stop func() error, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	word := chunkHead + `{"content":"word "},"finish_reason":null}]}` + "\n\n"
	hs := &http.Server{Handler: &stub{answer: strings.Repeat(word, tokens) + chunkEnd(), paced: paced}}
	go func() { _ = hs.Serve(l) }() // returns ErrServerClosed when stop closes it
	return "http://" + l.Addr().String() + "/v1", hs.Close, nil
}

func chunkEnd() string {
	return chunkHead + `{},"finish_reason":"stop"}]}` + "\n\n" +
		`data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29}}` + "\n\n" +
		"data: [DONE]\n\n"
}

// ServeHTTP answers a chat completion.
func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if !bytes.Contains(request, []byte(`"`+pacedModel+`"`)) {
		_, _ = io.WriteString(w, s.answer) // a client that has gone shows in its own numbers
		return
	}
	rc := http.NewResponseController(w)
	tick := time.NewTicker(time.Second / pacedRate)
	defer tick.Stop()
	for end := time.Now().Add(s.paced); time.Now().Before(end); {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		fmt.Fprintf(w, "%s{\"content\":\"%s%d \"},\"finish_reason\":null}]}\n\n", chunkHead, pacedWord, time.Now().UnixNano())
		if rc.Flush() != nil {
			return
		}
	}
	_, _ = io.WriteString(w, chunkEnd())
}
