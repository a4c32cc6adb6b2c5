package sandbox

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// reportFile names, in the environment, where TestHosts' children write their report.
const reportFile = "SANDBOX_TEST_REPORT_FILE"

// TestHosts makes sessions, or is told why not and what to do, on hosts that differ
// from this one. The test binary starts itself there.
func TestHosts(t *testing.T) {
	if file := os.Getenv(reportFile); file != "" {
		writeReport(t, file)
		return
	}
	if !isRoot() {
		t.Skip("needs root, to become what it likes")
	}
	dir, err := os.MkdirTemp("", "hosts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const nobody = 65534
	if err := errors.Join(os.Chmod(dir, 0o777)); err != nil { // for whoever the test becomes
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "sandbox.test")
	copyExecutable(t, "/proc/self/exe", binary)
	const (
		noCapabilities = "setpriv --bounding-set=-all --inh-caps=-all "
		noNamespaces   = "echo 0 > /proc/sys/user/max_user_namespaces && exec "
	)
	for _, c := range []struct {
		name    string
		user    int
		command string // of a shell, before the binary
		level   Level
		fix     string // a part of it
	}{
		{"root", 0, "exec ", LevelFull, ""},
		{"user", nobody, "exec ", LevelNamespaces, ""},
		{"root without capabilities", 0, "exec " + noCapabilities, LevelNone, "ordinary user"},
		{"root of a user's namespace, as in a container without root", nobody, "exec unshare --user --map-root-user ", LevelNamespaces, ""},
		{"user without user namespaces", nobody, "exec unshare --user --map-root-user sh -c '" + noNamespaces + noCapabilities + "\"$0\" \"$@\"' ", LevelNone, "user.max_user_namespaces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			cmd := exec.CommandContext(t.Context(), "sh", "-c", c.command+binary+" -test.run='^TestHosts$'")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "TMPDIR="+dir, "UNDERSTUDY_TEST_PACKAGES=", reportFile+"="+file)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(c.user), Gid: uint32(c.user)}}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got Report
			if b, err := os.ReadFile(file); err != nil || json.Unmarshal(b, &got) != nil {
				t.Fatalf("report %q, %v", b, err)
			}
			want := c.level
			if want == LevelFull && (got.Cgroups == "none" || got.Landlock == 0) {
				want = LevelNamespaces
			}
			if got.Level != want || !strings.Contains(got.Fix, c.fix) || (got.Level == LevelNone) != (got.Problem != "") || strings.Contains(got.Problem, "\n") {
				t.Errorf("got %+v\nwant level %s, and a fix with %q", got, c.level, c.fix)
			}
		})
	}
}

// writeReport makes a Manager here and writes what it says of the host.
func writeReport(t *testing.T, file string) {
	t.Helper()
	c := configFromEnvironment()
	c.Dir, c.Pool, c.Driver, c.Packages = t.TempDir(), -1, DriverZygote, ""
	m, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Report().Level > LevelNone {
		run(t, m, "k", "1 + 1")
	}
	b, err := json.Marshal(m.Report())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRemedies(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{
		errHostRoot:                       "ordinary user",
		errors.Join(errNoRunsc, unix.EIO): "make runsc",
		unix.EIO:                          "",
	} {
		if got := remedyFor(err); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
