package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDoctorAttacks runs some of the attacks as a user would: those that look for
// what is planted, one that takes its session along, and one of two sessions.
func TestDoctorAttacks(t *testing.T) {
	home, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("HOME", home)
	var text, asJSON strings.Builder
	args := append([]string{"doctor", "--attack=1, 3,33,31", "--data", t.TempDir(), "--model", "rehearsal"}, realPython(t)...)
	if code := run(t.Context(), program{getenv: noEnv, stdout: &text, stderr: io.Discard}, args); code != exitOK {
		t.Errorf("exit code %d, want %d, after\n%s", code, exitOK, text.String())
	}
	for _, want := range []string{"held      1 host_files: tries to read", "held     33 segmentation_fault: ", ": 12 held, 0 did not\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	run(t.Context(), program{getenv: noEnv, stdout: &asJSON, stderr: io.Discard}, append(args, "--json", "--attack=8"))
	var report doctorReport
	if err := json.Unmarshal([]byte(asJSON.String()), &report); err != nil {
		t.Fatalf("%v in\n%s", err, asJSON.String())
	}
	if len(report.Attacks) != 1 || !report.Attacks[0].Held || report.Attacks[0].Checks < 8 {
		t.Errorf("got %+v, want one attack that was held", report.Attacks)
	}
	if after := left(t, home, temporary); len(after) > 0 {
		t.Errorf("left behind: %q", after)
	}
}

// TestDoctorIsStopped stops the program itself, as its users do, after the first attack:
// it leaves nothing behind either.
func TestDoctorIsStopped(t *testing.T) {
	if len(flag.Args()) > 0 { // this is the program
		os.Args = append([]string{"understudy"}, flag.Args()...)
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // or it is ignored, where the tests run under nohup
		main()
	}
	for name, test := range map[string]struct {
		stop func(*exec.Cmd, io.Closer) error
		want string
	}{
		"^C":             {func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) }, "understudy: interrupted\n"},
		"end of a shell": {func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) }, "understudy: interrupted\n"},
		"end of a pipe":  {func(_ *exec.Cmd, reader io.Closer) error { return reader.Close() }, "broken pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			home, temporary := t.TempDir(), t.TempDir()
			args := append([]string{"-test.run=^TestDoctorIsStopped$", "--", "doctor", "--attack=1,3", "--data", t.TempDir(), "--model", "rehearsal"}, realPython(t)...)
			cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
			cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+temporary)
			var problem strings.Builder
			cmd.Stderr = &problem
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stdout)
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "held ") {
			}
			if planted := left(t, home, temporary); len(planted) == 0 {
				t.Errorf("nothing is planted at %q: there is nothing to leave behind", lines.Text())
			}
			if err := test.stop(cmd, stdout); err != nil {
				t.Error(err)
			}
			for lines.Scan() {
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(problem.String(), test.want) {
				t.Errorf("got %v and %q, want exit code %d and %q", cmd.ProcessState, problem.String(), exitFailure, test.want)
			}
			if after := left(t, home, temporary); len(after) > 0 {
				t.Errorf("left behind: %q", after)
			}
		})
	}
}

// TestDoctorIsInterruptedEarly stops at the first check: what was not looked at is not
// missing.
func TestDoctorIsInterruptedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var text, problem strings.Builder
	stdout := writerFunc(func(b []byte) (int, error) {
		cancel()
		return text.Write(b)
	})
	code := run(ctx, program{getenv: noEnv, stdout: stdout, stderr: &problem}, []string{"doctor", "--data", t.TempDir(), "--model", "rehearsal"})
	if code != exitFailure || problem.String() != "understudy: interrupted\n" || strings.Contains(text.String(), "running code") {
		t.Errorf("got exit code %d and %q after\n%s", code, problem.String(), text.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// left returns what doctor has in folders.
func left(t *testing.T, folders ...string) []string {
	t.Helper()
	var names []string
	for _, dir := range folders {
		found, err := filepath.Glob(filepath.Join(dir, "understudy*"))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

func TestChooseAttacks(t *testing.T) {
	for value, want := range map[string]bool{"all": true, "7": true, "1,7": true, "8": false, "12, 13": false} {
		choice, err := chooseAttacks(value)
		if err != nil || choice(7) != want {
			t.Errorf("%q: got %v, %v, want row 7 chosen: %v", value, choice(7), err, want)
		}
	}
	if choice, err := chooseAttacks(""); choice != nil || err != nil {
		t.Errorf("nothing: got a choice, %v", err)
	}
	for _, value := range []string{"seven", "7,seven", "999", "7,57", "7,"} {
		if _, err := chooseAttacks(value); err == nil {
			t.Errorf("%q: got no error", value)
		} else if _, ok := errors.AsType[*usageError](err); !ok {
			t.Errorf("%q: got error %v, want one of usage", value, err)
		}
	}
}

// TestRowsWithoutEqualsSign: pflag takes what follows a blank for an argument.
func TestRowsWithoutEqualsSign(t *testing.T) {
	var b strings.Builder
	code := run(t.Context(), program{getenv: noEnv, stdout: io.Discard, stderr: &b}, []string{"doctor", "--attack", "12,53"})
	if code != exitUsage || !strings.Contains(b.String(), "--attack=12,53") {
		t.Errorf("got exit code %d and %q, want %d and what to type", code, b.String(), exitUsage)
	}
}

// TestBreachIsShown is about a machine that does not hold.
func TestBreachIsShown(t *testing.T) {
	var b strings.Builder
	attackResult{Name: "07_kernel_settings", Row: 7, Tries: "to write settings.", Checks: 3, Breaches: []string{"it could"}, Took: "1ms"}.write(&b)
	want := "BREACH    7 kernel_settings: tries to write settings (3 checks, 1ms)\n           → it could\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
