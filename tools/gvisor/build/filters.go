package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/seccomp"
	"gvisor.dev/gvisor/pkg/seccomp/precompiledseccomp"
	"gvisor.dev/gvisor/pkg/sentry/platform"
	_ "gvisor.dev/gvisor/pkg/sentry/platform/systrap"
	sentry "gvisor.dev/gvisor/runsc/boot/filter/config"
	gofer "gvisor.dev/gvisor/runsc/fsgofer/filter/config"
)

// filters are those that our sandboxes use: of the sandbox process and of the one that
// holds its folders. gVisor compiles any other when it needs it.
type filters struct{ Sentry, Gofer precompiledseccomp.Program }

// printFilters is the argument with which this program prints filters, and builds nothing.
const printFilters = "-print-filters"

// compileElsewhere has another process compile the filters, and compares them with what
// gVisor compiles in this one when it starts a sandbox: nothing may be in them of the
// process that made them, as its id once was, and no rule may be another.
func compileElsewhere(ctx context.Context) (filters, error) {
	var compiled filters
	command := exec.CommandContext(ctx, "/proc/self/exe", printFilters)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return filters{}, fmt.Errorf("compiling filters: %w", err)
	}
	if err := json.Unmarshal(out, &compiled); err != nil {
		return filters{}, err
	}
	options, err := sentryOptions()
	if err != nil {
		return filters{}, err
	}
	allowed, denied := sentry.Rules(options)
	err = compare(compiled.Sentry, options.Vars(), filter(allowed, denied, sentry.SeccompOptions(options)))
	allowed, denied = gofer.Rules(goferOptions)
	err = errors.Join(err, compare(compiled.Gofer, goferOptions.Vars(), filter(allowed, denied, seccomp.ProgramOptions{})))
	return compiled, err
}

// compare says whether a compiled filter, with this process's values, is what want
// compiles to.
func compare(compiled precompiledseccomp.Program, values precompiledseccomp.Values, want *seccomp.Program) error {
	compiled.Bytecode32 = slices.Clone(compiled.Bytecode32) // which is written into
	got, err := compiled.RenderInstructions(values)
	if err != nil {
		return err
	}
	instructions, _, err := want.Build()
	if err != nil {
		return err
	}
	if !slices.Equal(got, instructions) {
		return fmt.Errorf("the filter for %s is not what gVisor compiles", compiled.Name)
	}
	return nil
}

// filter is how gVisor puts rules together.
func filter(allowed, denied seccomp.SyscallRules, options seccomp.ProgramOptions) *seccomp.Program {
	return &seccomp.Program{
		RuleSets: []seccomp.RuleSet{{Rules: denied.Copy()}, {Rules: allowed.Copy(), Action: seccomp.Allow}},
		Options:  options,
	}
}

// statement is the Go statement that registers a filter.
func statement(p precompiledseccomp.Program) string {
	return fmt.Sprintf("\tprograms[%q] = %s\n", p.Name, p.Expr("\t", "precompiledseccomp"))
}

// compile compiles the filters.
func compile() (filters, error) {
	// What a filter does with a call that it does not allow depends on the kernel; the best is wanted.
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	if _, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); err != 0 {
		return filters{}, fmt.Errorf("this kernel's filters cannot kill a process, so that those compiled here would not: %w", err)
	}
	sandbox, err := sentryFilter()
	if err != nil {
		return filters{}, err
	}
	files, err := goferFilter()
	return filters{Sentry: sandbox, Gofer: files}, err
}

// sentryRules is what gVisor's own generator calls. Only that one is exported, and it
// compiles 576 filters in a minute and a half of processor time.
//
//go:linkname sentryRules gvisor.dev/gvisor/runsc/boot/filter/config.rules
func sentryRules(sentry.Options, precompiledseccomp.Values) (allowed, denied seccomp.SyscallRules)

// sentryOptions are those of our sandboxes: no network, and files that they open themselves.
func sentryOptions() (sentry.Options, error) {
	systrap, err := platform.Lookup("systrap")
	if err != nil {
		return sentry.Options{}, err
	}
	return sentry.Options{Platform: systrap.PrecompiledSeccompInfo()[0], HostFilesystem: true}, nil
}

func sentryFilter() (precompiledseccomp.Program, error) {
	options, err := sentryOptions()
	if err != nil {
		return precompiledseccomp.Program{}, err
	}
	names := slices.Collect(maps.Keys(options.Vars()))
	return precompiledseccomp.Precompile(options.ConfigKey(), names, func(values precompiledseccomp.Values) *seccomp.Program {
		allowed, denied := sentryRules(options, values)
		// A sandbox may send this signal to its own threads; gVisor names the process that
		// compiles the filter.
		allowed.Remove(unix.SYS_RT_TGSIGQUEUEINFO)
		allowed.Set(unix.SYS_RT_TGSIGQUEUEINFO, seccomp.PerArg{
			seccomp.EqualTo(values.GetUint64("self_pid")), seccomp.AnyValue{}, seccomp.EqualTo(unix.SIGKILL),
		})
		return filter(allowed, denied, sentry.SeccompOptions(options))
	})
}

var goferOptions = gofer.Options{DirectFS: true}

func goferFilter() (precompiledseccomp.Program, error) {
	programs, err := gofer.PrecompiledPrograms()
	if err != nil {
		return precompiledseccomp.Program{}, err
	}
	for _, program := range programs {
		if program.Name == goferOptions.ConfigKey() {
			return program, nil
		}
	}
	return precompiledseccomp.Program{}, fmt.Errorf("gVisor compiles no filter for %s", goferOptions.ConfigKey())
}
