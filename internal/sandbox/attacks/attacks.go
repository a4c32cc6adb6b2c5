// Package attacks holds the attacks of the threat model, one Python file each, and
// judges what became of them. Whoever has a sandbox gives it as [Sessions]: the
// tests of the sandbox do, and "understudy doctor --attack" on a user's own machine.
//
// An attack is code as a model could be talked into writing it. It is told about
// the host what an attacker could know (see [Host]), tries what its header says, and
// prints one line for each check, of which the first word is the verdict. Only the
// words of goodVerdict are good news; everything else is a breach.
package attacks

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// files are the attacks. All begin with what probe.py defines. The comment at the top
// of a file says what is expected, one field on each line:
//
//	# row: the case in the threat model
//	# tries: what the attacker wants, as the end of a sentence that begins with "tries"
//	# lines: how many checks are made at least, so that none is lost in silence; default 0
//	# status: how the last cell may end; default ok
//	# timeout: of each cell, in seconds; default 20
//	# outside: "breach" or "breach as root": the attack only looks, and outside the sandbox it must find something
//	# prints: anything: what it prints is no list of checks, and only the word BREACH in it is bad
//	# distinct: yes: no line may come twice, from whichever session
//	# beside: yes: the bystander is asked while the attack runs, too
//	# gvisor: the beginning of a line that is no breach there, because it is about gVisor's own kernel; any number of these
//	# gvisor lines, gvisor status: instead of lines and status, there
//
// A line "# ==== session: name" says in which session the code below it runs.
//
//go:embed code/*.py
var files embed.FS

// Attack is one attempt to get out of a session, or to harm what is outside.
type Attack struct {
	Name    string // of its file, without the ending
	Row     int    // in the threat model
	Tries   string // what it tries
	Outside string // "breach" or "breach as root" if it finds something outside a sandbox, else ""

	lines    int
	statuses []string
	timeout  time.Duration
	anything bool
	distinct bool
	beside   bool
	steps    []step
	fine     []string // beginnings of lines that are no breach with this driver
}

// step is a cell in one of the attack's sessions.
type step struct{ session, code string }

// GVisor is the name of the driver with a kernel of its own.
const GVisor = "gvisor"

// All returns the attacks in the order of their rows, with what is expected of driver.
func All(driver string) ([]Attack, error) {
	names, err := fs.Glob(files, "code/[0-9]*.py")
	if err != nil {
		return nil, err
	}
	var all []Attack
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read an attack: %w", err)
		}
		a := Attack{Name: strings.TrimSuffix(path.Base(name), ".py"), statuses: []string{"ok"}, timeout: 20 * time.Second}
		if err := a.parse(string(text), driver); err != nil {
			return nil, fmt.Errorf("attack %s: %w", a.Name, err)
		}
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b Attack) int { return a.Row - b.Row })
	return all, nil
}

// parse reads the header and the steps.
func (a *Attack) parse(text, driver string) error {
	a.steps = []step{{session: "first"}}
	header := true
	for line := range strings.Lines(text) {
		if session, ok := strings.CutPrefix(line, "# ==== session: "); ok {
			a.steps = append(a.steps, step{session: strings.TrimSpace(session)})
			continue
		}
		last := &a.steps[len(a.steps)-1]
		last.code += line
		comment, ok := strings.CutPrefix(strings.TrimSpace(line), "# ")
		if header = header && ok; !header {
			continue
		}
		field, value, _ := strings.Cut(comment, ": ")
		if rest, ok := strings.CutPrefix(field, "gvisor "); ok {
			if driver != GVisor {
				continue
			}
			field = rest
		}
		if err := a.set(field, value, driver); err != nil {
			return fmt.Errorf("header %q: %w", comment, err)
		}
	}
	if a.Row == 0 || a.Tries == "" {
		return errors.New("the header names no row, or does not say what is tried")
	}
	return nil
}

// set takes one field of the header. One that is unknown is an error: what it was to
// demand would be lost in silence.
func (a *Attack) set(field, value, driver string) (err error) {
	only := func(want string) bool {
		if value != want {
			err = fmt.Errorf("want %s", want)
		}
		return err == nil
	}
	switch field {
	case "row":
		a.Row, err = strconv.Atoi(value)
	case "tries":
		a.Tries = value
	case "lines":
		a.lines, err = strconv.Atoi(value)
	case "status":
		a.statuses = strings.Fields(value)
	case "timeout":
		a.timeout, err = time.ParseDuration(value + "s")
	case "outside":
		if a.Outside = value; value != "breach" && value != "breach as root" {
			err = errors.New("want breach, or breach as root")
		}
	case "prints":
		a.anything = only("anything")
	case "distinct":
		a.distinct = only("yes")
	case "beside":
		a.beside = only("yes")
	case "gvisor":
		if driver == GVisor {
			a.fine = append(a.fine, value)
		}
	default:
		err = errors.New("there is no such field")
	}
	return err
}
