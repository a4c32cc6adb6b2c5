package sandbox

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// spread reports the median and the 99th percentile of durations.
func spread(b *testing.B, name string, times []time.Duration) {
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[int(q*float64(len(times)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(at(0.5), name+"-p50-ms")
	b.ReportMetric(at(0.99), name+"-p99-ms")
}

// BenchmarkRoundTrip runs x=1 in one session, as a caller sees it.
func BenchmarkRoundTrip(b *testing.B) {
	m := newManager(b, nil)
	run(b, m, "k", "x=1")
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		run(b, m, "k", "x=1")
		times = append(times, time.Since(began))
	}
	spread(b, "cell", times)
}

// BenchmarkFirstCell takes a session from the pool for each iteration: hand-over is
// the pool alone, first what a caller of Run sees for a new key.
func BenchmarkFirstCell(b *testing.B) {
	for _, c := range []struct{ name, need, code string }{
		{"assign", "", "x=1"},
		{"pandas", "pandas", "import pandas as pd\ndf = pd.DataFrame({'a': range(100)})\ndf.describe()"},
		{"plot", "matplotlib", "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])"},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newManager(b, func(c *Config) { c.Pool = 4 })
			if c.need != "" {
				needPackages(b, m, c.need)
			}
			var handover, first, second []time.Duration
			for i := 0; b.Loop(); i++ {
				for m.Stats().Pooled < 4 {
					time.Sleep(time.Millisecond)
				}
				began := time.Now()
				s, _, err := m.pool.take(b.Context(), m.config.Limits)
				handover = append(handover, time.Since(began))
				if err != nil {
					b.Fatal(err)
				}
				m.pool.discard(s)
				key := fmt.Sprint("k", i)
				began = time.Now()
				run(b, m, key, c.code)
				first = append(first, time.Since(began))
				began = time.Now()
				run(b, m, key, c.code)
				second = append(second, time.Since(began))
				m.Kill(key)
			}
			spread(b, "handover", handover)
			spread(b, "first", first)
			spread(b, "second", second)
		})
	}
}

// BenchmarkStart makes sessions on demand, some time apart: that is what a start
// costs without a pool, or when the pool is empty.
func BenchmarkStart(b *testing.B) {
	for _, c := range []struct {
		name    string
		without features
	}{{"cgroups", features{}}, {"without", features{cgroups: true}}, {"version2", features{controllers: true}}} {
		b.Run(c.name, func(b *testing.B) {
			m := newManager(b, func(cfg *Config) { cfg.without = c.without })
			var times []time.Duration
			for b.Loop() {
				time.Sleep(20 * time.Millisecond)
				began := time.Now()
				s, _, err := m.pool.take(b.Context(), m.config.Limits)
				times = append(times, time.Since(began))
				if err != nil {
					b.Fatal(err)
				}
				m.pool.discard(s)
			}
			spread(b, "start", times)
		})
	}
}

// BenchmarkIdleMemory reports the memory that belongs to a session alone: the pages
// it does not share with the zygote, and what its control group is charged.
func BenchmarkIdleMemory(b *testing.B) {
	for _, c := range []struct{ name, need, code string }{
		{"ready", "", ""},
		{"cell", "", "x=1"},
		{"pandas", "pandas", "import pandas as pd\npd.DataFrame({'a': range(100)}).describe()"},
		{"plot", "matplotlib", "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])"},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newManager(b, func(c *Config) { c.MaxSessions = 200 })
			if c.need != "" {
				needPackages(b, m, c.need)
			}
			var private, charged float64
			n := 0
			for b.Loop() {
				s, _, err := m.pool.take(b.Context(), m.config.Limits)
				if err != nil {
					b.Fatal(err)
				}
				if c.code != "" {
					m.sessions["k"] = &keyed{turn: make(chan struct{}, 1), link: s.link, volume: s.volume, before: map[string]fileState{}}
					run(b, m, "k", c.code)
					delete(m.sessions, "k")
				}
				p, c := s.link.process.(*session).footprint(b)
				private, charged, n = private+p, charged+c, n+1
				m.pool.discard(s)
			}
			b.ReportMetric(private/float64(n)/1024, "private-MB")
			b.ReportMetric(charged/float64(n)/(1<<20), "charged-MB")
		})
	}
}

// footprint returns private kilobytes and charged bytes.
func (s *session) footprint(b *testing.B) (private, charged float64) {
	words := readWords(fmt.Sprintf("/proc/%d/smaps_rollup", hostPID(s.pidfd)))
	for i, word := range words {
		if word == "Private_Dirty:" || word == "Private_Clean:" {
			private += float64(atoi(b, words[i+1]))
		}
	}
	if s.group != nil {
		if usage := readWords(s.group.dirs["memory"] + "/memory.usage_in_bytes"); len(usage) == 1 {
			charged = float64(atoi(b, usage[0]))
		}
	}
	return private, charged
}
