package main

import (
	"io"
	"net"
	"net/http"
	"strings"
)

// startStub serves a model that answers every chat completion at once, in
// tokens pieces, until stop is called. It does not even read what it is asked.
func startStub(tokens int) (url string, stop func() error, err error) {
	const head = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"stub","choices":[{"index":0,"delta":`
	var answer strings.Builder
	answer.WriteString(head + `{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n")
	for range tokens {
		answer.WriteString(head + `{"content":"word "},"finish_reason":null}]}` + "\n\n")
	}
	answer.WriteString(head + `{},"finish_reason":"stop"}]}` + "\n\n")
	answer.WriteString(`data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29}}` + "\n\n")
	answer.WriteString("data: [DONE]\n\n")
	body := answer.String()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body) // a client that has gone shows in its own numbers
	})}
	go func() { _ = hs.Serve(l) }() // returns ErrServerClosed when stop closes it
	return "http://" + l.Addr().String() + "/v1", hs.Close, nil
}
