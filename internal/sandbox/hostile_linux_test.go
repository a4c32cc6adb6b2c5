package sandbox

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostileFiles are the attacks, a file each. All begin with what probe.py defines.
// The header of a file says what is expected:
//
//	# row: the case in the threat model
//	# tries: what the attacker wants
//	# lines: how many checks are made at least, so that none is lost in silence; default 0
//	# status: how the cell may end; default ok
//	# timeout: of the cell, in seconds; default 20
//	# outside: "breach" or "breach as root": the attack only looks, and outside the sandbox it must find something
//	# bomb: yes: how long the kill takes afterwards is measured
//	# gvisor: the beginning of a line that is no breach there, because it is about gVisor's own kernel; any number of these
//	# gvisor lines, gvisor status: instead of lines and status, there
//
// A line "# ==== session: name" says in which session the code below it runs.
//
//go:embed testdata/attacks/*.py
var hostileFiles embed.FS

// hostileRows are the cases of the threat model that must have an attack.
var hostileRows = []int{
	1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 31, 32, 33, 34, 35,
}

// hostileCase is one attack.
type hostileCase struct {
	name, outside string
	row, lines    int
	statuses      []Status
	timeout       time.Duration
	bomb          bool
	steps         []hostileStep
	gvisor        []string // beginnings of lines that are fine in gVisor
}

type hostileStep struct{ session, code string }

// verdicts that a line of an attack may begin with, and that are good news.
var goodVerdict = regexp.MustCompile(`^(absent|clean|denied|killed|limited|note|own) `)

func hostileCases(t *testing.T) []hostileCase {
	t.Helper()
	names, err := fs.Glob(hostileFiles, "testdata/attacks/[0-9]*.py")
	if err != nil {
		t.Fatal(err)
	}
	var cases []hostileCase
	for _, name := range names {
		text, err := hostileFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c := hostileCase{name: strings.TrimSuffix(path.Base(name), ".py"), statuses: []Status{StatusOK}, timeout: 20 * time.Second}
		if err := c.parse(string(text)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cases = append(cases, c)
	}
	for _, row := range hostileRows {
		if !slices.ContainsFunc(cases, func(c hostileCase) bool { return c.row == row }) {
			t.Errorf("no attack for row %d", row)
		}
	}
	return cases
}

func (c *hostileCase) parse(text string) (err error) {
	c.steps = []hostileStep{{session: "first"}}
	for line := range strings.Lines(text) {
		if session, ok := strings.CutPrefix(line, "# ==== session: "); ok {
			c.steps = append(c.steps, hostileStep{session: strings.TrimSpace(session)})
			continue
		}
		last := &c.steps[len(c.steps)-1]
		last.code += line
		field, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), ": ")
		if !ok || !strings.HasPrefix(line, "# ") {
			continue
		}
		var e error
		if rest, ok := strings.CutPrefix(field, "gvisor "); ok && onGVisor() {
			field = rest
		}
		switch field {
		case "gvisor":
			c.gvisor = append(c.gvisor, value)
		case "row":
			c.row, e = strconv.Atoi(value)
		case "lines":
			c.lines, e = strconv.Atoi(value)
		case "status":
			c.statuses = nil
			for word := range strings.FieldsSeq(value) {
				c.statuses = append(c.statuses, Status(word))
			}
		case "timeout":
			var seconds int
			seconds, e = strconv.Atoi(value)
			c.timeout = time.Duration(seconds) * time.Second
		case "outside":
			c.outside = value
		case "bomb":
			c.bomb = value == "yes"
		}
		if e != nil {
			return fmt.Errorf("header %s: %w", field, e)
		}
	}
	if c.row == 0 {
		return fmt.Errorf("the header names no row")
	}
	return nil
}

// hostileProcesses is the limit of processes in the tests: reached soon.
const hostileProcesses = 64

// hostileHost is what on the host is worth an attack.
type hostileHost struct {
	Data       string      `json:"data"`        // the server's data folder
	Folder     string      `json:"folder"`      // working folder of the sandbox, in Data
	Program    string      `json:"program"`     // the server's binary
	Canaries   []string    `json:"canaries"`    // files with the secret
	Inodes     [][2]uint64 `json:"inodes"`      // device and number of each
	CanarySize int         `json:"canary_size"` // bytes of each
	Needle     string      `json:"needle"`      // the secret backwards, in hexadecimal: so no code that looks for it holds it
	Port       int         `json:"port"`        // of a listener on the loopback
	Socket     string      `json:"socket"`      // file of a listener
	Abstract   string      `json:"abstract"`    // name of a listener
	Shown      []string    `json:"shown"`       // folders that a session may know by their name on the host
	Processes  int         `json:"processes"`

	secret  string
	content []byte
}

const canaryVariable = "UNDERSTUDY_TEST_SECRET"

func newHostileHost(t *testing.T) *hostileHost {
	t.Helper()
	data := t.TempDir()
	h := &hostileHost{
		Data: data, Folder: filepath.Join(data, "sandbox"), Socket: filepath.Join(data, "host.sock"),
		secret: fmt.Sprintf("secret-%016x%016x", rand.Uint64(), rand.Uint64()), Processes: hostileProcesses,
		Abstract: fmt.Sprintf("understudy-%016x", rand.Uint64()), Shown: []string{configFromEnvironment().Packages, os.Getenv(packagesOrigin)},
	}
	if program, err := os.Executable(); err == nil {
		h.Program = program
	}
	t.Setenv(canaryVariable, h.secret)
	backwards := []byte(h.secret)
	slices.Reverse(backwards)
	h.Needle = hex.EncodeToString(backwards)
	h.CanarySize = 4099 + rand.IntN(4000) // an odd size: few other files need be read
	h.content = bytes.Repeat([]byte(h.secret), 300)[:h.CanarySize]
	places := []string{data, os.TempDir()}
	if isRoot() {
		places = append(places, "/root")
	}
	for _, place := range places {
		h.plant(t, place)
	}
	h.listen(t)
	return h
}

// plant puts a file with the secret into dir.
func (h *hostileHost) plant(t *testing.T, dir string) {
	t.Helper()
	f, err := os.CreateTemp(dir, "understudy-canary-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	if _, err := f.Write(h.content); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	h.Canaries = append(h.Canaries, f.Name())
	h.Inodes = append(h.Inodes, [2]uint64{uint64(st.Dev), st.Ino})
}

// listen opens a socket of each kind that a session could try to reach.
func (h *hostileHost) listen(t *testing.T) {
	t.Helper()
	for _, where := range [][2]string{{"tcp", "127.0.0.1:0"}, {"unix", h.Socket}, {"unix", "@" + h.Abstract}} {
		l, err := net.Listen(where[0], where[1])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			h.Port = tcp.Port
		}
	}
}

// program returns an attack's code with what it begins with.
func (h *hostileHost) program(t *testing.T, code string) string {
	t.Helper()
	facts, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := hostileFiles.ReadFile("testdata/attacks/probe.py")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("HOST_JSON, PROBE = %s, %s\nexec(PROBE)\n%s",
		strconv.QuoteToASCII(string(facts)), strconv.QuoteToASCII(string(probe)), code)
}

// unharmed checks that no canary was changed.
func (h *hostileHost) unharmed(t *testing.T) {
	t.Helper()
	for _, name := range h.Canaries {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, h.content) {
			t.Errorf("the host's file %s was changed: %v", name, err)
		}
	}
}

// hostileManager returns a Manager whose folder is part of h.
func hostileManager(t *testing.T, h *hostileHost, change func(*Config)) *Manager {
	t.Helper()
	return newManager(t, func(c *Config) {
		c.Dir = h.Folder
		c.Limits = Limits{Processes: hostileProcesses, CellTimeout: 20 * time.Second, Grace: 500 * time.Millisecond}
		if change != nil {
			change(c)
		}
	})
}

// TestHostileCases runs every attack in a session of its own, beside a session that
// must not notice. It does not run beside other tests: they would be counted among
// what is left.
func TestHostileCases(t *testing.T) {
	h := newHostileHost(t)
	cases := hostileCases(t)
	runAll := func(cases []hostileCase) {
		m := hostileManager(t, h, nil)
		t.Logf("isolation: %v", m.Report())
		if r := run(t, m, "bystander", "witness = 41\nopen('mine', 'w').write('mine')"); r.Status != StatusOK {
			t.Fatalf("the bystander: %q %s", r.Status, logs(r))
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				c.attack(t, m, h)
				h.unharmed(t)
				checkBystander(t, m)
			})
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	runAll(nil) // what is made once stays
	before, owned := measureResidue(t, h.Folder), sandboxProcesses(t)
	runAll(cases)
	after := measureResidue(t, h.Folder)
	for range 100 { // goroutines of finished processes need a moment
		if fmt.Sprint(before) == fmt.Sprint(after) {
			break
		}
		<-time.After(10 * time.Millisecond)
		after = measureResidue(t, h.Folder)
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("left behind: had %+v, have %+v", before, after)
	}
	for _, pid := range waitForEnd(t, owned) {
		status, _ := os.ReadFile(filepath.Join("/proc", pid, "status"))
		t.Errorf("process %s of a session is left: %.200s", pid, status)
	}
}

// waitForEnd waits a moment for the processes of the sandbox, but for those that
// were there before: the kernel kills a namespace at once, yet each of its
// processes in its own time. It returns the ones that stay.
func waitForEnd(t *testing.T, before []string) []string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; <-time.After(10 * time.Millisecond) {
		left := slices.DeleteFunc(sandboxProcesses(t), func(pid string) bool { return slices.Contains(before, pid) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// attack runs c and judges what it says.
func (c hostileCase) attack(t *testing.T, m *Manager, h *hostileHost) {
	var text strings.Builder
	var last Result
	for i, step := range c.steps {
		key := c.name + "-" + step.session
		if i == 0 {
			run(t, m, key, "kept = 1\nopen('/mnt/data/kept', 'w').write('kept')")
		}
		var err error
		last, err = m.Run(t.Context(), key, Cell{Code: h.program(t, step.code), Timeout: c.timeout})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text, logs(last))
	}
	if !slices.Contains(c.statuses, last.Status) {
		t.Errorf("ended with %q (%s), want %v\n%s", last.Status, last.Notice, c.statuses, tail(text.String()))
	}
	c.judge(t, last.Status, text.String(), h)
	first := c.name + "-first"
	if last.Status != StatusOK {
		checkFreshSession(t, m, first, last)
	}
	began := time.Now()
	m.Kill(first)
	took := time.Since(began)
	m.Kill(c.name + "-second")
	if c.bomb {
		t.Logf("%s; killed in %v", firstLine(text.String()), took.Round(time.Millisecond))
	}
	if took > 10*time.Second {
		t.Errorf("the kill took %v", took)
	}
}

// judge reads the lines of an attack. One that came to its end has no traceback to show.
func (c hostileCase) judge(t *testing.T, status Status, text string, h *hostileHost) {
	t.Helper()
	if strings.Contains(text, h.secret) {
		t.Error("the secret of the host was printed")
	}
	good := 0
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case goodVerdict.MatchString(line):
			good++
		case onGVisor() && slices.ContainsFunc(c.gvisor, func(begin string) bool { return strings.HasPrefix(line, "BREACH "+begin) }):
			good++
		case status == StatusOK || status == StatusError:
			t.Errorf("%.600s", line)
		case strings.Contains(line, "BREACH"):
			t.Error(line)
		}
	}
	if good < c.lines {
		t.Errorf("made %d checks, want at least %d", good, c.lines)
	}
}

// checkFreshSession checks what is told after the end of a session, and that the
// next cell of its key runs.
func checkFreshSession(t *testing.T, m *Manager, key string, r Result) {
	t.Helper()
	if r.Notice == "" {
		t.Errorf("status %q came without a notice", r.Status)
	}
	lost := strings.Contains(r.Notice, "gone")
	next := run(t, m, key, "print('kept' in globals(), open('/mnt/data/kept').read())")
	want := fmt.Sprintf("%v kept\n", map[bool]string{true: "False", false: "True"}[lost])
	if got := logs(next); got != want {
		t.Errorf("the next cell: got %q, want %q (notice before: %s)", got, want, r.Notice)
	}
	if lost && !strings.Contains(next.Notice, "fresh session") {
		t.Errorf("the next cell: got notice %q, want it to say that the session is fresh", next.Notice)
	}
}

// checkBystander checks that the other session answers soon and has what it had.
func checkBystander(t *testing.T, m *Manager) {
	t.Helper()
	var took time.Duration
	for range 3 { // the best of three: the machine may be busy
		began := time.Now()
		r := run(t, m, "bystander", "print(witness, 1 + 1, open('mine').read())")
		took = time.Since(began)
		if got, want := logs(r), "41 2 mine\n"; got != want || r.Notice != "" {
			t.Fatalf("the other session: got %q, notice %q, want %q", got, r.Notice, want)
		}
		if took < time.Second {
			return
		}
	}
	t.Errorf("the other session needed %v for 1 + 1", took)
}

// sandboxProcesses returns the processes of the host with an id of this server's sessions.
func sandboxProcesses(t *testing.T) []string {
	t.Helper()
	if !isRoot() {
		return nil // they have the server's own id; its children are counted elsewhere
	}
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, file := range files {
		words := readWords(file)
		i := slices.Index(words, "Uid:")
		if i < 0 || i+1 >= len(words) {
			continue // ended meanwhile
		}
		if uid, err := strconv.Atoi(words[i+1]); err == nil && uid >= kernelBase() && uid < kernelBase()+kernelIDs {
			pids = append(pids, path.Base(path.Dir(file)))
		}
	}
	return pids
}

// TestHostileCasesFindTheHost runs the attacks that only look outside the sandbox.
// There they must find what they look for: else it means nothing that they find
// nothing inside.
func TestHostileCasesFindTheHost(t *testing.T) {
	h := newHostileHost(t)
	checked := 0
	for _, c := range hostileCases(t) {
		if c.outside == "" || (c.outside == "breach as root" && !isRoot()) {
			continue
		}
		checked++
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(h.Data, "attack.py")
			if err := os.WriteFile(file, []byte(h.program(t, c.steps[0].code)), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), configFromEnvironment().withDefaults().Python, file)
			cmd.Dir = t.TempDir()
			cmd.ExtraFiles = leakedFiles(t)
			out, _ := cmd.CombinedOutput() // what it trips over outside is of no interest
			if !bytes.Contains(out, []byte("BREACH")) {
				t.Errorf("the attack found nothing:\n%s", tail(string(out)))
			}
		})
	}
	if checked < 12 {
		t.Errorf("%d attacks say what they find outside, want at least 12", checked)
	}
}

// leakedFiles are descriptors as a careless server would leave them to its children:
// a connection to the server, where a session has its own, and a folder. What else a
// process inherits depends on who started the tests.
func leakedFiles(t *testing.T) []*os.File {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "server"), os.NewFile(uintptr(pair[1]), "session")
	folder, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range []*os.File{ours, theirs, folder} {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return []*os.File{theirs, folder}
}

// TestHostileCasesUnprivileged runs the attacks again as a user without any right,
// with the kernel's help (the test binary starts itself).
func TestHostileCasesUnprivileged(t *testing.T) {
	asNobody(t, "TestHostileCases", "^(TestHostileCases|TestProcessGroup)$")
}

// TestProcessGroup is the attack by process group where Landlock does not help:
// signals and priorities go to a group across PID namespaces.
func TestProcessGroup(t *testing.T) {
	h := newHostileHost(t)
	m := hostileManager(t, h, func(c *Config) { c.without.landlock = true })
	run(t, m, "bystander", "witness = 41\nopen('mine', 'w').write('mine')")
	for _, c := range hostileCases(t) {
		if c.name == "32_process_group" || c.name == "32_signals" {
			t.Run(c.name, func(t *testing.T) {
				c.attack(t, m, h)
				checkBystander(t, m)
			})
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func tail(s string) string { return s[max(0, len(s)-3000):] }
