package sandbox

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// roomy returns a Manager whose sessions have 8 MiB in /mnt/data, and up to 64.
func roomy(t *testing.T, pool int) *Manager {
	t.Helper()
	return newManager(t, func(c *Config) {
		c.Limits.DataBytes, c.MaxLimits.DataBytes, c.Pool = 8<<20, 64<<20, pool
	})
}

// runIn runs a cell in a session with that many bytes in /mnt/data, 0 for the default.
func runIn(t *testing.T, m *Manager, key string, size int64, code string) Result {
	t.Helper()
	r, err := m.Run(t.Context(), key, Cell{Code: code, Limits: SessionLimits{DataBytes: size}})
	if err != nil {
		t.Fatalf("Run(%q): %v", code, err)
	}
	return r
}

const (
	showRoom = "import os; s = os.statvfs('/mnt/data'); print(s.f_blocks * s.f_frsize >> 20)"
	noRoom   = "No space left on device"
)

// fill is code that writes a file of so many MiB.
func fill(megabytes int) string {
	return fmt.Sprintf("with open('f', 'wb') as f:\n    for _ in range(%d): f.write(bytes(1 << 20))\nprint('all')", megabytes)
}

// TestSessionLimitsOfData gives sessions more room than others, from the pool and on
// demand, at once and later, and takes it away again.
func TestSessionLimitsOfData(t *testing.T) {
	t.Parallel()
	const large = 32 << 20
	m := roomy(t, 1)
	for _, key := range []string{"one", "two", "three"} { // one of them is from the pool
		for _, c := range []struct {
			name   string
			size   int64
			code   string
			want   string
			notice string
		}{
			{"at once", large, "x = 7\n" + showRoom, "32\n", ""},
			{"it is there", large, fill(30), "all\n", ""},
			{"no more than that", large, "open('g', 'wb').write(bytes(4 << 20))", noRoom, ""},
			{"files keep their room", 0, "os.remove('g')\n" + showRoom, "32\n", ""},
			{"the session goes on", 0, "x + os.path.getsize('f')", "31457287\n", ""},
			{"until they are gone", 0, "os.remove('f')", "", ""},
			{"the default", 0, showRoom, "8\n", ""},
			{"is in force", 0, fill(9), noRoom, ""},
			{"more later", large, fill(30), "all\n", ""},
			{"too much", 1 << 40, showRoom, "64\n", "It allows: at most 64 MiB in /mnt/data."},
			{"the same session", 0, "x", "7\n", ""},
			{"the process ends", large, "os._exit(0)", "", "The session ended"},
			{"another size for the next", 40 << 20, showRoom + "\nprint(os.path.getsize('f') >> 20)", "40\n30\n", "fresh session"},
			{"less than a session needs", 1, "os.remove('f')", "", "It allows: at least 1 MiB in /mnt/data."},
			{"that little", 1 << 20, showRoom, "1\n", ""},
		} {
			r := runIn(t, m, key, c.size, c.code)
			got := r.Text()
			if (c.want != noRoom && got != c.want) || !strings.Contains(got, c.want) || !strings.Contains(r.Notice, c.notice) || (c.notice == "") != (r.Notice == "") {
				t.Fatalf("%s, %s: got %s %q and notice %q, want %q and %q", key, c.name, r.Status, got, r.Notice, c.want, c.notice)
			}
		}
		m.Kill(key)
	}
}

// TestSessionLimitsOfDataKeepTheMount looks at the mounts, in the session and in what
// makes sessions: another size changes nothing else.
func TestSessionLimitsOfDataKeepTheMount(t *testing.T) {
	t.Parallel()
	m := roomy(t, -1)
	mounts := func() map[string]string {
		s := m.sessions["k"].link.process.(*session)
		return map[string]string{
			"session": dataMount(t, hostPID(s.pidfd)), "maker": dataMount(t, secondStage(t, s.jail)),
		}
	}
	run(t, m, "k", "1")
	before := mounts()
	for where, line := range before {
		for _, option := range []string{"nosuid", "nodev", "size=8192k", "nr_inodes=20000"} {
			if !strings.Contains(line, option) {
				t.Errorf("%s: no %s in %q", where, option, line)
			}
		}
	}
	for _, size := range []int64{32 << 20, 2 << 20} {
		runIn(t, m, "k", size, "1")
		want := map[string]string{}
		for where, line := range before {
			want[where] = strings.Replace(line, "size=8192k", fmt.Sprintf("size=%dk", size>>10), 1)
		}
		if diff := cmp.Diff(want, mounts()); diff != "" {
			t.Errorf("mounts of /mnt/data (-want +got):\n%s", diff)
		}
	}
}

// dataMount returns the line of a process's mounts that is of a volume. There is one.
func dataMount(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^.* - tmpfs data .*$`).FindAllString(string(text), -1)
	if len(lines) != 1 {
		t.Fatalf("process %d has the mounts %q of volumes, want one", pid, lines)
	}
	return lines[0]
}

// TestSessionLimitsOfDataWithoutTheJail asks for other sizes when nobody is left who could
// remount: less changes nothing, more takes a new process.
func TestSessionLimitsOfDataWithoutTheJail(t *testing.T) {
	t.Parallel()
	const large = 32 << 20
	m := roomy(t, 1)
	d := m.driver.(*jailDriver)
	runIn(t, m, "old", large, "x = 1\nopen('f', 'w').write('kept')")
	for tick := time.NewTicker(5 * time.Millisecond); m.pool.size() == 0; {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the pool stays empty")
		}
	}
	first := d.current
	killZygote(t, first)
	if r := runIn(t, m, "old", 0, "x\n"+showRoom); r.Text() != "32\n" || r.Notice != "" {
		t.Errorf("less room: got %q and notice %q, want the session to go on", r.Text(), r.Notice)
	}
	if r := runIn(t, m, "new", large, fill(30)); r.Text() != "all\n" || r.Notice != "" {
		t.Errorf("a session of the pool: got %q and notice %q", r.Text(), r.Notice)
	}
	if r := runIn(t, m, "old", 40<<20, showRoom+"\nprint('x' in globals(), open('f').read())"); r.Text() != "40\nFalse kept\n" || !strings.Contains(r.Notice, "given other limits") {
		t.Errorf("more room: got %q and notice %q, want a new process with the files", r.Text(), r.Notice)
	}
}

// TestSessionLimitsOfDataReachTheKeeper keeps as much as there is room for, and gives it back
// to a session that asks for less.
func TestSessionLimitsOfDataReachTheKeeper(t *testing.T) {
	t.Parallel()
	m := roomy(t, -1)
	var kept shelf
	cell := func(size int64, code string) Result {
		t.Helper()
		r, err := m.Run(t.Context(), "k", Cell{Code: code, Keep: &kept, Limits: SessionLimits{DataBytes: size}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := cell(32<<20, fill(20)); r.Notice != "" || len(kept.files["f"].content) != 20<<20 {
		t.Fatalf("20 MiB are not kept: %q", r.Notice)
	}
	m.Kill("k")
	if r := cell(0, showRoom+"\nprint(os.path.getsize('f') >> 20)"); r.Text() != "20\n20\n" || r.Notice != freshSession {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
	if r := cell(0, "os.remove('f')"); r.Text() != "" || r.Notice != "" || len(kept.files) > 0 {
		t.Errorf("got %q, notice %q, and %d files are kept", r.Text(), r.Notice, len(kept.files))
	}
	if r := cell(0, showRoom); r.Text() != "8\n" {
		t.Errorf("got %q, want the default when there are no files", r.Text())
	}
}

// TestSessionLimitsOfDataReachInputs places an input as soon as there is room for it.
func TestSessionLimitsOfDataReachInputs(t *testing.T) {
	t.Parallel()
	m := roomy(t, -1)
	large := input("file-1", "large", strings.Repeat("x", 12<<20))
	for _, c := range []struct {
		size         int64
		want, notice string
	}{
		{0, "False", "Could not be put into /mnt/data: large. That folder holds 8 MiB. "},
		{0, "False", ""},
		{16 << 20, "True", ""},
		{0, "True", ""},
	} {
		r, err := m.Run(t.Context(), "k", Cell{
			Code: "import os; os.path.exists('large')", Inputs: []Input{large}, Limits: SessionLimits{DataBytes: c.size},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Text() != c.want+"\n" || !strings.Contains(r.Notice, c.notice) || (c.notice == "") != (r.Notice == "") {
			t.Errorf("%d bytes: got %q and notice %q, want %q and %q", c.size, r.Text(), r.Notice, c.want, c.notice)
		}
		if got := slices.Contains(r.Unplaced, "file-1"); got != (c.want == "False") {
			t.Errorf("%d bytes: got it told as not placed: %v", c.size, got)
		}
	}
}

func TestWithData(t *testing.T) {
	t.Parallel()
	const size = 2 << 30
	for _, c := range []struct {
		name           string
		given          Limits
		fileSize, kept int64
	}{
		{"nothing configured", Limits{}, size, size},
		{"the size of a file", Limits{FileSize: 1 << 20}, 1 << 20, size},
		{"what is kept", Limits{KeptBytes: 512 << 20}, size, 512 << 20},
	} {
		config := Config{Limits: c.given}.withDefaults()
		got := config.withData(config.Limits, size)
		want := config.Limits
		want.DataBytes, want.FileSize, want.KeptBytes = size, c.fileSize, c.kept
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if back := config.withData(got, config.Limits.DataBytes); back != config.Limits {
			t.Errorf("%s: it does not lead back to %+v, but to %+v", c.name, config.Limits, back)
		}
	}
}
