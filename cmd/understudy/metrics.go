package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
)

// metrics is the body of GET /metrics: the text format of Prometheus, version 0.0.4.
func (s *server) metrics(context.Context) []byte {
	var w metricsWriter
	w.family("understudy_build_info", "gauge", "The running version.")
	w.sample(1, "version", version())
	runs := s.engine.Stats()
	w.family("understudy_runs_executing", "gauge", "Runs that are being executed.")
	w.sample(float64(runs.Running))
	w.family("understudy_runs_total", "counter", "Executions of runs, by what the run was at their end.")
	samples(&w, runs.Executed, "status")
	w.family("understudy_files_ingesting", "gauge", "Files that are being put into vector stores.")
	w.sample(float64(runs.Ingesting))
	if s.sandbox != nil {
		w.sandbox(s.sandbox.Stats(), s.sandbox.Usage())
	}
	return w.Bytes()
}

func (w *metricsWriter) sandbox(n sandbox.Stats, u sandbox.Usage) {
	w.family("understudy_sandbox_sessions", "gauge", "Code sessions: live ones belong to a thread, pooled ones are ready for one.")
	w.sample(float64(n.Live), "state", "live")
	w.sample(float64(n.Pooled), "state", "pooled")
	w.family("understudy_sandbox_sessions_started_total", "counter", "Code sessions that threads got.")
	w.sample(float64(n.Started))
	w.family("understudy_sandbox_sessions_ended_total", "counter", "Code sessions that ended, or lost their process and went on with a new one, by reason.")
	samples(w, n.Killed, "reason")
	w.family("understudy_sandbox_cells_total", "counter", "Pieces of code that ran, by how they ended.")
	samples(w, n.Cells, "status")
	w.family("understudy_sandbox_handover_seconds", "histogram", "Until a thread's first piece of code had its session: from the pool, or made on demand.")
	w.histogram(n.FromPool, "source", "pool")
	w.histogram(n.OnDemand, "source", "demand")
	w.family("understudy_sandbox_cell_seconds", "histogram", "How long pieces of code ran.")
	w.histogram(n.CellTime)
	w.family("understudy_sandbox_memory_bytes", "gauge", "Memory of all code sessions, those in the pool included.")
	var sum, most int64
	for _, bytes := range u.Memory {
		sum, most = sum+bytes, max(most, bytes)
	}
	w.sample(float64(sum))
	w.family("understudy_sandbox_memory_max_bytes", "gauge", "Memory of the largest code session.")
	w.sample(float64(most))
	w.family("understudy_sandbox_restarts_total", "counter", "How often what makes code sessions died, failed or grew, and was started anew.")
	w.sample(float64(u.Restarts))
	w.family("understudy_sandbox_saved_bytes_total", "counter", "Bytes of files that were kept from code sessions.")
	w.sample(float64(n.SavedBytes))
}

// metricsWriter writes families of metrics, each followed by its samples.
type metricsWriter struct {
	bytes.Buffer
	name string // of the family
}

func (w *metricsWriter) family(name, kind, help string) {
	w.name = name
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
}

// sample writes a value of the family; labels are names and values in turn.
func (w *metricsWriter) sample(value float64, labels ...string) { w.line("", value, labels) }

func (w *metricsWriter) line(suffix string, value float64, labels []string) {
	w.WriteString(w.name + suffix)
	for i := 0; i+1 < len(labels); i += 2 {
		w.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		w.WriteString(labels[i] + "=" + strconv.Quote(labels[i+1]))
	}
	if len(labels) > 0 {
		w.WriteString("}")
	}
	w.WriteString(" " + number(value) + "\n")
}

// histogram writes a histogram, whose buckets are cumulative here.
func (w *metricsWriter) histogram(h sandbox.Histogram, labels ...string) {
	var below uint64
	for i, n := range h.Counts {
		below += n
		bound := "+Inf"
		if i < len(sandbox.HistogramBounds) {
			bound = number(sandbox.HistogramBounds[i].Seconds())
		}
		w.line("_bucket", float64(below), append(slices.Clone(labels), "le", bound))
	}
	w.line("_sum", h.Sum.Round(time.Microsecond).Seconds(), labels)
	w.line("_count", float64(below), labels)
}

// samples writes a value for each key of counts, in order.
func samples[K cmp.Ordered](w *metricsWriter, counts map[K]int, label string) {
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		w.sample(float64(counts[key]), label, fmt.Sprint(key))
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
