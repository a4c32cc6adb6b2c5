// Command bench measures the server: runs per second and what it adds to the
// model's latency, over HTTP against the built program with a stub model that
// answers at once and a database on a real disk. What is compared is measured in
// turns, in one go. `make bench` runs it. The code interpreter has a benchmark of
// its own in the folder sessions.
//
// load.go drives the server, and stub.go is the model.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

// settings are the flags.
type settings struct {
	server  string        // the built program
	dir     string        // where the database goes
	clients int           // at once
	load    time.Duration // of each measurement of throughput
	runs    int           // of the measurement of latency
	streams int           // at once, of a model that speaks at its pace; 0: not measured
	tokens  int           // that the stub model says in each answer
	json    string        // file for the results, "-" for stdout
}

func main() {
	var s settings
	flag.StringVar(&s.server, "server", "bin/understudy", "the built `program`")
	flag.StringVar(&s.dir, "dir", ".", "`folder` for the database: on the disk to be measured")
	flag.IntVar(&s.clients, "clients", 32, "clients at once")
	flag.DurationVar(&s.load, "load", 10*time.Second, "length of each measurement of throughput")
	flag.IntVar(&s.runs, "runs", 500, "runs, one after the other, for latency")
	flag.IntVar(&s.streams, "streams", 500, "streams at once, for the delay of words")
	flag.IntVar(&s.tokens, "tokens", 20, "tokens of each answer")
	flag.StringVar(&s.json, "json", "", "`file` for the results as JSON")
	flag.Parse()
	log.SetFlags(0)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		log.Fatal("bench: ", err)
	}
}

// A result is one line of the table.
type result struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Note  string  `json:"note,omitzero"`
}

// report is everything that came out.
type report struct {
	Time    time.Time       `json:"time"`
	Program string          `json:"program"`
	Machine measure.Machine `json:"machine"`
	Results []result        `json:"results"`
}

func (r *report) add(what string, value float64, unit, note string) {
	r.Results = append(r.Results, result{What: what, Value: value, Unit: unit, Note: note})
}

func run(ctx context.Context, s settings) error {
	base, err := filepath.Abs(s.dir)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(base, "bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &report{Time: time.Now().UTC().Truncate(time.Second)}
	version, err := exec.CommandContext(ctx, s.server, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", s.server, err)
	}
	r.Program = strings.TrimSpace(string(version))
	if r.Machine, err = measure.Examine(dir); err != nil {
		return err
	}
	if err := measureServer(ctx, s, dir, r); err != nil {
		return err
	}
	r.write(os.Stdout)
	if s.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.json, append(text, '\n'), 0o644)
}

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%s\n%s\n\n", r.Time.Format(time.RFC3339), r.Program, r.Machine)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, line := range r.Results {
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\n", line.What, line.Value, line.Unit, line.Note)
	}
	t.Flush()
}
