package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// Metadata that asks for other limits of the code interpreter than the server's, on
// a run, its thread or its assistant, of which the first that has a key counts.
const (
	memoryKey    = "code_interpreter.memory_limit" // "4g", as of the containers of other APIs, "512MiB" or bytes
	cpuKey       = "code_interpreter.cpu"          // processors, "0.5"
	processesKey = "code_interpreter.processes"    // "256"
	dataKey      = "code_interpreter.data_bytes"   // size of /mnt/data, as memoryKey
	timeoutKey   = "code_interpreter.timeout"      // of one piece of code, "120s" or seconds
)

// askedLimits are what metadata ask for; zero fields are the server's.
type askedLimits struct {
	session sandbox.SessionLimits
	timeout time.Duration
}

// cellLimits returns what the metadata around the run ask for. misread says which
// values mean nothing: metadata belong to the client, so nobody refused them before.
// It is not empty for one cell of an execution only.
func (x *execution) cellLimits(ctx context.Context) (asked askedLimits, misread string, err error) {
	th, err := x.e.Store.Thread(ctx, x.run.ThreadID)
	if err != nil {
		return askedLimits{}, "", err
	}
	all := []understudy.Metadata{x.run.Metadata, th.Metadata}
	a, err := x.e.Store.Assistant(ctx, x.run.AssistantID)
	if err == nil {
		all = append(all, a.Metadata)
	} else if !understudy.IsNotFound(err) {
		return askedLimits{}, "", err
	}
	asked, misread = readLimits(all...)
	if misread == x.misread {
		return asked, "", nil
	}
	x.misread = misread
	return asked, misread, nil
}

// readLimits reads the limits in metadata, of which the first that has a key counts.
func readLimits(all ...understudy.Metadata) (asked askedLimits, misread string) {
	var bad []string
	for _, key := range []string{memoryKey, cpuKey, processesKey, dataKey, timeoutKey} {
		for _, metadata := range all {
			value, ok := metadata[key]
			if !ok {
				continue
			}
			if !asked.set(key, strings.TrimSpace(value)) {
				bad = append(bad, fmt.Sprintf("%s %.40q", key, value))
			}
			break
		}
	}
	if bad == nil {
		return asked, ""
	}
	return asked, "Not understood in the metadata, and left out: " + strings.Join(bad, ", ") + "."
}

func (a *askedLimits) set(key, value string) bool {
	var ok bool
	switch key {
	case memoryKey:
		a.session.Memory, ok = parseSize(value)
	case cpuKey:
		cpu, err := strconv.ParseFloat(value, 64)
		if ok = err == nil && cpu > 0 && !math.IsInf(cpu, 0); ok {
			a.session.CPU = cpu
		}
	case processesKey:
		n, err := strconv.Atoi(value)
		if ok = err == nil && n > 0; ok {
			a.session.Processes = n
		}
	case dataKey:
		a.session.DataBytes, ok = parseSize(value)
	case timeoutKey:
		a.timeout, ok = parseSeconds(value)
	}
	return ok
}

// parseSize reads "4g", "4GB", "4GiB" and the like, all in powers of 1024, or bytes.
func parseSize(s string) (int64, bool) {
	s = strings.ToLower(s)
	digits := strings.TrimRight(s, "kmgtib ")
	shift, ok := map[string]int{
		"": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20,
		"g": 30, "gb": 30, "gib": 30, "t": 40, "tb": 40, "tib": 40,
	}[strings.TrimSpace(s[len(digits):])]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}

// parseSeconds reads a duration of Go's, or a number of seconds.
func parseSeconds(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	if err != nil {
		d, err = time.ParseDuration(s + "s")
	}
	if err != nil || d <= 0 {
		return 0, false
	}
	return max(d, time.Millisecond), true
}
