package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
)

// newManager returns a Manager on the interpreter that UNDERSTUDY_TEST_PYTHON and
// UNDERSTUDY_TEST_PACKAGES name.
func newManager(t testing.TB, change func(*Config)) *Manager {
	t.Helper()
	c := configFromEnvironment()
	c.Dir, c.Pool = t.TempDir(), -1
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	if change != nil {
		change(&c)
	}
	m, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if m.Report().Level < c.withDefaults().MinIsolation {
		unavailable(t, m.Report().Problem)
	}
	return m
}

// unavailable skips a test that this machine cannot run. In CI it fails instead:
// there nothing may go untested in silence.
func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run in CI: %s", why)
	}
	t.Skipf("SKIPPED, this machine lacks what the test needs: %s", why)
}

// needPackages skips a test without the packages it is about.
func needPackages(t testing.TB, m *Manager, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, ok := m.Report().Packages[name]; !ok {
			unavailable(t, "Python package "+name+"; set UNDERSTUDY_TEST_PACKAGES")
		}
	}
}

// run runs one cell that must be able to run.
func run(t testing.TB, m *Manager, key, code string) Result {
	t.Helper()
	r, err := m.Run(t.Context(), key, Cell{Code: code})
	if err != nil {
		t.Fatalf("Run(%q): %v", code, err)
	}
	return r
}

// common is the Manager of the tests that need no other configuration: each would
// spend a second on a zygote of its own.
var common struct {
	sync.Once
	manager *Manager
	dir     string
	err     error
}

// shared returns the common Manager, and a key that no other test uses.
func shared(t *testing.T) (m *Manager, key string) {
	t.Helper()
	common.Do(func() {
		if common.dir, common.err = os.MkdirTemp("", "sandbox"); common.err != nil {
			return
		}
		c := configFromEnvironment()
		c.Dir, c.Pool = common.dir, -1
		common.manager, common.err = New(context.Background(), c)
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	m = common.manager
	if r := m.Report(); r.Level < m.config.MinIsolation {
		unavailable(t, r.Problem)
	}
	key = fmt.Sprintf("%s-%08x", t.Name(), rand.Uint32()) // -count runs a test again
	t.Cleanup(func() { m.Kill(key) })
	return m, key
}

// onGVisor reports whether the tests run with the gVisor driver.
func onGVisor() bool { return os.Getenv(testDriver) == DriverGVisor }

// Variables that name the driver of all tests, and gVisor's program.
const (
	testDriver = "UNDERSTUDY_TEST_SANDBOX"
	testRunsc  = "UNDERSTUDY_TEST_RUNSC"
)

func configFromEnvironment() Config {
	return Config{Driver: os.Getenv(testDriver), Runsc: os.Getenv(testRunsc), Python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), Packages: os.Getenv("UNDERSTUDY_TEST_PACKAGES")}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		os.Exit(beVictim(dir))
	}
	code := m.Run()
	if common.manager != nil {
		if err := common.manager.Close(); err != nil {
			fmt.Println(err)
			code = 1
		}
		os.RemoveAll(common.dir)
	}
	os.Exit(code)
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func isRoot() bool { return os.Geteuid() == 0 }
