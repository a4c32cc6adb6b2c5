package engine

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

func TestReadLimits(t *testing.T) {
	one := func(key, value string) []understudy.Metadata { return []understudy.Metadata{{key: value}} }
	memory := func(n int64) askedLimits { return askedLimits{session: sandbox.SessionLimits{Memory: n}} }
	for _, c := range []struct {
		name    string
		all     []understudy.Metadata
		want    askedLimits
		misread string
	}{
		{name: "none", all: []understudy.Metadata{nil, {"user": "ada"}}},
		{name: "tier", all: one(memoryKey, "4g"), want: memory(4 << 30)},
		{name: "largest tier", all: one(memoryKey, "64g"), want: memory(64 << 30)},
		{name: "unit", all: one(memoryKey, " 512 MiB "), want: memory(512 << 20)},
		{name: "bytes", all: one(memoryKey, "1048576"), want: memory(1 << 20)},
		{name: "other limits", all: []understudy.Metadata{{cpuKey: "0.5", processesKey: "256", dataKey: "2g", timeoutKey: "2m30s"}},
			want: askedLimits{session: sandbox.SessionLimits{CPU: 0.5, Processes: 256, DataBytes: 2 << 30}, timeout: 150 * time.Second}},
		{name: "seconds", all: one(timeoutKey, "120"), want: askedLimits{timeout: 2 * time.Minute}},
		{name: "the first counts", all: []understudy.Metadata{{memoryKey: "1g"}, {memoryKey: "4g", timeoutKey: "5s"}},
			want: askedLimits{session: sandbox.SessionLimits{Memory: 1 << 30}, timeout: 5 * time.Second}},
		{name: "the first counts though it means nothing", all: []understudy.Metadata{{memoryKey: "lots"}, {memoryKey: "4g"}},
			misread: `Not understood in the metadata, and left out: code_interpreter.memory_limit "lots".`},
		{name: "nonsense", all: []understudy.Metadata{{memoryKey: "-1g", cpuKey: "NaN", processesKey: "0", dataKey: "big", timeoutKey: "soon"}},
			misread: `Not understood in the metadata, and left out: code_interpreter.memory_limit "-1g", ` +
				`code_interpreter.cpu "NaN", code_interpreter.processes "0", code_interpreter.data_bytes "big", code_interpreter.timeout "soon".`},
		{name: "overflow", all: []understudy.Metadata{{memoryKey: "9000000000g", cpuKey: "Inf"}},
			misread: `Not understood in the metadata, and left out: code_interpreter.memory_limit "9000000000g", code_interpreter.cpu "Inf".`},
		{name: "empty", all: one(memoryKey, ""), misread: `Not understood in the metadata, and left out: code_interpreter.memory_limit "".`},
	} {
		got, misread := readLimits(c.all...)
		if got != c.want || misread != c.misread {
			t.Errorf("%s: got %+v, %q; want %+v, %q", c.name, got, misread, c.want, c.misread)
		}
	}
}

// TestDocumentedLimits reads the example of the documentation.
func TestDocumentedLimits(t *testing.T) {
	doc, err := os.ReadFile("../../docs/extensions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "## Limits of the code interpreter\n")
	_, rest, _ = strings.Cut(rest, "metadata=")
	example, _, _ := strings.Cut(rest, "}")
	var metadata understudy.Metadata
	if err := json.Unmarshal([]byte(example+"}"), &metadata); err != nil {
		t.Fatalf("%s: %v", example, err)
	}
	got, misread := readLimits(metadata)
	want := askedLimits{session: sandbox.SessionLimits{Memory: 4 << 30, CPU: 2, Processes: 256, DataBytes: 2 << 30}, timeout: 2 * time.Minute}
	if got != want || misread != "" {
		t.Errorf("got %+v, %q; want %+v", got, misread, want)
	}
	for key := range metadata {
		if !strings.Contains(rest, "| `"+key+"` |") {
			t.Errorf("%s is not explained", key)
		}
	}
}

func FuzzReadLimits(f *testing.F) {
	for _, seed := range []string{"4g", "512MiB", "1 b", "gib", "1e3", "0x10", "-5", "1h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, _ := readLimits(understudy.Metadata{memoryKey: value, cpuKey: value, processesKey: value, dataKey: value, timeoutKey: value})
		if s := got.session; s.Memory < 0 || !(s.CPU >= 0) || s.Processes < 0 || s.DataBytes < 0 || got.timeout < 0 {
			t.Errorf("%q: got %+v", value, got)
		}
	})
}
