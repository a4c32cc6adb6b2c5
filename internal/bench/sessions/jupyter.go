package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

//go:embed kernels.py
var kernelsScript string

// kernelPackages are installed to compare with.
const kernelPackages = "ipykernel==7.1.0 jupyter_client==8.6.3"

// kernels are Jupyter kernels, driven by a Python process that runs kernels.py.
type kernels struct {
	cmd *exec.Cmd

	mu      sync.Mutex
	in      io.WriteCloser
	next    int
	pending map[int]chan kernelAnswer // by request
	ended   error                     // why there will be no more answers
	reader  sync.WaitGroup
}

type kernelRequest struct {
	ID     int    `json:"id"`
	Kernel int    `json:"kernel"`
	Do     string `json:"do"`
	Code   string `json:"code"`
}

type kernelAnswer struct {
	ID      int     `json:"id"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// startKernels installs what it takes into cache, if it is not there yet.
func startKernels(ctx context.Context, s settings) (*kernels, error) {
	target := filepath.Join(s.cache, "ipykernel")
	if _, err := os.Stat(filepath.Join(target, "ipykernel")); err != nil {
		if !s.install {
			return nil, errors.New("not installed")
		}
		log.Print("installing ", kernelPackages, " into ", target)
		pip := exec.CommandContext(ctx, s.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", target)
		pip.Args = append(pip.Args, strings.Fields(kernelPackages)...)
		if out, err := pip.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("pip: %w: %s", err, out)
		}
	}
	k := &kernels{cmd: exec.CommandContext(ctx, s.python, "-c", kernelsScript), pending: map[int]chan kernelAnswer{}}
	k.cmd.Env = append(s.environment(), "PYTHONPATH="+target+":"+s.packages, "MPLBACKEND=module://matplotlib_inline.backend_inline",
		"JUPYTER_PLATFORM_DIRS=1", "PYDEVD_DISABLE_FILE_VALIDATION=1")
	in, err := k.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	k.in = in
	if err := k.cmd.Start(); err != nil {
		return nil, err
	}
	k.reader.Go(func() { k.read(out) })
	return k, nil
}

// read hands every answer to who waits for it.
func (k *kernels) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	err := errors.New("kernels.py ended")
	for lines.Scan() {
		var a kernelAnswer
		if e := json.Unmarshal(lines.Bytes(), &a); e != nil {
			err = fmt.Errorf("kernels.py: %w in %s", e, lines.Text())
			break
		}
		k.mu.Lock()
		if waiting := k.pending[a.ID]; waiting != nil {
			waiting <- a
			delete(k.pending, a.ID)
		}
		k.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = errors.Join(err, lines.Err())
	for _, waiting := range k.pending {
		close(waiting)
	}
	clear(k.pending)
}

// kernelTime is how long a kernel may take for anything: one now and then never answers
// when many start at once.
const kernelTime = 2 * time.Minute

// do makes a request and returns how long that took by the clock of kernels.py.
func (k *kernels) do(kernel int, what, code string) (time.Duration, error) {
	answer := make(chan kernelAnswer, 1)
	k.mu.Lock()
	if k.ended != nil {
		k.mu.Unlock()
		return 0, k.ended
	}
	k.next++
	k.pending[k.next] = answer
	err := json.NewEncoder(k.in).Encode(kernelRequest{ID: k.next, Kernel: kernel, Do: what, Code: code})
	k.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var a kernelAnswer
	var ok bool
	select {
	case a, ok = <-answer:
	case <-time.After(kernelTime):
		return 0, fmt.Errorf("kernels.py: no answer to %q within %v", what, kernelTime)
	}
	switch {
	case !ok:
		return 0, k.ended
	case a.Error != "":
		return 0, errors.New(a.Error)
	}
	return time.Duration(a.Seconds * float64(time.Second)), nil
}

func (k *kernels) start(_ context.Context, code string) (session, time.Duration, time.Duration, error) {
	k.mu.Lock()
	k.next++
	s := &kernelSession{kernels: k, number: k.next}
	k.mu.Unlock()
	ready, err := k.do(s.number, "start", "")
	if err != nil {
		return nil, 0, 0, err
	}
	cell, err := k.do(s.number, "cell", code)
	return s, ready, ready + cell, err
}

// close ends the kernels and their driver.
func (k *kernels) close() error {
	k.in.Close()
	end := time.AfterFunc(kernelTime, func() { _ = k.cmd.Process.Kill() }) // it may wait for one that hangs
	k.reader.Wait()
	if err := k.cmd.Wait(); end.Stop() {
		return err
	}
	log.Print("kernels.py did not end by itself") // what was measured is good all the same
	return nil
}

type kernelSession struct {
	kernels *kernels
	number  int
}

func (s *kernelSession) run(_ context.Context, code string) (time.Duration, error) {
	return s.kernels.do(s.number, "cell", code)
}

func (s *kernelSession) interrupt(context.Context) (time.Duration, error) {
	return s.kernels.do(s.number, "interrupt", endless)
}

func (s *kernelSession) kill() (time.Duration, error) { return s.kernels.do(s.number, "kill", "") }
