package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/understudy-dev/understudy/internal/model"
)

// start serves on a free port until the test ends, and returns the URL. The
// server has no Python.
func start(t *testing.T, p program, args ...string) (url string, stop func() int) {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "url")
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--no-setup", "--ready-file", ready}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var code int
	log, logged := io.Pipe() // the line "serving" says when
	go func() {
		defer close(done)
		defer logged.Close()
		p.stderr = logged
		code = run(ctx, p, args)
	}()
	stop = sync.OnceValue(func() int { cancel(); <-done; return code })
	t.Cleanup(func() { stop() })
	awaitLine(t, log, "msg=serving")
	text, err := os.ReadFile(ready)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), stop
}

// noEnv is an empty environment.
func noEnv(string) string { return "" }

func TestServe(t *testing.T) {
	url, stop := start(t, program{getenv: noEnv}, "--model", "rehearsal")
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var health struct {
		Status, Model string
		Sandbox       struct{ Error string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		t.Fatal(err)
	}
	if health.Status != "ok" || health.Model != "rehearsal" || !strings.Contains(health.Sandbox.Error, "not prepared") {
		t.Errorf("healthz is %+v", health)
	}
	if code := stop(); code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}
	if _, err := http.Get(url + "/healthz"); err == nil {
		t.Error("the server still answers")
	}
}

func TestServeRefusals(t *testing.T) {
	held, err := openDataDir(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	tests := []struct {
		name string
		env  map[string]string
		args []string
		code int
		want string
	}{
		{"everywhere without a key", nil, []string{"--listen", "0.0.0.0:0"}, exitUsage, "UNDERSTUDY_API_KEY"},
		{"all addresses without a key", nil, []string{"--listen", ":0"}, exitUsage, "without a key"},
		{"issuer without TLS", nil, []string{"--entra-issuer", "http://login.example/"}, exitUsage, "not an https address"},
		{"not an address", nil, []string{"--listen", "here"}, exitFailure, "cannot listen"},
		{"folder in use", nil, []string{"--data", held.path}, exitFailure, "in use"},
		{"folder is a file", nil, []string{"--data", "/dev/null"}, exitFailure, "data folder"},
		{"script missing", nil, []string{"--rehearsal", "/nowhere.yaml"}, exitUsage, "/nowhere.yaml"},
		{"flag", nil, []string{"--lisen", "x"}, exitUsage, "serve --help"},
		{"argument", nil, []string{"here"}, exitUsage, "unknown command"},
		{"setting", map[string]string{"UNDERSTUDY_MODEL": "best"}, nil, exitUsage, "best"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stderr strings.Builder
			p := program{getenv: func(name string) string { return test.env[name] }, stdout: io.Discard, stderr: &stderr}
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--no-setup"}, test.args...)
			code := run(t.Context(), p, args)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d, want %d; stderr without %q:\n%s", code, test.code, test.want, stderr.String())
			}
		})
	}
}

// TestServeEverywhereWithKey checks that a key opens other addresses, and that
// it is then asked for.
func TestServeEverywhereWithKey(t *testing.T) {
	env := map[string]string{"UNDERSTUDY_API_KEY": "sk-test"}
	url, _ := start(t, program{getenv: func(name string) string { return env[name] }}, "--model", "rehearsal", "--listen", "0.0.0.0:0")
	for key, want := range map[string]int{"sk-test": http.StatusOK, "sk-wrong": http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("key %s: status %d, want %d", key, resp.StatusCode, want)
		}
	}
}

// TestServeEverywhereWithTokens checks that an issuer of tokens, even one that
// cannot be reached, opens other addresses to tokens and to nothing else.
func TestServeEverywhereWithTokens(t *testing.T) {
	url, _ := start(t, program{getenv: noEnv}, "--model", "rehearsal", "--listen", "0.0.0.0:0", "--entra-issuer", "https://127.0.0.1:1/")
	for path, want := range map[string]int{
		"/healthz":   http.StatusOK,
		"/v1/models": http.StatusUnauthorized,
		"/openai/models?api-version=2024-05-01-preview": http.StatusUnauthorized,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer any")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestFindModel(t *testing.T) {
	self := model.SelfCheck("127.0.0.1:8080")
	route := []RouteConfig{{Match: "gpt-*", Model: "local"}}
	tests := []struct {
		name       string
		config     ModelConfig
		env        map[string]string
		want       string // in the description, or in the error
		note       string
		upstreams  int
		wantRoutes int
		wantErr    bool
	}{
		{name: "rehearsal", config: ModelConfig{Use: "rehearsal"}, env: map[string]string{"OPENAI_API_KEY": "sk"}, want: "rehearsal"},
		{name: "environment", env: map[string]string{"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, want: "127.0.0.1:9", upstreams: 1},
		{name: "environment with routes", config: ModelConfig{Routes: route}, env: map[string]string{"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, want: "127.0.0.1:9", upstreams: 1, wantRoutes: 1},
		{
			name: "configured goes before the environment", env: map[string]string{"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
			config: ModelConfig{Upstreams: []UpstreamConfig{{Name: "a", BaseURL: "http://127.0.0.1:10"}}, Routes: route}, want: "127.0.0.1:10", upstreams: 1, wantRoutes: 1,
		},
		{
			name:   "environment names this server",
			env:    map[string]string{"OPENAI_BASE_URL": "http://localhost:8080/v1", "OLLAMA_HOST": "127.0.0.1:8080"},
			config: ModelConfig{}, want: "rehearsal model answers", note: "this server itself",
		},
		{
			name:   "configuration names this server",
			config: ModelConfig{Upstreams: []UpstreamConfig{{Name: "me", BaseURL: "http://localhost:8080/v1"}}}, want: "its own model", wantErr: true,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Config{Model: test.config}
			found, err := c.findModel(t.Context(), func(name string) string { return test.env[name] }, self)
			if test.wantErr {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got error %v, want one with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(found.Description, test.want) || !strings.Contains(strings.Join(found.Notes, "\n"), test.note) {
				t.Errorf("description %q, notes %q; want %q, %q", found.Description, found.Notes, test.want, test.note)
			}
			if len(found.Config.Upstreams) != test.upstreams || len(found.Config.Routes) != test.wantRoutes {
				t.Errorf("got %+v, want %d upstreams and %d routes", found.Config, test.upstreams, test.wantRoutes)
			}
		})
	}
}

func TestRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r requests
		r.wait() // does not wait for nothing
		block := make(chan struct{})
		h := r.count(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
		for range 2 {
			go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}
		synctest.Wait()
		if got := r.now(); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
		done := make(chan struct{})
		go func() { r.wait(); close(done) }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("did not wait for requests")
		default:
		}
		close(block)
		<-done
	})
}

func TestWriteReadyFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "url")
	if err := writeReadyFile(file, "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "http://127.0.0.1:1\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := writeReadyFile(filepath.Join(dir, "none", "url"), "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want an error that says there is no folder", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
