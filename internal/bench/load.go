package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

// measureServer starts the program with a fresh database and drives it.
func measureServer(ctx context.Context, s settings, dir string, r *report) error {
	stub, stopStub, err := startStub(s.tokens, s.load)
	if err != nil {
		return err
	}
	defer stopStub()
	base, pid, stopServer, err := startServer(ctx, s, dir, stub)
	if err != nil {
		return err
	}
	d := &driver{
		base: base, stub: stub,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * s.clients, DisableCompression: true}},
	}
	idle, err := measure.Resident(pid)
	if err == nil {
		err = d.measure(ctx, s, r)
	}
	if err == nil {
		var loaded int64
		loaded, err = measure.Resident(pid)
		r.add("memory of the server, idle", measure.MiB(idle), "MiB", "resident, without code sessions")
		r.add("memory of the server, after all this", measure.MiB(loaded), "MiB", "")
	}
	return errors.Join(err, stopServer())
}

// startServer starts the program and waits until it serves. stop ends it.
func startServer(ctx context.Context, s settings, dir, stub string) (base string, pid int, stop func() error, err error) {
	config := filepath.Join(dir, "understudy.yaml")
	text := fmt.Sprintf("model: {upstreams: [{name: stub, base_url: %q}]}\n", stub)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", 0, nil, err
	}
	logFile, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", 0, nil, err
	}
	ready := filepath.Join(dir, "url")
	cmd := exec.CommandContext(ctx, s.server, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"),
		"--config", config, "--no-setup", "--ready-file", ready)
	cmd.Stderr = logFile
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return "", 0, nil, errors.Join(err, logFile.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(cmd.Wait(), logFile.Close()) }()
	stop = func() error {
		return errors.Join(cmd.Process.Signal(syscall.SIGTERM), <-ended)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			output, _ := os.ReadFile(logFile.Name()) // best effort: it says why
			return "", 0, nil, fmt.Errorf("the server ended: %w\n%s", err, output)
		case <-tick.C:
		}
		if url, err := os.ReadFile(ready); err == nil {
			return strings.TrimSpace(string(url)), cmd.Process.Pid, stop, nil
		}
	}
}

// A driver makes requests to the server, and for comparison to the model.
type driver struct {
	base, stub string
	http       *http.Client
	assistant  string // whose model answers at once
	paced      string // whose model speaks at its pace
}

func (d *driver) measure(ctx context.Context, s settings, r *report) error {
	for model, id := range map[string]*string{"stub": &d.assistant, pacedModel: &d.paced} {
		var assistant struct {
			ID string `json:"id"`
		}
		if err := d.json(ctx, http.MethodPost, "/assistants", map[string]any{"model": model, "instructions": "Be brief."}, &assistant, nil); err != nil {
			return err
		}
		*id = assistant.ID
	}
	log.Print("latency, one run at a time …")
	if err := d.latency(ctx, s.runs, r); err != nil {
		return err
	}
	for _, way := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"streamed", func(ctx context.Context) error { _, err := d.streamed(ctx); return err }},
		{"polled", d.polled},
	} {
		log.Printf("throughput, %d clients, %s …", s.clients, way.name)
		if err := d.throughput(ctx, s, way.name, way.run, r); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	if s.streams == 0 {
		return nil
	}
	log.Printf("%d streams at once …", s.streams)
	return d.lateness(ctx, s, r)
}

// arrival is the time over which the clients of [driver.lateness] arrive.
const arrival = 2 * time.Second

// lateness has many clients stream at once from a model that speaks at its
// pace, and compares when words were said with when they arrived.
func (d *driver) lateness(ctx context.Context, s settings, r *report) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		all  []time.Duration
		errs []error
	)
	for i := range s.streams {
		wg.Go(func() {
			select {
			case <-time.After(arrival * time.Duration(i) / time.Duration(s.streams)):
			case <-ctx.Done():
			}
			late, err := d.late(ctx)
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, late...), append(errs, err)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.add("delay of a word in a stream, p50", measure.Milliseconds(measure.Percentile(all, 50)), "ms",
		fmt.Sprintf("%d streams at once that begin within %v, %d words a second each, %d words", s.streams, arrival, pacedRate, len(all)))
	r.add("delay of a word in a stream, p99", measure.Milliseconds(measure.Percentile(all, 99)), "ms", "")
	return nil
}

// late streams one paced answer and returns by how much each word was late.
func (d *driver) late(ctx context.Context) ([]time.Duration, error) {
	body := d.newRun(true)
	body["assistant_id"] = d.paced
	resp, err := d.send(ctx, http.MethodPost, d.base+"/v1/threads/runs", body, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var late []time.Duration
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	delta := false
	for lines.Scan() {
		switch {
		case bytes.HasPrefix(lines.Bytes(), []byte("event: ")):
			delta = bytes.HasSuffix(lines.Bytes(), []byte("thread.message.delta"))
		case delta:
			_, word, ok := bytes.Cut(lines.Bytes(), []byte(pacedWord))
			if !ok {
				continue
			}
			digits, _, _ := bytes.Cut(word, []byte(" "))
			said, err := strconv.ParseInt(string(digits), 10, 64)
			if err != nil {
				return nil, err
			}
			late = append(late, time.Duration(time.Now().UnixNano()-said))
		}
	}
	return late, lines.Err()
}

// latency compares runs with the bare model, in turns.
func (d *driver) latency(ctx context.Context, runs int, r *report) error {
	var first, total, bareFirst, bareTotal, addedFirst, addedTotal []time.Duration
	for i := range runs + runs/10 {
		bare, err := d.completion(ctx)
		if err != nil {
			return fmt.Errorf("model: %w", err)
		}
		run, err := d.streamed(ctx)
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		if i < runs/10 {
			continue // to warm up
		}
		first, total = append(first, run.first), append(total, run.total)
		bareFirst, bareTotal = append(bareFirst, bare.first), append(bareTotal, bare.total)
		addedFirst, addedTotal = append(addedFirst, run.first-bare.first), append(addedTotal, run.total-bare.total)
	}
	note := fmt.Sprintf("%d runs, one at a time, each after one of the bare model", runs)
	for _, line := range []struct {
		what  string
		times []time.Duration
		note  string
	}{
		{"added to the time of a run", addedTotal, note},
		{"added to the time to the first token", addedFirst, note},
		{"run, whole stream", total, ""},
		{"run, first token", first, ""},
		{"bare model, whole stream", bareTotal, ""},
		{"bare model, first token", bareFirst, ""},
	} {
		r.add(line.what+", p50", measure.Milliseconds(measure.Percentile(line.times, 50)), "ms", line.note)
		r.add(line.what+", p99", measure.Milliseconds(measure.Percentile(line.times, 99)), "ms", "")
	}
	return nil
}

// throughput has clients make runs one after the other for a while.
func (d *driver) throughput(ctx context.Context, s settings, name string, run func(context.Context) error, r *report) error {
	loading, stop := context.WithTimeout(ctx, s.load)
	defer stop()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		times []time.Duration
		errs  []error
	)
	begin := time.Now()
	for range s.clients {
		wg.Go(func() {
			var mine []time.Duration
			var err error
			for loading.Err() == nil && err == nil {
				start := time.Now()
				// The last run of each client is carried to its end, and counted.
				err = run(ctx)
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			times, errs = append(times, mine...), append(errs, err)
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.add("runs per second, "+name, float64(len(times))/took.Seconds(), "/s",
		fmt.Sprintf("%d clients, %d runs, each on a new thread, all durable", s.clients, len(times)))
	r.add("time of a run under that load, p50", measure.Milliseconds(measure.Percentile(times, 50)), "ms", "")
	r.add("time of a run under that load, p99", measure.Milliseconds(measure.Percentile(times, 99)), "ms", "")
	return nil
}

// timing is when something came, after the request.
type timing struct{ first, total time.Duration }

func (d *driver) newRun(stream bool) map[string]any {
	return map[string]any{
		"assistant_id": d.assistant, "stream": stream,
		"thread": map[string]any{"messages": []any{map[string]any{"role": "user", "content": "Say some words."}}},
	}
}

// streamed makes a thread and a run and reads the events to the end.
func (d *driver) streamed(ctx context.Context) (timing, error) {
	return d.stream(ctx, d.base+"/v1/threads/runs", d.newRun(true), "event: thread.message.delta", "event: thread.run.completed")
}

// completion asks the model directly.
func (d *driver) completion(ctx context.Context) (timing, error) {
	body := map[string]any{"model": "stub", "stream": true, "messages": []any{map[string]any{"role": "user", "content": "Say some words."}}}
	return d.stream(ctx, d.stub+"/chat/completions", body, `"content":"word `, "data: [DONE]")
}

// stream posts body and reads lines to the end of the answer. One must contain
// first and a later one must begin with last.
func (d *driver) stream(ctx context.Context, url string, body any, first, last string) (timing, error) {
	var t timing
	start := time.Now()
	resp, err := d.send(ctx, http.MethodPost, url, body, nil)
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	ended := false
	for lines.Scan() {
		if t.first == 0 && bytes.Contains(lines.Bytes(), []byte(first)) {
			t.first = time.Since(start)
		}
		ended = ended || bytes.HasPrefix(lines.Bytes(), []byte(last))
	}
	t.total = time.Since(start)
	if err := lines.Err(); err != nil {
		return t, err
	}
	if t.first == 0 || !ended {
		return t, fmt.Errorf("the stream ended without %q", last)
	}
	return t, nil
}

// polled makes a thread and a run and asks for it as SDKs do until it is
// completed.
func (d *driver) polled(ctx context.Context) error {
	var run struct {
		ID       string `json:"id"`
		ThreadID string `json:"thread_id"`
		Status   string `json:"status"`
	}
	if err := d.json(ctx, http.MethodPost, "/threads/runs", d.newRun(false), &run, nil); err != nil {
		return err
	}
	path := "/threads/" + run.ThreadID + "/runs/" + run.ID
	helper := http.Header{"X-Stainless-Poll-Helper": {"true"}}
	for {
		var again time.Duration
		err := d.json(ctx, http.MethodGet, path, nil, &run, func(resp *http.Response) {
			helper := resp.Header.Get("Openai-Poll-After-Ms")
			again, _ = time.ParseDuration(helper + "ms") // 0 if the server names no pause
		}, helper)
		switch {
		case err != nil:
			return err
		case run.Status == "completed":
			return nil
		case run.Status != "queued" && run.Status != "in_progress":
			return fmt.Errorf("the run is %s", run.Status)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// json makes a request to the server and decodes the answer. see, if it is not
// nil, gets the answer's head.
func (d *driver) json(ctx context.Context, method, path string, body, out any, see func(*http.Response), header ...http.Header) error {
	resp, err := d.send(ctx, method, d.base+"/v1"+path, body, header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if see != nil {
		see(resp)
	}
	err = json.NewDecoder(resp.Body).Decode(out)
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	return err
}

func (d *driver) send(ctx context.Context, method, url string, body any, header []http.Header) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		return nil, err
	}
	for _, h := range header {
		req.Header = h.Clone()
	}
	req.Header.Set("Authorization", "Bearer bench")
	req.Header.Set("OpenAI-Beta", "assistants=v2")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // what there is of it goes into the error
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return resp, nil
}
