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
	"time"

	"github.com/understudy-dev/understudy/internal/sandbox"
)

//go:embed kernels.py
var kernelsScript string

// What is installed to compare with, and the code that both run first: the
// imports of nearly every analysis.
const (
	kernelPackages = "ipykernel==7.1.0 jupyter_client==8.6.3"
	firstCell      = "import numpy, pandas, matplotlib.pyplot; print(1 + 1)"
	nextCell       = "1 + 1"
)

// measureSessions compares the sandbox's sessions with Jupyter kernels, in
// turns: a kernel has no isolation at all, a session has all there is.
func measureSessions(ctx context.Context, s settings, dir string, r *report) error {
	log.Print("code sessions and Jupyter kernels …")
	m, err := sandbox.New(ctx, sandbox.Config{Python: s.python, Packages: s.packages, Dir: filepath.Join(dir, "sandbox"), MaxSessions: 2*s.sessions + 2})
	if err != nil {
		return err
	}
	defer m.Close()
	bare, err := sandbox.New(ctx, sandbox.Config{Python: s.python, Packages: s.packages, Dir: filepath.Join(dir, "sandbox-without-pool"), Pool: -1, MaxSessions: 2*s.sessions + 2})
	if err != nil {
		return err
	}
	defer bare.Close()
	k, err := startKernels(ctx, s)
	if err != nil {
		log.Printf("Jupyter kernels are not measured: %v", err)
	} else {
		defer k.close()
	}

	var pooled, fresh, kernel []time.Duration
	for i := range s.sessions {
		key := fmt.Sprintf("session-%d", i)
		t, err := cell(ctx, m, key, firstCell)
		if err != nil {
			return err
		}
		pooled = append(pooled, t)
		if t, err = cell(ctx, bare, key, firstCell); err != nil {
			return err
		}
		fresh = append(fresh, t)
		if k == nil {
			continue
		}
		if t, err = k.do("start", firstCell); err != nil {
			return err
		}
		kernel = append(kernel, t)
	}
	var session, jupyter []time.Duration
	for range s.cells {
		t, err := cell(ctx, m, "session-0", nextCell)
		if err != nil {
			return err
		}
		session = append(session, t)
		if k == nil {
			continue
		}
		if t, err = k.do("cell", nextCell); err != nil {
			return err
		}
		jupyter = append(jupyter, t)
	}
	imports := "start and a first cell that imports numpy, pandas and pyplot"
	addTimes(r, "session from the pool", pooled, imports)
	addTimes(r, "session without a pool", fresh, imports)
	addTimes(r, "ipykernel", kernel, imports)
	addTimes(r, "cell in a session", session, "round trip of 1 + 1")
	addTimes(r, "cell in ipykernel", jupyter, "round trip of 1 + 1")
	r.add("isolation of the session", float64(m.Report().Level), "", m.Report().Level.String())
	return nil
}

func addTimes(r *report, what string, times []time.Duration, note string) {
	if len(times) == 0 {
		return
	}
	r.add(what+", p50", milliseconds(percentile(times, 50)), "ms", fmt.Sprintf("%s, %d times", note, len(times)))
	r.add(what+", p99", milliseconds(percentile(times, 99)), "ms", "")
}

func cell(ctx context.Context, m *sandbox.Manager, key, code string) (time.Duration, error) {
	start := time.Now()
	result, err := m.Run(ctx, key, sandbox.Cell{Code: code})
	took := time.Since(start)
	if err == nil && result.Status != sandbox.StatusOK {
		err = fmt.Errorf("cell ended %s: %v", result.Status, result.Outputs)
	}
	return took, err
}

// kernels drives Jupyter kernels through a Python process that runs kernels.py.
type kernels struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startKernels(ctx context.Context, s settings) (*kernels, error) {
	target := filepath.Join(s.cache, "ipykernel")
	if _, err := os.Stat(filepath.Join(target, "ipykernel")); err != nil {
		log.Print("installing ", kernelPackages, " into ", target)
		pip := exec.CommandContext(ctx, s.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", target)
		pip.Args = append(pip.Args, strings.Fields(kernelPackages)...)
		if out, err := pip.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("pip: %w: %s", err, out)
		}
	}
	// The same libraries as in a session, so that imports cost the same.
	k := &kernels{cmd: exec.CommandContext(ctx, s.python, "-c", kernelsScript)}
	k.cmd.Env = append(os.Environ(), "PYTHONPATH="+target+":"+s.packages, "OPENBLAS_NUM_THREADS=1", "MPLBACKEND=agg")
	k.cmd.Stderr = os.Stderr
	in, err := k.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	k.in, k.out = in, bufio.NewScanner(out)
	return k, k.cmd.Start()
}

// do starts a kernel and runs code in it, or runs code in the last one, and
// returns how long that took by the clock of kernels.py.
func (k *kernels) do(what, code string) (time.Duration, error) {
	if err := json.NewEncoder(k.in).Encode([2]string{what, code}); err != nil {
		return 0, err
	}
	if !k.out.Scan() {
		return 0, errors.Join(errors.New("kernels.py ended"), k.out.Err())
	}
	var seconds float64
	if err := json.Unmarshal(k.out.Bytes(), &seconds); err != nil {
		return 0, fmt.Errorf("kernels.py: %w in %s", err, k.out.Text())
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// close ends the kernels and their driver.
func (k *kernels) close() {
	k.in.Close()
	if err := k.cmd.Wait(); err != nil {
		log.Printf("kernels.py: %v", err)
	}
}
