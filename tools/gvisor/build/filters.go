package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"slices"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/seccomp"
	"gvisor.dev/gvisor/pkg/seccomp/precompiledseccomp"
	"gvisor.dev/gvisor/pkg/sentry/platform"
	_ "gvisor.dev/gvisor/pkg/sentry/platform/systrap"
	sentry "gvisor.dev/gvisor/runsc/boot/filter/config"
	gofer "gvisor.dev/gvisor/runsc/fsgofer/filter/config"
)

// printFilters is the argument with which this program prints filters, and builds nothing.
const printFilters = "-print-filters"

// filters returns the statements that register the filters which our sandboxes use: that
// of the sandbox process and that of the gofer. gVisor compiles any other when it needs it.
func filters() (sandbox, files string, err error) {
	// Nothing of the process that compiles a filter may be in it, as its id once was.
	// What two processes agree on is free of that.
	first, err := inAnotherProcess()
	second, err2 := inAnotherProcess()
	if err := errors.Join(err, err2); err != nil {
		return "", "", err
	}
	if !bytes.Equal(first, second) {
		return "", "", errors.New("two processes compiled different filters")
	}
	var statements [2]string
	if err := json.Unmarshal(first, &statements); err != nil {
		return "", "", err
	}
	return statements[0], statements[1], nil
}

func inAnotherProcess() ([]byte, error) {
	command := exec.Command("/proc/self/exe", printFilters)
	command.Stderr = os.Stderr
	return command.Output()
}

func encodeFilters(w io.Writer) {
	sandbox, err := sentryFilter()
	files, err2 := goferFilter()
	if err := errors.Join(err, err2); err != nil {
		log.Fatal(err)
	}
	statement := func(p precompiledseccomp.Program) string {
		return fmt.Sprintf("\tprograms[%q] = %s\n", p.Name, p.Expr("\t", "precompiledseccomp"))
	}
	if err := json.NewEncoder(w).Encode([2]string{statement(sandbox), statement(files)}); err != nil {
		log.Fatal(err)
	}
}

// sentryRules is what gVisor's own generator calls. Only that one is exported, and it
// compiles 576 filters in a minute and a half of processor time.
//
//go:linkname sentryRules gvisor.dev/gvisor/runsc/boot/filter/config.rules
func sentryRules(sentry.Options, precompiledseccomp.Values) (allowed, denied seccomp.SyscallRules)

// sentryFilter compiles the filter of the sandbox process: no network, and files that it
// opens itself.
func sentryFilter() (precompiledseccomp.Program, error) {
	systrap, err := platform.Lookup("systrap")
	if err != nil {
		return precompiledseccomp.Program{}, err
	}
	options := sentry.Options{Platform: systrap.PrecompiledSeccompInfo()[0], HostFilesystem: true}
	names := slices.Collect(maps.Keys(options.Vars()))
	return precompiledseccomp.Precompile(options.ConfigKey(), names, func(values precompiledseccomp.Values) *seccomp.Program {
		allowed, denied := sentryRules(options, values)
		allowOwnSignals(allowed, values)
		return &seccomp.Program{
			RuleSets: []seccomp.RuleSet{{Rules: denied.Copy()}, {Rules: allowed.Copy(), Action: seccomp.Allow}},
			Options:  sentry.SeccompOptions(options),
		}
	})
}

// allowOwnSignals names the sandbox in the rule for signals to its own threads, where
// gVisor names the process that compiles the filter.
func allowOwnSignals(allowed seccomp.SyscallRules, values precompiledseccomp.Values) {
	pid := values.GetUint64("self_pid")
	if pid == 0 || !allowed.Has(unix.SYS_RT_TGSIGQUEUEINFO) {
		log.Fatal("gVisor's rules for signals are no longer what they were")
	}
	allowed.Remove(unix.SYS_RT_TGSIGQUEUEINFO)
	allowed.Set(unix.SYS_RT_TGSIGQUEUEINFO, seccomp.PerArg{
		seccomp.EqualTo(pid), seccomp.AnyValue{}, seccomp.EqualTo(unix.SIGKILL),
	})
}

// goferFilter compiles the filter of the process that holds the folders of the sandbox.
func goferFilter() (precompiledseccomp.Program, error) {
	programs, err := gofer.PrecompiledPrograms()
	if err != nil {
		return precompiledseccomp.Program{}, err
	}
	key := gofer.Options{DirectFS: true}.ConfigKey()
	for _, program := range programs {
		if program.Name == key {
			return program, nil
		}
	}
	return precompiledseccomp.Program{}, fmt.Errorf("gVisor compiles no filter for %s", key)
}
