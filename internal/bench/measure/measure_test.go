package measure

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	times := []time.Duration{5, 1, 4, 2, 3}
	for p, want := range map[int]time.Duration{0: 1, 20: 1, 50: 3, 99: 5, 100: 5} {
		if got := Percentile(times, p); got != want {
			t.Errorf("percentile %d is %v, want %v", p, got, want)
		}
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat") // waits for its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait() // nothing depends on it
	}()
	pids, err := Descendants(os.Getpid())
	if err != nil || !slices.Contains(pids, cmd.Process.Pid) {
		t.Errorf("descendants are %v (%v), want %d among them", pids, err, cmd.Process.Pid)
	}
	resident, err := Resident(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	proportional, err := Proportional(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if proportional <= 1<<20 || proportional > 2*resident {
		t.Errorf("a share of %d bytes, %d resident", proportional, resident)
	}
	if _, err := MemInfo("NoSuchLine"); err == nil {
		t.Error("no error for a line that is not there")
	}
}
