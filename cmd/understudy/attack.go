package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/sandbox/attacks"
)

// attackResult is what doctor says of one attack.
type attackResult struct {
	Name     string   `json:"name"`
	Row      int      `json:"row"` // of the threat model
	Tries    string   `json:"tries"`
	Held     bool     `json:"held"`
	Checks   int      `json:"checks"`
	Excused  int      `json:"excused,omitzero"` // found something, but of gVisor's kernel and not of the host's
	Breaches []string `json:"breaches,omitzero"`
	Took     string   `json:"took"`
}

// allAttacks is what --attack means without a value.
const allAttacks = "all"

// attackChoice tells whether the attacks of a row of the threat model are wanted;
// nil: none.
type attackChoice func(row int) bool

// chooseAttacks reads the value of --attack. A row without an attack is an error: that
// nothing got through would mean nothing.
func chooseAttacks(value string) (attackChoice, error) {
	switch value {
	case "":
		return nil, nil
	case allAttacks:
		return func(int) bool { return true }, nil
	}
	all, err := attacks.All(sandbox.DriverZygote)
	if err != nil {
		return nil, err
	}
	rows := map[int]bool{}
	for word := range strings.SplitSeq(value, ",") {
		row, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil {
			return nil, badUsage("--attack: want all, or numbers of rows separated by commas, not %q", value)
		}
		if !slices.ContainsFunc(all, func(a attacks.Attack) bool { return a.Row == row }) {
			return nil, badUsage("--attack: row %d has no attack; the numbers are those before the names that --attack prints", row)
		}
		rows[row] = true
	}
	return func(row int) bool { return rows[row] }, nil
}

// victim is the sandbox as the attacks use it.
type victim struct{ *sandbox.Manager }

// Run implements [attacks.Sessions].
func (v victim) Run(ctx context.Context, key, code string, timeout time.Duration) (attacks.Outcome, error) {
	r, err := v.Manager.Run(ctx, key, sandbox.Cell{Code: code, Timeout: timeout})
	return attacks.Outcome{Status: string(r.Status), Text: r.Text(), Notice: r.Notice}, err
}

// attack runs the chosen attacks of the threat model in the configured sandbox, with its
// limits, and shows each result as it comes. It removes all it made, or says what it could not.
func (p program) attack(ctx context.Context, cfg *Config, env pyenv.Env, chosen attackChoice, show func(attackResult) error) (err error) {
	dir, err := os.MkdirTemp("", "understudy-doctor-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, err := sandbox.New(ctx, cfg.sandboxConfig(dir, env, slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	report := m.Report()
	all, err := attacks.All(report.Driver)
	if err != nil {
		return err
	}
	host, err := attacks.NewHost(attackFacts(cfg, env, dir, m), attackPlaces(cfg)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	suite, err := attacks.NewSuite(ctx, victim{m}, host)
	if err != nil {
		return err
	}
	for _, a := range all {
		if !chosen(a.Row) {
			continue
		}
		v, err := suite.Attack(ctx, a)
		if err != nil {
			return err
		}
		err = show(attackResult{
			Name: a.Name, Row: a.Row, Tries: a.Tries, Held: len(v.Breaches) == 0, Checks: v.Checks, Excused: v.Excused,
			Breaches: v.Breaches, Took: v.Took.Round(time.Millisecond).String(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// attackFacts are what the attacks may know.
func attackFacts(cfg *Config, env pyenv.Env, dir string, m *sandbox.Manager) attacks.Facts {
	l := m.Limits()
	shown := []string{env.Packages}
	if python, err := filepath.EvalSymlinks(env.Python); err == nil {
		shown = append(shown, filepath.Dir(filepath.Dir(python)))
	}
	return attacks.Facts{
		Data: cfg.Data, Folder: dir, Shown: shown, Memory: l.Memory, DataBytes: l.DataBytes, TmpBytes: l.TmpBytes, FileSize: l.FileSize,
		OpenFiles: l.OpenFiles, Processes: l.Processes, CPU: l.CPU, Controllers: m.Report().Controllers,
	}
}

// attackPlaces are the folders that hold a secret for the time of the attacks: those
// of the usual ones that this user can write.
func attackPlaces(cfg *Config) []string {
	places := []string{cfg.Data, os.TempDir()}
	if home, err := os.UserHomeDir(); err == nil {
		places = append(places, home)
	}
	return slices.DeleteFunc(places, func(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) != nil })
}

// write prints the result on one line, and a line for each breach.
func (r attackResult) write(w io.Writer) error {
	state := "held"
	if !r.Held {
		state = "BREACH"
	}
	var facts []string
	if r.Checks > 0 { // others are judged by how the session ends
		facts = append(facts, counted(r.Checks, "check"))
	}
	if r.Excused > 0 {
		facts = append(facts, counted(r.Excused, "finding")+" in gVisor's own kernel")
	}
	facts = append(facts, r.Took)
	_, err := fmt.Fprintf(w, "%-8s %2d %s: tries %s (%s)\n",
		state, r.Row, strings.TrimLeft(r.Name, "0123456789_"), strings.TrimSuffix(r.Tries, "."), strings.Join(facts, ", "))
	for _, b := range r.Breaches {
		fmt.Fprintf(w, "%-8s   → %s\n", "", b)
	}
	return err
}

// counted is a number with its noun, in the plural where that is due.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
