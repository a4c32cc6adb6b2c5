package wheels

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// logFile is where pip writes what it does, in its folder.
const logFile = "pip.log"

//go:embed confined.py
var pipScript string

// order is what confined.py reads.
type order struct {
	Arguments []string         `json:"arguments"`
	Limits    map[string]int64 `json:"limits"`
	Packages  string           `json:"packages"`
	Readable  []string         `json:"readable"`
}

// Bounds on one pip.
const (
	maxMemory = 1 << 30
	maxFiles  = 256
	maxText   = 64 << 10 // bytes kept of what it prints
	overhead  = 16 << 20 // bytes that its folder may hold beside wheels
	askPip    = 30 * time.Second
)

// checkPip says why the interpreter has no usable pip, or nil.
func (s *Source) checkPip(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askPip)
	defer cancel()
	out, err := s.pip(ctx, s.config.Dir, "--version")
	version := strings.TrimPrefix(out.stdout.String(), "pip ")
	major, _, _ := strings.Cut(version, ".")
	n, notNumber := strconv.Atoi(major)
	if err != nil || notNumber != nil || n < oldestPip {
		return fmt.Errorf("%s has no pip of version %d or later of its own (Debian, Ubuntu: python3-pip): %w %s",
			s.config.Python, oldestPip, errors.Join(err, notNumber), lastLine(out.stderr.Bytes()))
	}
	return nil
}

// printed is what a pip printed.
type printed struct{ stdout, stderr head }

// pip runs pip in dir, its only place to write.
func (s *Source) pip(ctx context.Context, dir string, arguments ...string) (*printed, error) {
	text, err := json.Marshal(order{
		Arguments: arguments,
		Limits:    map[string]int64{"AS": maxMemory, "FSIZE": s.config.MaxBytes + 1<<20, "NOFILE": maxFiles, "CORE": 0},
		Packages:  s.config.Packages,
		Readable:  s.certificates(),
	})
	if err != nil {
		return &printed{}, err
	}
	out := &printed{}
	cmd := exec.CommandContext(ctx, s.config.Python, "-I", "-B", "-c", pipScript)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(text), &out.stdout, &out.stderr
	cmd.Env = append(slices.Clone(s.config.Environment), "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME="+dir, "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	return out, cmd.Run()
}

// certificates returns the files that the environment names, for pip to read.
func (s *Source) certificates() []string {
	found := []string{}
	for _, v := range s.config.Environment {
		if _, value, _ := strings.Cut(v, "="); filepath.IsAbs(value) {
			found = append(found, value)
		}
	}
	return found
}

// report is what pip would install.
type report struct {
	Install []struct {
		Metadata struct {
			Name     string   `json:"name"`
			Version  string   `json:"version"`
			Requires []string `json:"requires_dist"`
		} `json:"metadata"`
		Direct   bool `json:"is_direct"`
		Download struct {
			Archive struct {
				Hash string `json:"hash"`
			} `json:"archive_info"`
		} `json:"download_info"`
	} `json:"install"`
}

// install resolves r in dir, holds the result against the list, and delivers it.
func (s *Source) install(ctx context.Context, dir string, r request, deliver func(string, int64, io.Reader) error) (said string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watchSize(ctx, dir, cancel)
	}()
	defer func() {
		if why := context.Cause(ctx); err != nil && why != nil {
			err = why
		}
		cancel(nil)
		<-watched
	}()

	common := s.commonOptions()
	resolve := append([]string{"install", "--dry-run", "--report", filepath.Join(dir, "report.json")}, common...)
	resolve = append(resolve, r.options...)
	for _, q := range r.requirements {
		resolve = append(resolve, q.text)
	}
	out, err := s.pip(ctx, dir, resolve...)
	if err != nil {
		return "", s.fault(ctx, dir, out, err)
	}
	chosen, err := s.readReport(dir)
	if err != nil {
		return "", err
	}
	said = satisfied(out.stdout.Bytes())
	if len(chosen.Install) == 0 {
		return said, nil
	}
	pins, err := s.check(r, chosen)
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "pins.txt")
	if err := os.WriteFile(list, []byte(pins), 0o600); err != nil {
		return "", err
	}
	fetched := filepath.Join(dir, "wheels")
	fetch := append([]string{"download", "--no-deps", "--require-hashes", "--dest", fetched, "--requirement", list}, common...)
	if out, err := s.pip(ctx, dir, fetch...); err != nil {
		return "", s.fault(ctx, dir, out, err)
	}
	return said, s.deliver(fetched, len(chosen.Install), deliver)
}

// commonOptions returns what every pip is told: where packages come from, that they
// are wheels, and that nothing on this host changes that.
func (s *Source) commonOptions() []string {
	options := []string{
		"--isolated", "--no-input", "--no-color", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "1", "--timeout", "15",
		"--cache-dir", "cache", "--log", logFile, "--only-binary", ":all:", "--index-url", s.index.String(),
	}
	if s.index.Scheme == "http" {
		options = append(options, "--trusted-host", s.index.Host) // the operator chose it so
	}
	return options
}

func (s *Source) readReport(dir string) (report, error) {
	var r report
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("report of pip: %w", err)
	}
	return r, nil
}

var (
	versionForm = regexp.MustCompile(`^[A-Za-z0-9.+!_-]+$`)
	hashForm    = regexp.MustCompile(`^sha(256|384|512)=[0-9a-f]+$`)
)

// check holds what pip chose against the list, and returns it as requirements of
// exactly these files.
func (s *Source) check(asked request, chosen report) (pins string, err error) {
	var lines strings.Builder
	for _, p := range chosen.Install {
		name := normal(p.Metadata.Name)
		if p.Direct || !requirementForm.MatchString(name) || !versionForm.MatchString(p.Metadata.Version) || !hashForm.MatchString(p.Download.Archive.Hash) {
			return "", fmt.Errorf("pip chose %q %q with hash %q", name, p.Metadata.Version, p.Download.Archive.Hash)
		}
		if !allowed(s.config.Allow, name) {
			return "", s.notAllowed(name, neededBy(asked, chosen, name))
		}
		fmt.Fprintf(&lines, "%s==%s --hash=%s\n", name, p.Metadata.Version, strings.Replace(p.Download.Archive.Hash, "=", ":", 1))
	}
	return lines.String(), nil
}

var leadingName = regexp.MustCompile(`^[A-Za-z0-9._-]+`)

// neededBy returns a project that requires name, "" if it was asked for itself.
func neededBy(asked request, chosen report, name string) string {
	if slices.ContainsFunc(asked.requirements, func(q requirement) bool { return q.name == name }) {
		return ""
	}
	for _, p := range chosen.Install {
		for _, r := range p.Metadata.Requires {
			if normal(leadingName.FindString(r)) == name && requirementForm.MatchString(p.Metadata.Name) {
				return normal(p.Metadata.Name)
			}
		}
	}
	return "another package"
}

// deliver hands over the wheels in dir, which must be count files within the bound.
func (s *Source) deliver(dir string, count int, deliver func(string, int64, io.Reader) error) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var infos []fs.FileInfo
	var total int64
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || filepath.Ext(f.Name()) != ".whl" {
			return fmt.Errorf("pip made %q", f.Name())
		}
		infos = append(infos, info)
		total += info.Size()
	}
	if len(infos) != count {
		return fmt.Errorf("pip fetched %d wheels of %d", len(infos), count)
	}
	if total > s.config.MaxBytes {
		return s.tooLarge()
	}
	for _, info := range infos {
		f, err := os.Open(filepath.Join(dir, info.Name()))
		if err != nil {
			return err
		}
		err = deliver(info.Name(), info.Size(), f)
		f.Close()
		if err != nil {
			return errInterrupted // why, whoever was to get it knows
		}
	}
	return nil
}

func (s *Source) tooLarge() error {
	return refuse("The packages are larger than the %d MiB that one installation may have. Nothing was installed.", s.config.MaxBytes>>20)
}

// watchSize ends the installation if its folder grows beyond what the wheels and what
// pip keeps of them, twice, can be. It returns when ctx ends.
func (s *Source) watchSize(ctx context.Context, dir string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var total int64
		_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				if info, err := e.Info(); err == nil {
					total += info.Size()
				}
			}
			return nil // it went away
		})
		if total > 4*s.config.MaxBytes+overhead {
			cancel(s.tooLarge())
		}
	}
}

var satisfiedLine = regexp.MustCompile(`(?m)^Requirement already satisfied: ([A-Za-z0-9][A-Za-z0-9._,<>=!~*+ \[\]-]*?)(?: in .*| \(.*)?$`)

// satisfied returns pip's lines about what is there already, without the paths.
func satisfied(stdout []byte) string {
	var lines strings.Builder
	for _, m := range satisfiedLine.FindAllSubmatch(stdout, -1) {
		fmt.Fprintf(&lines, "Requirement already satisfied: %s\n", m[1])
	}
	return lines.String()
}

var (
	noMatch  = regexp.MustCompile(`No matching distribution found for ([A-Za-z0-9][A-Za-z0-9._-]*)([^\n]*)`)
	conflict = regexp.MustCompile(`(?s)The conflict is caused by:(.*?)\n\n`)
)

// fault says why the pip in dir failed, from what it printed.
func (s *Source) fault(ctx context.Context, dir string, out *printed, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := out.stderr.String()
	switch {
	case strings.Contains(text, "DO NOT MATCH THE HASHES"):
		return refuse("A file of the package index does not have the hash that the index gives. Nothing was installed.")
	case strings.Contains(text, "File too large"):
		return s.tooLarge()
	case strings.Contains(text, "from outside the index"):
		return refuse("One of the packages needs another one from outside the package index. Nothing was installed.")
	case strings.Contains(text, "is invalid"):
		return refuse("A file of the package index is broken. Nothing was installed.")
	}
	if m := noMatch.FindStringSubmatch(text); m != nil {
		return s.missing(dir, normal(m[1]))
	}
	if m := conflict.FindStringSubmatch(out.stdout.String()); m != nil && !strings.ContainsAny(m[1], "/\\") {
		return refuse("The packages cannot be installed together:%s", strings.TrimRight(m[1], "\n "))
	}
	if strings.Contains(text, "ResolutionImpossible") {
		return refuse("The packages cannot be installed together: what they require of each other has no solution.")
	}
	return fmt.Errorf("pip: %w: %s", err, lastLine(out.stderr.Bytes()))
}

// unread is a page of the index that pip could not read, and why, in its log.
var unread = regexp.MustCompile(`Could not fetch URL ([^ ]+): (?:(\d{3}) )?(.*) - skipping`)

// missing says why there is nothing of a project that pip could take, from pip's log in dir.
func (s *Source) missing(dir, name string) error {
	log, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		return err
	}
	for _, m := range unread.FindAllSubmatch(log, -1) {
		address, err := url.Parse(string(m[1]))
		if err != nil || normal(path.Base(address.Path)) != name {
			continue
		}
		if string(m[2]) == "404" {
			return refuse("There is no package %s in the index. Nothing was installed.", name)
		}
		reason, _, _ := strings.Cut(string(m[3]), " for url: ")
		for _, password := range s.passwords() {
			reason = strings.ReplaceAll(reason, password, "xxxxx")
		}
		s.config.Logger.Warn("wheels: the package index cannot be read", "status", string(m[2]), "reason", reason)
		return refuse("The package index does not answer. Nothing was installed; it may help to try again later.")
	}
	return refuse("The index has no wheel of %s that fits this Python and the versions asked for. Packages that would have to be built cannot be installed here.", name)
}

// passwords returns the index's password, if it has one, as pip may print it.
func (s *Source) passwords() []string {
	password, _ := s.index.User.Password()
	if password == "" {
		return nil
	}
	_, escaped, _ := strings.Cut(s.index.User.String(), ":")
	return []string{escaped, password}
}

// head is an io.Writer that keeps the beginning of what is written.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), max(0, maxText-h.Len()))])
	return len(p), nil
}

// lastLine returns the last line of text that is not blank, for the log.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(text[bytes.LastIndexByte(text, '\n')+1:])
}
