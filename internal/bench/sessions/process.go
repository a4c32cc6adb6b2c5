package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

//go:embed loop.py
var loopScript string

// processes are sessions that are nothing but a Python process with loop.py, maybe
// behind a program that shuts it in.
type processes struct {
	command     []string // to which the script is appended
	environment []string
}

// newPlain returns plain Python, without any isolation.
func newPlain(s settings) *processes {
	return &processes{command: []string{s.python, "-c"}, environment: s.environment()}
}

// newBubblewrap returns Python behind bubblewrap: namespaces for all there is, and
// the host's files for reading.
func newBubblewrap(s settings) (*processes, error) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: apt-get install bubblewrap)", err)
	}
	command := []string{bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"}
	for _, dir := range []string{s.packages, s.fonts()} {
		if dir != "" { // it may be in /tmp
			command = append(command, "--ro-bind", dir, dir)
		}
	}
	return &processes{command: append(command, "--chdir", "/tmp", s.python, "-c"), environment: s.environment()}, nil
}

func (p *processes) start(ctx context.Context, code string) (session, time.Duration, time.Duration, error) {
	began := time.Now()
	s := &processSession{cmd: exec.CommandContext(ctx, p.command[0], append(p.command[1:len(p.command):len(p.command)], loopScript)...)}
	s.cmd.Env = p.environment
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, 0, 0, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, 0, 0, err
	}
	s.in, s.out = stdin, bufio.NewReader(stdout)
	if err := s.cmd.Start(); err != nil {
		return nil, 0, 0, err
	}
	_, err = s.answer()
	ready := time.Since(began)
	if err == nil {
		_, err = s.run(ctx, code)
	}
	if err != nil {
		_, _ = s.kill() // the error that matters is the first
		return nil, 0, 0, err
	}
	return s, ready, time.Since(began), nil
}

func (p *processes) close() error { return nil }

type processSession struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (s *processSession) run(_ context.Context, code string) (time.Duration, error) {
	began := time.Now()
	if err := json.NewEncoder(s.in).Encode(code); err != nil {
		return 0, err
	}
	failure, err := s.answer()
	if err == nil && failure != "" {
		err = errors.New(failure)
	}
	return time.Since(began), err
}

// answer reads how a cell failed, "" if it did not.
func (s *processSession) answer() (failure string, err error) {
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended: %w", s.cmd.Path, err)
	}
	return failure, json.Unmarshal(line, &failure)
}

func (s *processSession) interrupt(context.Context) (time.Duration, error) {
	if err := json.NewEncoder(s.in).Encode(endless); err != nil {
		return 0, err
	}
	if line, err := s.out.ReadString('\n'); err != nil || line != "on\n" {
		return 0, fmt.Errorf("got %q, %w", line, err)
	}
	// What shuts the interpreter in may be several processes; it is the last.
	pid := s.cmd.Process.Pid
	inner, err := measure.Descendants(pid)
	if err != nil {
		return 0, err
	}
	if len(inner) > 0 {
		pid = inner[len(inner)-1]
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return 0, err
	}
	failure, err := s.answer()
	if err == nil && failure != "KeyboardInterrupt: " {
		err = fmt.Errorf("not interrupted: %s", failure)
	}
	return time.Since(began), err
}

func (s *processSession) kill() (time.Duration, error) {
	began := time.Now()
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() // says that it was killed
	return time.Since(began), err
}

// warmFonts lets matplotlib write down which fonts there are, which takes a second
// that no peer is to pay for in its first plot.
func warmFonts(ctx context.Context, s settings) error {
	cmd := exec.CommandContext(ctx, s.python, "-c", "import matplotlib.font_manager")
	cmd.Env = s.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("python: %w: %s", err, out)
	}
	return nil
}

// environment is that of every interpreter which is no session of ours: the same
// libraries, with one thread as there.
func (s settings) environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + s.fonts(), "MPLCONFIGDIR=" + s.fonts(), "MPLBACKEND=agg",
		"PYTHONPATH=" + s.packages, "PYTHONDONTWRITEBYTECODE=1",
		"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "NUMEXPR_NUM_THREADS=1",
	}
}

func (s settings) fonts() string { return filepath.Join(s.dir, "fonts") }
