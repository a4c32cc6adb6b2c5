package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithheldBody checks that a client which announces a body and never sends it
// does not hold its connection, whether its request would be refused or not.
func TestWithheldBody(t *testing.T) {
	for _, path := range []string{"/v1/threads", "/v1/nowhere", "/v1/threads/thread_x/runs/run_x/cancel", "/v1/files"} {
		for _, key := range []string{"", "Authorization: Bearer any\r\n"} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				s := &http.Server{Handler: &front{gate: newGate(Config{}), servers: New(Config{}).(*front).servers, log: New(Config{}).(*front).log}}
				l := &oneConn{conn: server, done: make(chan struct{})}
				go func() { _ = s.Serve(l) }()
				fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: localhost\r\nOpenAI-Beta: assistants=v2\r\nContent-Type: application/json\r\n%sContent-Length: 100\r\n\r\n{", path, key)
				start := time.Now()
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err == nil {
					_ = resp.Body.Close()
				}
				if took := time.Since(start); took > 2*bodyTimeout {
					t.Errorf("%s %q: answered after %v", path, key, took)
				}
				_ = client.Close()
				close(l.done)
				_ = s.Close()
			})
		}
	}
}

// oneConn listens for one connection.
type oneConn struct {
	conn net.Conn
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func TestTooDeep(t *testing.T) {
	for _, test := range []struct {
		body string
		want bool
	}{
		{strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), false},
		{strings.Repeat("[", maxDepth+1), true},
		{strings.Repeat(`{"a":`, maxDepth+1), true},
		{`"` + strings.Repeat("[", 1000) + `"`, false},
		{`"\"` + strings.Repeat("[", 1000) + `"`, false},
		{strings.Repeat("[],", 1000), false},
	} {
		if got := tooDeep([]byte(test.body)); got != test.want {
			t.Errorf("%.40s: %v, want %v", test.body, got, test.want)
		}
	}
}
