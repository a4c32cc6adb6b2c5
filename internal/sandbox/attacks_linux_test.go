package sandbox

import (
	"bufio"
	"embed"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// attacks are programs that try to get out, a file each: its header says which
// case of the threat model it is and what must become of it.
//
//go:embed testdata/hostile/*.py
var attacks embed.FS

// attack is one program. Expect is held (it ends, and nothing got through), died,
// timeout, or any (whatever becomes of it, the host is unharmed).
type attack struct {
	name, code, expect string
}

func allAttacks(t *testing.T) (all []attack) {
	t.Helper()
	entries, err := attacks.ReadDir("testdata/hostile")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		code, err := attacks.ReadFile(path.Join("testdata/hostile", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		a := attack{name: strings.TrimSuffix(e.Name(), ".py"), code: string(code)}
		if a.name == "prelude" {
			continue
		}
		for lines := bufio.NewScanner(strings.NewReader(a.code)); lines.Scan(); {
			if _, expect, ok := strings.Cut(lines.Text(), "# expect: "); ok {
				a.expect = expect
				break
			}
		}
		if a.expect == "" {
			t.Fatalf("%s says nothing of what to expect", a.name)
		}
		all = append(all, a)
	}
	return all
}

// target is what the attacks look for on the host.
type target struct {
	canary   string // in a file, a folder's name and the environment
	dir      string
	other    string // key of another session, which holds a variable
	port     int    // of a listener
	abstract string // name of a socket
}

// prelude is the program's beginning: what it may use, and where to look.
func (g *target) prelude(t *testing.T) string {
	t.Helper()
	code, err := attacks.ReadFile("testdata/hostile/prelude.py")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s\nCANARY, CANARY_DIR, OTHER_KEY, PORT, ABSTRACT = %q, %q, %q, %d, %q\n", code, g.canary, g.dir, g.other, g.port, g.abstract)
}

// newTarget prepares the host.
func newTarget(t *testing.T) *target {
	t.Helper()
	g := &target{canary: fmt.Sprintf("canary-%016x", rand.Uint64()), other: "other-session"}
	g.abstract = "understudy-" + g.canary
	g.dir = filepath.Join(t.TempDir(), g.canary)
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.dir, "secret.txt"), []byte(g.canary), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("UNDERSTUDY_CANARY", g.canary)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	g.port = tcp.Addr().(*net.TCPAddr).Port
	unix, err := net.Listen("unix", "@"+g.abstract)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close() })
	return g
}

// TestHostile runs every attack in a session of its own, beside another session
// that must notice nothing.
func TestHostile(t *testing.T) {
	g := newTarget(t)
	m := newManager(t, func(c *Config) {
		c.Limits = Limits{CellTimeout: 20 * time.Second, Grace: time.Second, Processes: 96}
	})
	if r := run(t, m, g.other, "witness = 41"); r.Status != StatusOK {
		t.Fatalf("the other session: %s %s", r.Status, logs(r))
	}
	for _, a := range allAttacks(t) {
		t.Run(a.name, func(t *testing.T) {
			cell := Cell{Code: g.prelude(t) + a.code + "\nprint('END')\n"}
			if a.expect == "timeout" {
				cell.Timeout = time.Second
			}
			r, err := m.Run(t.Context(), a.name, cell)
			if err != nil {
				t.Fatal(err)
			}
			text := logs(r)
			if strings.Contains(text, "BREACH") {
				t.Errorf("the fence did not hold:\n%s", text)
			}
			switch a.expect {
			case "held":
				if r.Status != StatusOK || !strings.Contains(text, "END") {
					t.Errorf("the attack ended as %s (%s):\n%s", r.Status, r.Notice, text)
				}
			case "died":
				if r.Status != StatusDied {
					t.Errorf("the attack ended as %s, want died:\n%s", r.Status, text)
				}
			case "timeout":
				if r.Status != StatusTimeout {
					t.Errorf("the attack ended as %s, want timeout:\n%s", r.Status, text)
				}
			}
			start := time.Now()
			m.Kill(a.name)
			t.Logf("%s; killed in %v", r.Status, time.Since(start).Round(time.Microsecond))
			if w := run(t, m, g.other, "witness + 1"); w.Status != StatusOK || !strings.Contains(logs(w), "42") {
				t.Errorf("the other session answers %s %q", w.Status, logs(w))
			}
		})
	}
	if b, err := os.ReadFile(filepath.Join(g.dir, "secret.txt")); err != nil || string(b) != g.canary {
		t.Errorf("the host's file is %q, %v", b, err)
	}
}

// TestSessionAfterItsDeath checks that a key whose session died gets a new one,
// with its files and a word about its variables.
func TestSessionAfterItsDeath(t *testing.T) {
	m, key := shared(t)
	run(t, m, key, "x = 1\nopen('/mnt/data/kept.txt', 'w').write('kept')")
	if r := run(t, m, key, "import os; os.abort()"); r.Status != StatusDied {
		t.Fatalf("status %s, want died", r.Status)
	}
	r := run(t, m, key, "print(open('/mnt/data/kept.txt').read(), 'x' in globals())")
	if r.Status != StatusOK || !strings.Contains(logs(r), "kept False") || r.Notice == "" {
		t.Errorf("%s %q, notice %q, want the file, no variable, and a notice", r.Status, logs(r), r.Notice)
	}
}

// harmless are attacks that only look. Outside the fence they must find what
// they look for: otherwise that they find nothing inside proves nothing.
var harmless = []string{"01_host_files", "03_environment", "06_processes", "08_kernel_facts", "15_cgroups", "17_privileges", "26_sockets", "27_network"}

func TestAttacksFindTheHost(t *testing.T) {
	python := configFromEnvironment().withDefaults().Python
	g := newTarget(t)
	for _, a := range allAttacks(t) {
		for _, name := range harmless {
			if a.name != name || name == "15_cgroups" && !isRoot() {
				continue
			}
			t.Run(name, func(t *testing.T) {
				code := a.code
				if name == "15_cgroups" { // only look: it would mount
					code, _, _ = strings.Cut(code, "os.makedirs")
				}
				out, err := exec.CommandContext(t.Context(), python, "-c", g.prelude(t)+code).CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !strings.Contains(string(out), "BREACH") {
					t.Errorf("outside the sandbox the attack finds nothing either:\n%s", out)
				}
			})
		}
	}
}
