// Package wheels gets packages for running code from an index that the operator
// chose, as far as the operator's list allows. It knows nothing of the sandbox that
// unpacks them, and runs nothing that it gets: only wheels are taken, which have no
// code to run at their installation.
//
// Which versions go together is the question that pip answers, so pip answers it: the
// interpreter's own, as a process that is bounded in time, size and rights (confined.py).
// What it chose is held against the list before anything is handed over. Start with
// [New].
package wheels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Config says what may be installed, and for whom. Zero fields mean the documented
// defaults.
type Config struct {
	// Index is the URL of a simple index (PEP 503, PEP 691), which may have a user and a password. Required.
	Index string
	// Allow lists the projects that may be handed out; a * stands for any part of a name. Required.
	Allow []string
	// MaxBytes bounds all wheels of one installation; default 64 MiB.
	MaxBytes int64
	// Timeout bounds one installation, with the wait for others; default 45 s.
	Timeout time.Duration

	Python      string       // the interpreter that the wheels are for, with a pip of its own. Required.
	Packages    string       // folder of the packages that are installed for it already; "": those it has by itself
	Dir         string       // a folder this Source owns; what is there is removed. Required.
	Environment []string     // of pip, in the form of os.Environ: proxies and certificates
	Logger      *slog.Logger // default: discard
}

// Source installs packages. Its methods may be called concurrently.
type Source struct {
	config    Config
	index     *url.URL
	installed map[string]string // version by name in normal form
	slots     chan struct{}     // a token for each pip that runs
}

// oldestPip is the first version whose report can be relied on.
const oldestPip = 23

var patternForm = regexp.MustCompile(`^[a-z0-9*]([a-z0-9*-]*[a-z0-9*])?$`)

// New checks c and that there is a pip to use.
func New(ctx context.Context, c Config) (*Source, error) {
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	c.Timeout = cmp.Or(c.Timeout, 45*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	index, err := url.Parse(c.Index)
	if err != nil || (index.Scheme != "https" && index.Scheme != "http") || index.Host == "" || index.RawQuery != "" || index.Fragment != "" {
		return nil, errors.New("the package index is not a URL such as https://index.example.com/simple") // which may hold a password
	}
	if len(c.Allow) == 0 {
		return nil, errors.New("the list of allowed packages is empty: name some, or \"*\" for all")
	}
	allow := make([]string, len(c.Allow))
	for i, pattern := range c.Allow {
		if allow[i] = normal(strings.TrimSpace(pattern)); !patternForm.MatchString(allow[i]) {
			return nil, fmt.Errorf("%q is neither the name of a package nor a pattern such as name-*", pattern)
		}
	}
	c.Allow = allow
	if err := errors.Join(os.RemoveAll(c.Dir), os.MkdirAll(c.Dir, 0o700)); err != nil {
		return nil, err
	}
	s := &Source{config: c, index: index, slots: make(chan struct{}, max(1, runtime.NumCPU()/2))}
	if s.installed, err = distributions(c.Packages); err != nil {
		return nil, err
	}
	return s, s.checkPip(ctx)
}

// distributions returns the versions of the packages in a folder.
func distributions(dir string) (map[string]string, error) {
	found := map[string]string{}
	if dir == "" {
		return found, nil
	}
	infos, err := filepath.Glob(filepath.Join(dir, "*.dist-info"))
	for _, info := range infos {
		if name, version, ok := strings.Cut(strings.TrimSuffix(filepath.Base(info), ".dist-info"), "-"); ok {
			found[normal(name)] = version
		}
	}
	return found, err
}

// refusal is why nothing is installed, in words for whoever runs code. They tell
// nothing of the host and the index.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// What whoever runs code is told of faults that are the operator's, and of their own.
var (
	errServer      = refuse("The packages could not be installed because of a fault on the server.")
	errInterrupted = refuse("The installation was interrupted.")
)

// Install gets what arguments ask for, the words behind `pip install`, and gives each
// wheel to deliver, which must read all of it before it returns. A wheel that is
// installed already, in the wanted version, is left out, and said tells so. Nothing is
// delivered unless all can be. The text of an error, like said, is meant for whoever
// runs the code that asked, who may be anybody.
func (s *Source) Install(ctx context.Context, arguments []string, deliver func(name string, size int64, wheel io.Reader) error) (said string, err error) {
	r, err := parse(arguments)
	if err != nil {
		return "", err
	}
	if r, said, err = s.screen(r); err != nil || len(r.requirements) == 0 {
		return said, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.config.Timeout, errSlow)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return "", s.explain(ctx, ctx.Err())
	}
	dir, err := os.MkdirTemp(s.config.Dir, "install-")
	if err != nil {
		return "", s.explain(ctx, err)
	}
	defer os.RemoveAll(dir)
	more, err := s.install(ctx, dir, r, deliver)
	if err != nil {
		return "", s.explain(ctx, err)
	}
	return said + more, nil
}

// errSlow says that an installation has taken all its time.
var errSlow = refuse("The installation took longer than it may: the package index is slow, or does not answer. Nothing was installed.")

// explain returns what to say of err.
func (s *Source) explain(ctx context.Context, err error) error {
	if why, ok := errors.AsType[*refusal](context.Cause(ctx)); ok {
		return why
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	if why, ok := errors.AsType[*refusal](err); ok {
		return why
	}
	s.config.Logger.Error("wheels: install", "error", err)
	return errServer
}

// screen takes out of r what is installed in any version that will do, and refuses
// what may not be installed.
func (s *Source) screen(r request) (_ request, said string, err error) {
	var wanted []requirement
	var lines strings.Builder
	for _, q := range r.requirements {
		version, has := s.installed[q.name]
		switch {
		case has && q.plain && len(r.options) == 0:
			fmt.Fprintf(&lines, "Requirement already satisfied: %s (%s)\n", q.text, version)
		case has || allowed(s.config.Allow, q.name):
			wanted = append(wanted, q)
		default:
			return r, "", s.notAllowed(q.name, "")
		}
	}
	r.requirements = wanted
	return r, lines.String(), nil
}

// notAllowed says that a project is not on the list, and who needs it, if that is
// another project.
func (s *Source) notAllowed(name, whose string) error {
	if whose != "" {
		whose = ", which is needed by " + whose + ","
	}
	return refuse("%s%s is not on the operator's list of packages that may be installed. Nothing was installed.", name, whose)
}
