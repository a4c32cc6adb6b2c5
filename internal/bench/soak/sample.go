package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

// residue is what sessions could leave behind. It is the same before and after them.
type residue struct {
	Descriptors int `json:"descriptors"` // of this process, the server
	Goroutines  int `json:"goroutines"`
	Processes   int `json:"processes"` // that it started, and those that they did
	Mounts      int `json:"mounts"`    // in the jail, and of the sandbox's folder outside
	Groups      int `json:"groups"`    // control groups of this process
	Files       int `json:"files"`     // in the sandbox's folder
}

// sample is what one moment looked like.
type sample struct {
	Seconds  float64 `json:"seconds"`  // since the start
	Sessions int     `json:"sessions"` // started so far
	Live     int     `json:"live"`
	residue
	Server    float64 `json:"server_mib"`    // resident
	Maker     float64 `json:"maker_mib"`     // resident, of the process that makes sessions: the zygote
	Slab      float64 `json:"slab_mib"`      // of the kernel, that it cannot give back
	Available float64 `json:"available_mib"` // of the machine
}

// The first processes of a jail, as each starts the next: the one that built it, the
// first of its PID namespace, and the one that makes sessions.
const makerDepth = 3

// leftover looks at what there is of the sandbox in dir.
func leftover(dir string) (r residue, maker int, err error) {
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return r, 0, err
	}
	r.Descriptors, r.Goroutines = len(descriptors), runtime.NumGoroutine()
	pids, err := measure.Descendants(os.Getpid())
	if err != nil {
		return r, 0, err
	}
	r.Processes = len(pids)
	r.Mounts = mounts("self", dir)
	if len(pids) >= makerDepth {
		maker = pids[makerDepth-1]
		r.Mounts += mounts(fmt.Sprint(maker), "")
	}
	r.Groups = groups()
	err = filepath.WalkDir(dir, func(string, fs.DirEntry, error) error {
		r.Files++
		return nil // what vanishes meanwhile is no file of a dead session
	})
	return r, maker, err
}

// mounts counts those that a process sees and that have to do with dir; 0 if the
// process has ended.
func mounts(pid, dir string) (n int) {
	text, _ := os.ReadFile("/proc/" + pid + "/mountinfo")
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, dir) {
			n++
		}
	}
	return n
}

// groups counts the control groups that are named after this process, wherever in
// the hierarchies they are, with all that is below them.
func groups() int {
	n, name := 0, fmt.Sprintf("understudy-%d-", os.Getpid())
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() && strings.Contains(path, name) {
			n++
		}
		return nil // groups end while they are counted
	})
	return n
}

// take takes a sample.
func (s *soak) take() (sample, error) {
	stats := s.manager.Stats()
	r, maker, err := leftover(s.dir)
	if err != nil {
		return sample{}, err
	}
	now := sample{Seconds: time.Since(s.began).Seconds(), Sessions: stats.Started - s.warmed, Live: stats.Live, residue: r}
	for _, line := range []struct {
		to   *float64
		from func() (int64, error)
	}{
		{&now.Server, func() (int64, error) { return measure.Resident(os.Getpid()) }},
		{&now.Maker, func() (int64, error) { return measure.Resident(maker) }},
		{&now.Slab, func() (int64, error) { return measure.MemInfo("SUnreclaim") }},
		{&now.Available, func() (int64, error) { return measure.MemInfo("MemAvailable") }},
	} {
		bytes, err := line.from()
		if err != nil {
			return sample{}, err
		}
		*line.to = measure.MiB(bytes)
	}
	return now, nil
}

// settled waits until nothing changes any more because of sessions that have ended,
// which takes the kernel a moment, and returns what there is then; want, if it is
// not nil, is what is hoped for.
func settled(ctx context.Context, dir string, want *residue) (residue, error) {
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last, _, err := leftover(dir)
	for same := 0; err == nil && time.Now().Before(deadline); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, ctx.Err()
		}
		var now residue
		now, _, err = leftover(dir)
		if now == last {
			same++
		} else {
			same = 0
		}
		last = now
		if (want != nil && now == *want) || (want == nil && same >= 10) {
			break
		}
	}
	return last, err
}
