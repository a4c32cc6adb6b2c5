package sandbox

import (
	"maps"
	"time"
)

// Stats counts sessions and cells. What is not of now is since New.
type Stats struct {
	Live    int            // bound to a key
	Pooled  int            // ready for a key
	Started int            // bound to a key
	Killed  map[string]int // ended, or lost their process, by reason: expired, deleted, timeout, out_of_memory, …

	Cells      map[Status]int // that ran
	CellTime   Histogram      // Result.Duration of them
	FromPool   Histogram      // Result.Handover of the first cells that a session of the pool got
	OnDemand   Histogram      // the same where a session or its process had to be made
	SavedBytes int64          // of files that Keepers took
}

// Histogram counts durations. Counts[i] are those above HistogramBounds[i-1] and up
// to HistogramBounds[i]; the last are all longer ones.
type Histogram struct {
	Counts [len(HistogramBounds) + 1]uint64
	Sum    time.Duration
}

// HistogramBounds are the bounds of every Histogram.
var HistogramBounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
}

func (h *Histogram) add(d time.Duration) {
	i := 0
	for i < len(HistogramBounds) && d > HistogramBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += d
}

// Usage is what the sessions take of the host at a moment.
type Usage struct {
	Memory   []int64 // bytes of each session, those that wait in the pool included
	Restarts int     // times since New that what makes sessions was started anew
}

// Usage measures what the sessions take: some file reads for each of them.
func (m *Manager) Usage() Usage {
	if m.driver == nil {
		return Usage{}
	}
	return m.driver.usage()
}

// Stats returns the counts.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Live = len(m.sessions)
	if m.pool != nil {
		s.Pooled = m.pool.size()
	}
	s.Killed, s.Cells = maps.Clone(m.stats.Killed), maps.Clone(m.stats.Cells)
	return s
}

// source says where the process of a cell came from.
type source int

const (
	fromBefore source = iota // it has run a cell already
	fromPool
	onDemand
)

// countHandover records how long a session's process took to be there.
func (m *Manager) countHandover(from source, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch from {
	case fromPool:
		m.stats.FromPool.add(took)
	case onDemand:
		m.stats.OnDemand.add(took)
	}
}

// countCell records a cell, and whether it cost the session its process.
func (m *Manager) countCell(r Result, lost bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Cells[r.Status]++
	m.stats.CellTime.add(r.Duration)
	if lost {
		m.stats.Killed[string(r.Status)]++
	}
}

// countLost records a process that ended otherwise.
func (m *Manager) countLost(reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Killed[reason]++
}

func (m *Manager) countSaved(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.SavedBytes += bytes
}
