// Command soak lets thousands of sessions live and die, harmless and hostile ones,
// several at once, and looks at what they leave behind. `make soak` runs it for half
// an hour. It writes a report in Markdown with a drawing beside it, and exits with
// status 1 if anything leaked, memory grew, or a session ended as it should not.
//
// lives.go is what the sessions do, attack.go has the attacks of the threat model
// join them, sample.go looks at the machine, verdict.go judges and report.go writes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// settings are the flags.
type settings struct {
	duration time.Duration
	sessions int // in that time
	workers  int
	seed     uint64
	dir      string
	driver   string
	runsc    string
	python   string
	packages string
	report   string
	lifetime time.Duration // of sessions that nobody ends
	attacks  bool
}

// perSecond is how many sessions are led if nothing else is asked for: 10,000 in half an hour.
const perSecond = 10_000.0 / (30 * 60)

func main() {
	var s settings
	flag.DurationVar(&s.duration, "duration", 30*time.Minute, "how long it takes")
	flag.IntVar(&s.sessions, "sessions", 0, "sessions in that time; 0: 10,000 in half an hour, and with other durations in proportion")
	flag.IntVar(&s.workers, "workers", 6, "sessions at once")
	flag.Uint64Var(&s.seed, "seed", 1, "of the order of what sessions do")
	flag.StringVar(&s.dir, "dir", ".", "`folder` to work in")
	flag.StringVar(&s.driver, "driver", sandbox.DriverZygote, "of the sandbox, zygote or gvisor")
	flag.StringVar(&s.runsc, "runsc", "runsc", "gVisor's `program`")
	flag.StringVar(&s.python, "python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "Python of the sessions (`understudy setup --print-env`)")
	flag.StringVar(&s.packages, "packages", os.Getenv("UNDERSTUDY_TEST_PACKAGES"), "its packages")
	flag.StringVar(&s.report, "report", "soak.md", "`file` for the report; a drawing (.svg) and all samples (.json) are put beside it")
	flag.DurationVar(&s.lifetime, "lifetime", time.Minute, "of the sessions that nobody ends")
	flag.BoolVar(&s.attacks, "attacks", true, "have the attacks of the threat model join, every one in ten minutes")
	flag.Parse()
	log.SetFlags(0)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, s)
	if err != nil {
		log.Fatal("soak: ", err)
	}
	if err := r.write(s.report); err != nil {
		log.Fatal("soak: ", err)
	}
	fmt.Print(r.verdict())
	if !r.good() {
		os.Exit(1)
	}
}

// soak is one run, and what came out.
type soak struct {
	Time      time.Time
	Machine   measure.Machine
	Isolation string
	Driver    string
	Duration  time.Duration
	Workers   int
	Wanted    int            // sessions
	Sessions  int            // that were started
	Lives     map[string]int // that were led, by name
	Ended     map[string]int // sessions, by the reason of their end
	Attacks   int            // that held
	Surprises []string       // what went otherwise than it should
	Samples   []sample

	// What there was: without a sandbox, with one before and after the sessions, and without it again.
	Clean, Before, After, Closed residue

	dir      string
	lifetime time.Duration
	packages string
	manager  *sandbox.Manager
	warmed   int // sessions before those that count
	began    time.Time
	next     atomic.Int64 // number of the next life
	mu       sync.Mutex   // guards Lives, Attacks and Surprises
}

// run leads all sessions. If ctx ends, what has been seen until then is judged.
func run(ctx context.Context, s settings) (r *soak, err error) {
	base, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
	r = &soak{
		Time: time.Now().UTC().Truncate(time.Second), Driver: s.driver, Duration: s.duration, Workers: s.workers,
		Wanted: s.sessions, Lives: map[string]int{},
		lifetime: s.lifetime, packages: s.packages,
	}
	if r.Wanted == 0 {
		r.Wanted = int(s.duration.Seconds() * perSecond)
	}
	if r.dir, err = os.MkdirTemp(base, "soak-*"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	if r.Machine, err = measure.Examine(r.dir); err != nil {
		return nil, err
	}
	r.dir = filepath.Join(r.dir, "sandbox")
	log.Print("warming up …")
	if err := r.open(ctx, s); err != nil {
		return nil, err
	}
	if err := errors.Join(r.warm(ctx, s), r.manager.Close()); err != nil {
		return nil, err
	}
	if r.Clean, err = settled(ctx, r.dir, nil); err != nil {
		return nil, err
	}
	if err := r.open(ctx, s); err != nil {
		return nil, err
	}
	err = r.soak(ctx, s)
	err = errors.Join(err, r.manager.Close())
	if err != nil {
		return nil, err
	}
	r.Closed, err = settled(context.WithoutCancel(ctx), r.dir, &r.Clean)
	return r, err
}

// open starts a sandbox with limits that are reached soon.
func (r *soak) open(ctx context.Context, s settings) (err error) {
	r.manager, err = sandbox.New(ctx, sandbox.Config{
		Driver: s.driver, Runsc: s.runsc, Python: s.python, Packages: s.packages, Dir: r.dir,
		Lifetime: r.lifetime, MaxSessions: 64, Limits: limits,
	})
	if err != nil {
		return err
	}
	report := r.manager.Report()
	r.Isolation = report.String()
	if report.Level <= sandbox.LevelNone {
		return errors.Join(errors.New(report.Problem), r.manager.Close())
	}
	return nil
}

var limits = sandbox.Limits{
	Memory: 320 << 20, DataBytes: 64 << 20, DataInodes: 2000, TmpBytes: 32 << 20, FileSize: 64 << 20, CPU: 1, Processes: 64, OpenFiles: 256,
	CellTimeout: 30 * time.Second, Grace: 500 * time.Millisecond,
}

// soak leads the sessions and samples meanwhile.
func (r *soak) soak(ctx context.Context, s settings) (err error) {
	if err := r.warm(ctx, s); err != nil {
		return err
	}
	attack := func(context.Context) error { return nil }
	if s.attacks {
		host, err := r.newHost()
		if err != nil {
			return err
		}
		defer func() {
			if err := host.Close(); err != nil {
				log.Print("what attacks look for: ", err)
			}
		}()
		attack = func(ctx context.Context) error { return r.attack(ctx, host) }
	}
	if r.Before, err = settled(ctx, r.dir, nil); err != nil {
		return err
	}
	warmed := r.manager.Stats()
	r.warmed = warmed.Started
	r.began = time.Now()
	log.Printf("%d sessions in %v …", r.Wanted, s.duration)
	loading, stop := context.WithTimeout(ctx, s.duration)
	defer stop()
	var others sync.WaitGroup
	others.Go(func() { r.watch(loading, min(10*time.Second, s.duration/enoughSamples)) })
	var failed error
	others.Go(func() { failed = attack(loading) })
	r.lead(loading, s, r.Wanted)
	stop()
	others.Wait()
	if failed != nil {
		return failed
	}

	ctx = context.WithoutCancel(ctx)
	if err := r.drain(ctx); err != nil {
		return err
	}
	stats := r.manager.Stats()
	r.Sessions, r.Ended = stats.Started-warmed.Started, map[string]int{}
	for _, reason := range slices.Sorted(maps.Keys(stats.Killed)) {
		if n := stats.Killed[reason] - warmed.Killed[reason]; n > 0 {
			r.Ended[reason] = n
		}
	}
	r.After, err = settled(ctx, r.dir, &r.Before)
	return err
}

// warm leads every life once, for what is made once and stays.
func (r *soak) warm(ctx context.Context, s settings) error {
	for _, l := range lives {
		key := "warm-" + l.name
		if err := l.lead(ctx, r.manager, key); err != nil {
			return err
		}
		r.manager.Kill(key)
	}
	return r.drain(ctx)
}

// drain waits until no session lives and the pool is full again.
func (r *soak) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.lifetime+time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for pooled, same := -1, 0; same < 40; same++ {
		stats := r.manager.Stats()
		if stats.Live > 0 || stats.Pooled != pooled {
			pooled, same = stats.Pooled, 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d sessions do not end: %w", stats.Live, ctx.Err())
		}
	}
	return nil
}

// lead leads count lives, evenly over the duration, several at once, until ctx ends.
func (r *soak) lead(ctx context.Context, s settings, count int) {
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for {
				number := r.next.Add(1) - 1
				if number >= int64(count) {
					return
				}
				due := r.began.Add(time.Duration(float64(s.duration) * float64(number) / float64(count)))
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
					return
				}
				r.one(ctx, s, number)
			}
		})
	}
	workers.Wait()
}

// leaveOne in so many sessions is not ended, but left to expire.
const leaveOne = 16

// one leads one life, which the seed and its number choose.
func (r *soak) one(ctx context.Context, s settings, number int64) {
	random := rand.New(rand.NewPCG(s.seed, uint64(number)))
	l := pick(lives, random.Uint64())
	key := fmt.Sprintf("session-%d", number)
	began := time.Now()
	err := l.lead(context.WithoutCancel(ctx), r.manager, key)
	if err != nil && time.Since(began) > r.lifetime {
		log.Printf("%s on a machine too busy for it: %v", l.name, err)
		err = nil // its session expired meanwhile, as it should
	}
	if err != nil || random.IntN(leaveOne) > 0 {
		r.manager.Kill(key)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Lives[l.name]++
	if err != nil {
		r.Surprises = append(r.Surprises, err.Error())
	}
}

// watch takes samples until ctx ends.
func (r *soak) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, err := r.take()
		if err != nil {
			log.Print("sample: ", err) // the next may be better
			continue
		}
		r.Samples = append(r.Samples, now)
		r.mu.Lock()
		surprises := len(r.Surprises)
		r.mu.Unlock()
		log.Printf("%5.0f s  %5d sessions  %2d live  %d surprises  %3d fds  %3d processes  %4d mounts  %3d groups  server %.1f  maker %.1f  slab %.0f  available %.0f MiB",
			now.Seconds, now.Sessions, now.Live, surprises, now.Descriptors, now.Processes, now.Mounts, now.Groups, now.Server, now.Maker, now.Slab, now.Available)
	}
}
