// Command sessions measures the code interpreter beside what else runs Python, all
// in one go and in turns: the sandbox with both of its drivers, Jupyter kernels,
// Python behind bubblewrap, and plain Python. `make bench-sandbox` runs it. It
// prints a table in Markdown, and writes every percentile as JSON.
//
// Of the sandbox it sees what its callers see: manager.go measures with Run and
// Kill. process.go and jupyter.go are the others, which are given the same
// libraries, a list of fonts that is made already, and figures to draw as a session
// does; steps.go is what is measured of all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// settings are the flags.
type settings struct {
	dir      string // for the working folders
	cache    string // for ipykernel
	install  bool
	runsc    string
	python   string
	packages string
	json     string
	readme   string
	quick    bool
}

// limit is how long all measurements may take, more or less, once everything has started.
const limit = 3 * time.Minute

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", ".", "`folder` to work in")
	flag.StringVar(&s.cache, "cache", "data/bench", "`folder` to install ipykernel into")
	flag.BoolVar(&s.install, "install", true, "install ipykernel if it is missing")
	flag.StringVar(&s.runsc, "runsc", "runsc", "gVisor's `program`")
	flag.StringVar(&s.python, "python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "Python of all (`understudy setup --print-env`)")
	flag.StringVar(&s.packages, "packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES"), "its packages")
	flag.StringVar(&s.json, "json", "", "`file` for the results as JSON")
	flag.StringVar(&s.readme, "readme", "", "`file` to put the most telling rows into, between its marks")
	flag.BoolVar(&s.quick, "quick", false, "only see that it still measures")
	flag.Parse()
	log.SetFlags(0)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := run(ctx, s)
	if err != nil {
		log.Fatal("sessions: ", err)
	}
	fmt.Println()
	r.write(os.Stdout)
	if s.readme == "" {
		return
	}
	if err := r.writeReadme(s.readme); err != nil {
		log.Fatal("sessions: ", err)
	}
}

// run measures everything and writes the JSON.
func run(ctx context.Context, s settings) (_ *report, err error) {
	base, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
	if s.cache, err = filepath.Abs(s.cache); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(base, "bench-*"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(s.dir)
	began := time.Now()
	r := &report{Time: began.UTC().Truncate(time.Second), User: "an ordinary user"}
	if os.Geteuid() == 0 {
		r.User = "root"
	}
	if r.Machine, err = measure.Examine(s.dir); err != nil {
		return nil, err
	}
	b := &bench{plan: full, report: r}
	if s.quick {
		b.plan = quick
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.open(ctx, s); err != nil {
		return nil, err
	}
	b.began = time.Now() // what starting everything takes is not taken from the measurements
	for _, step := range []func(context.Context) error{b.starts, b.lives, b.memory, b.throughput, b.density} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	r.finish(began)
	if s.json != "" {
		return r, r.writeJSON(s.json)
	}
	return r, nil
}

// Names of the columns.
const (
	zygote     = "zygote"
	gVisor     = "gVisor"
	ipykernel  = "ipykernel"
	bubblewrap = "bubblewrap"
	plain      = "plain Python"
)

// open starts what is measured. What is not installed is missing in the table, and
// named below it; without the sandbox itself there is nothing to measure.
func (b *bench) open(ctx context.Context, s settings) error {
	log.Print("starting everything …")
	if err := os.Mkdir(s.fonts(), 0o755); err != nil {
		return err
	}
	if err := warmFonts(ctx, s); err != nil {
		return err
	}
	for _, c := range []*column{{name: zygote, batch: 10, memory: 20}, {name: gVisor, batch: 5, memory: 4}} {
		if err := b.openManaged(ctx, s, c); err != nil && c.name == zygote {
			return err
		} else if err != nil {
			b.missing(c.name, err)
		}
	}
	if k, err := startKernels(ctx, s); err != nil {
		b.missing(ipykernel, err)
	} else {
		b.column(&column{name: ipykernel, bare: k, batch: 1, memory: 3}, kernelPackages+", no isolation; a session is a kernel")
	}
	if p, err := newBubblewrap(s); err != nil {
		b.missing(bubblewrap, err)
	} else {
		b.column(&column{name: bubblewrap, bare: p, batch: 3, memory: 3}, version(ctx, p.command[0])+", namespaces, no limits; a session is a Python process that reads cells")
	}
	b.column(&column{name: plain, bare: newPlain(s), batch: 3, memory: 3}, version(ctx, s.python)+", no isolation; a session is a Python process that reads cells")
	return nil
}

func (b *bench) column(c *column, note string) {
	b.columns = append(b.columns, c)
	b.report.product(c.name, note)
}

func (b *bench) missing(name string, why error) {
	log.Printf("%s is NOT measured: %v", name, why)
	b.report.product(name, "NOT MEASURED: "+why.Error())
}

// openManaged starts a sandbox with a pool and one without.
func (b *bench) openManaged(ctx context.Context, s settings, c *column) error {
	config := sandbox.Config{
		Driver: sandbox.DriverZygote, Python: s.python, Packages: s.packages, Dir: filepath.Join(s.dir, c.name+"-bare"),
		Pool: -1, MaxSessions: b.plan.density + 1, Lifetime: time.Hour,
	}
	pool := 4
	if c.name == gVisor {
		config.Driver, config.Runsc, config.MaxSessions, pool = sandbox.DriverGVisor, s.runsc, 40, 2
	}
	before, err := footprintNow()
	if err != nil {
		return err
	}
	bare, err := newManaged(ctx, config)
	if err != nil {
		return err
	}
	c.bare = bare
	r := bare.manager.Report()
	b.column(c, fmt.Sprintf("level %s, python %s, pool of %d", r.Level, r.Python, pool))
	b.report.Cgroups = r.Cgroups
	b.addFootprint("memory for all sessions together", c, before, 1)
	config.Dir, config.Pool, config.MaxSessions = filepath.Join(s.dir, c.name), pool, 40
	pooled, err := newManaged(ctx, config)
	if err != nil {
		return err
	}
	c.pooled, c.full = pooled, pooled.full
	return nil
}

// version returns the first line that a program prints of itself.
func version(ctx context.Context, program string) string {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// close ends everything.
func (b *bench) close() error {
	var errs []error
	for _, c := range b.columns {
		for _, p := range []peer{c.bare, c.pooled} {
			if p != nil {
				errs = append(errs, p.close())
			}
		}
	}
	return errors.Join(errs...)
}
