package attacks

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Sessions is the sandbox under attack.
type Sessions interface {
	// Run runs code in the session of key, which it makes if there is none. The error
	// says that it could not be run; how it ended is in the Outcome. It may be called
	// for two keys at once.
	Run(ctx context.Context, key, code string, timeout time.Duration) (Outcome, error)
	// Kill ends the session of key; without one it does nothing.
	Kill(key string)
}

// Outcome is what became of a cell.
type Outcome struct {
	Status string // ok, error, timeout, out_of_memory, died or protocol_error
	Text   string // all it printed
	Notice string // what is told of the session, "" if nothing happened to it
}

// Verdict is what became of an attack.
type Verdict struct {
	Breaches []string // why it did not hold; nil if it did
	Checks   int      // the attack's own that held
	Excused  int      // what it found, but of gVisor's kernel and not of the host's
	Status   string   // of its last cell
	Text     string   // all it printed
	Took     time.Duration
	Killed   time.Duration // how long the end of its first session took
	Memory   int64         // bytes that this process grew by meanwhile, at its peak; 0 if unknown
}

const (
	bystander = "bystander"
	killTime  = 10 * time.Second // more is a breach
	// What this process, which reads everything that sessions send, may take for one
	// attack. The largest frame takes 48 MiB, and thrice that under the race detector.
	memoryLimit = 160 << 20
)

// goodVerdict are the words that a line of an attack may begin with, and that are good news.
var goodVerdict = regexp.MustCompile(`^(absent|clean|denied|killed|limited|note|own) `)

// Suite runs attacks beside a session that must not notice.
type Suite struct {
	// Patience is how long that session may take for 1 + 1; 1 s, if it is not changed.
	// More is a breach. A machine with much else to do needs more.
	Patience time.Duration

	sessions Sessions
	host     *Host
}

// NewSuite starts the bystander. The caller ends its sessions.
func NewSuite(ctx context.Context, sessions Sessions, host *Host) (*Suite, error) {
	s := &Suite{Patience: time.Second, sessions: sessions, host: host}
	out, err := sessions.Run(ctx, bystander, "witness = 41\nopen('mine', 'w').write('mine')", time.Minute)
	if err == nil && out.Status != "ok" {
		err = fmt.Errorf("a harmless cell ended with %s: %s", out.Status, out.Text)
	}
	if err != nil {
		return nil, fmt.Errorf("start the session beside the attacks: %w", err)
	}
	return s, nil
}

// Attack runs one attack in sessions of its own, ends them, and judges. An error is
// no verdict: the sandbox could not run a cell.
func (s *Suite) Attack(ctx context.Context, a Attack) (Verdict, error) {
	began := time.Now()
	peak := watchPeak()
	watch := s.watchBystander(ctx, a)
	v, err := s.run(ctx, a)
	v.breach(watch()...)
	if err != nil {
		return v, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	v.breach(s.host.harm()...)
	v.breach(s.askBystander(ctx)...)
	if v.Memory = peak(); v.Memory > memoryLimit {
		v.breach(fmt.Sprintf("the server took %d MiB of memory for it", v.Memory>>20))
	}
	v.Took = time.Since(began)
	return v, ctx.Err()
}

func (v *Verdict) breach(why ...string) { v.Breaches = append(v.Breaches, why...) }

// run runs the steps and judges what they print.
func (s *Suite) run(ctx context.Context, a Attack) (v Verdict, err error) {
	first := a.Name + "-first"
	defer func() {
		began := time.Now()
		s.sessions.Kill(first)
		if v.Killed = time.Since(began); v.Killed > killTime {
			v.breach(fmt.Sprintf("the kill took %v", v.Killed))
		}
		s.sessions.Kill(a.Name + "-second")
	}()
	if _, err = s.sessions.Run(ctx, first, "kept = 1\nopen('/mnt/data/kept', 'w').write('kept')", time.Minute); err != nil {
		return v, err
	}
	var text strings.Builder
	var last Outcome
	for _, step := range a.steps {
		code, err := s.host.prepare(step.code)
		if err != nil {
			return v, err
		}
		if last, err = s.sessions.Run(ctx, a.Name+"-"+step.session, code, a.timeout); err != nil {
			return v, err
		}
		fmt.Fprintln(&text, last.Text)
	}
	v.Status, v.Text = last.Status, text.String()
	if !slices.Contains(a.statuses, last.Status) {
		v.breach(fmt.Sprintf("ended with %q (%s), want one of %v; printed last: %s", last.Status, last.Notice, a.statuses, ending(v.Text)))
	}
	s.judge(a, &v)
	if last.Status != "ok" && last.Status != "error" {
		err = s.checkFresh(ctx, first, last, &v)
	}
	return v, err
}

// judge reads the lines of an attack. One that did not come to its end has no
// traceback to show, and may be cut anywhere.
func (s *Suite) judge(a Attack, v *Verdict) {
	if strings.Contains(v.Text, s.host.secret) {
		v.breach("the secret of the host was printed")
	}
	if !utf8.ValidString(v.Text) {
		v.breach("what it printed is not valid UTF-8")
	}
	whole := !a.anything && (v.Status == "ok" || v.Status == "error")
	seen := map[string]bool{}
	for line := range strings.Lines(v.Text) {
		switch line = strings.TrimSpace(line); {
		case line == "":
		case a.distinct && seen[line]:
			v.breach("came twice: " + line)
		case goodVerdict.MatchString(line):
			v.Checks++
		case a.isFine(line):
			v.Excused++
		case whole, strings.Contains(line, "BREACH"):
			v.breach(fmt.Sprintf("%.600s", strings.TrimPrefix(line, "BREACH ")))
		}
		seen[line] = true
	}
	if made := v.Checks + v.Excused; made < a.lines {
		v.breach(fmt.Sprintf("made %d checks, want at least %d", made, a.lines))
	}
}

// isFine reports whether line is a breach only where there is no kernel between.
func (a Attack) isFine(line string) bool {
	return slices.ContainsFunc(a.fine, func(begin string) bool { return strings.HasPrefix(line, "BREACH "+begin) })
}

// checkFresh checks what is told after the end of a session, and that the next cell
// of its key runs.
func (s *Suite) checkFresh(ctx context.Context, key string, ended Outcome, v *Verdict) error {
	if ended.Notice == "" {
		v.breach("status " + ended.Status + " came without a notice")
	}
	next, err := s.sessions.Run(ctx, key, "print('kept' in globals(), open('/mnt/data/kept').read())", time.Minute)
	if err != nil {
		return err
	}
	lost := strings.Contains(ended.Notice, "gone") || strings.Contains(next.Notice, "gone")
	if got, want := strings.TrimSpace(next.Text), map[bool]string{true: "False kept", false: "True kept"}[lost]; got != want {
		v.breach(fmt.Sprintf("the next cell printed %q, want %q (notices: %q, %q)", got, want, ended.Notice, next.Notice))
	}
	return nil
}

// askBystander checks that the other session answers soon and has what it had.
func (s *Suite) askBystander(ctx context.Context) []string {
	var took time.Duration
	for range 3 { // the best of three: the machine may be busy
		began := time.Now()
		out, err := s.sessions.Run(ctx, bystander, "print(witness, 1 + 1, open('mine').read())", time.Minute)
		took = time.Since(began)
		if err != nil {
			return []string{"the other session: " + err.Error()}
		}
		if got, want := out.Text, "41 2 mine\n"; got != want || out.Notice != "" {
			return []string{fmt.Sprintf("the other session answered %q, notice %q, want %q", got, out.Notice, want)}
		}
		if took < s.Patience {
			return nil
		}
	}
	return []string{fmt.Sprintf("the other session needed %v for 1 + 1", took)}
}

// watchBystander asks the bystander while a runs, if a says so. The returned function
// ends that and tells what was wrong.
func (s *Suite) watchBystander(ctx context.Context, a Attack) (finish func() []string) {
	if !a.beside {
		return func() []string { return nil }
	}
	stop, done := make(chan struct{}), make(chan []string, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-ctx.Done():
				done <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
			if wrong := s.askBystander(ctx); wrong != nil && ctx.Err() == nil {
				done <- []string{"meanwhile, " + wrong[0]}
				return
			}
		}
	}()
	return func() []string {
		close(stop)
		return <-done
	}
}

// watchPeak returns a function that tells by how much this process grew at its peak.
func watchPeak() func() int64 {
	const reset = "5" // the peak becomes what is in use now
	before := memory("VmRSS:")
	if err := os.WriteFile("/proc/self/clear_refs", []byte(reset), 0); err != nil {
		return func() int64 { return 0 }
	}
	return func() int64 { return max(0, memory("VmHWM:")-before) }
}

// memory returns a size in bytes from the kernel's account of this process.
func memory(field string) int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), field)
	for word := range strings.FieldsSeq(rest) {
		kilobytes, _ := strconv.ParseInt(word, 10, 64)
		return kilobytes << 10
	}
	return 0
}

// ending returns the last part of a long text.
func ending(text string) string { return text[max(0, len(text)-2000):] }
