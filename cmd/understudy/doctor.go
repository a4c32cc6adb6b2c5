package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

func (p program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell what this machine offers and lacks",
		Long: "doctor looks at everything the server needs of this machine, changes nothing, and says how to mend what is missing. Its\n" +
			"last check runs a line of Python in a real sandbox. It exits with 1 if code cannot be run.\n\n" +
			"With --attack it then attacks that sandbox, with the driver and the limits that are configured: every attack of the threat\n" +
			"model that code in a session can make, beside another session that must not notice. For as long as that takes, files with\n" +
			"a secret of no worth are in the data folder, the home folder and the one for temporary files, and a port of the loopback\n" +
			"listens. It takes one to three minutes, leaves nothing behind unless it is killed, and exits with 1 if anything got through.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.Flags().Changed("attack") {
				return badUsage("--attack takes its rows behind a =, as --attack=%s", args[0])
			}
			return cobra.NoArgs(cmd, args)
		},
	}
	addOptions(cmd, serveOptions())
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	attack := cmd.Flags().String("attack", "", "attack the sandbox as hostile code would: all, or the attacks of these `rows` of the threat model, as --attack=12,53")
	cmd.Flags().Lookup("attack").NoOptDefVal = allAttacks
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(serveOptions(), cmd.Flags(), p.getenv)
		if err != nil {
			return err
		}
		chosen, err := chooseAttacks(*attack)
		if err != nil {
			return err
		}
		return p.doctor(cmd.Context(), cfg, *asJSON, chosen)
	}
	return cmd
}

// A finding is what doctor has to say of one thing.
type finding struct {
	Name   string `json:"name"`
	State  state  `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitzero"`
}

// A state is ok, warn (it works, but less well) or missing.
type state string

const (
	stateOK      state = "ok"
	stateWarn    state = "warn"
	stateMissing state = "missing"
)

var (
	errNoCode = errors.New("code cannot be run on this machine as it is")
	errBreach = errors.New("the sandbox does not hold on this machine: see the lines that say BREACH")
)

// doctorReport is what doctor prints as JSON.
type doctorReport struct {
	Version string         `json:"version"`
	RunsOK  bool           `json:"code_runs"`
	Checks  []finding      `json:"checks"`
	Attacks []attackResult `json:"attacks,omitzero"`
}

// doctor looks at everything, and attacks the sandbox if any attack is chosen.
func (p program) doctor(ctx context.Context, cfg *Config, asJSON bool, chosen attackChoice) error {
	report := doctorReport{Version: version()}
	show := func(list ...finding) {
		if ctx.Err() != nil {
			return // what an interrupt broke off is not missing
		}
		report.Checks = append(report.Checks, list...)
		if asJSON {
			return
		}
		for _, f := range list {
			f.write(p.stdout)
		}
	}
	env := examineAll(ctx, cfg, p.getenv, show)
	code := examineCode(ctx, cfg, env)
	show(code)
	if err := ctx.Err(); err != nil {
		return err
	}
	report.RunsOK = code.State != stateMissing
	var failed error
	switch {
	case !report.RunsOK:
		failed = errNoCode
	case chosen != nil:
		failed = p.attackAndCount(ctx, cfg, *env, chosen, asJSON, &report)
	}
	if asJSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetIndent("", "  ")
		return errors.Join(enc.Encode(report), failed)
	}
	return failed
}

// examineAll looks at everything but the running of code. The environment is nil if
// there is none.
func examineAll(ctx context.Context, cfg *Config, getenv func(string) string, show func(...finding)) *pyenv.Env {
	python, env := examinePython(ctx, cfg)
	show(python...)
	show(examineKernel(ctx)...)
	show(examineDataFolder(cfg.Data), examineFolder("temporary files", os.TempDir()))
	show(examineModel(ctx, cfg, getenv)...)
	if cfg.Entra.enabled() {
		show(examineEntra(ctx, cfg))
	}
	if cfg.Sandbox.Pip.enabled() && env != nil {
		show(examinePip(ctx, cfg, *env, getenv))
	}
	return env
}

// attackAndCount runs the attacks into report and sums them up.
func (p program) attackAndCount(ctx context.Context, cfg *Config, env pyenv.Env, chosen attackChoice, asJSON bool, report *doctorReport) error {
	// A reader that goes away, as head does, must not kill the process before it has removed what it planted.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	defer signal.Stop(broken)
	began, breaches, rows := time.Now(), 0, map[int]bool{}
	err := p.attack(ctx, cfg, env, chosen, func(r attackResult) error {
		report.Attacks = append(report.Attacks, r)
		rows[r.Row] = true
		if !r.Held {
			breaches++
		}
		if asJSON {
			return nil
		}
		return r.write(p.stdout)
	})
	if err != nil {
		return fmt.Errorf("attack the sandbox: %w", err)
	}
	if !asJSON {
		fmt.Fprintf(p.stdout, "%s on %s of the threat model in %v: %d held, %d did not\n",
			counted(len(report.Attacks), "attack"), counted(len(rows), "row"), time.Since(began).Round(time.Second), len(report.Attacks)-breaches, breaches)
	}
	if breaches > 0 {
		return errBreach
	}
	return nil
}

func (f finding) write(w io.Writer) {
	fmt.Fprintf(w, "%-8s %s: %s\n", f.State, f.Name, f.Detail)
	if f.Fix != "" {
		fmt.Fprintf(w, "%-8s   → %s\n", "", f.Fix)
	}
}

// examinePython looks for an interpreter and its packages. The environment is
// nil if there is none.
func examinePython(ctx context.Context, cfg *Config) ([]finding, *pyenv.Env) {
	in, refused, err := pyenv.Find(ctx, cfg.Python.Interpreter)
	if named := cfg.Python.Interpreter; named != "" && err != nil {
		f := finding{
			Name: "python", State: stateMissing, Detail: err.Error(),
			Fix: "name a CPython 3.11, 3.12 or 3.13 with --python (python.interpreter), or none, so that one is looked for",
		}
		if len(refused) > 0 {
			f.Detail = "cannot be used: " + refused[0].String()
		}
		return []finding{f}, nil
	}
	var passedOver []finding
	for _, r := range refused {
		passedOver = append(passedOver, finding{Name: "python", State: stateOK, Detail: "passed over " + r.String()})
	}
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), ":\n") // without the list of those that were passed over
		return append(passedOver, finding{
			Name: "python", State: stateMissing, Detail: first,
			Fix: "install CPython 3.11, 3.12 or 3.13 (Debian, Ubuntu: apt install python3 python3-pip), or name one with --python",
		}), nil
	}
	list := []finding{{Name: "python", State: stateOK, Detail: fmt.Sprintf("CPython %s at %s", in.Version, in.Path)}}
	list = append(list, passedOver...)
	look := *cfg
	look.Python.NoSetup = true
	env, err := look.python(ctx, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		f := finding{
			Name: "packages", State: stateMissing, Detail: err.Error(),
			Fix: "understudy setup --data " + cfg.Data + " (serve does it at its first start)",
		}
		if cfg.Python.Packages != "" { // then nothing is installed
			f.Fix = "correct --packages (python.packages), or leave it out, so that packages are installed into the data folder"
		}
		return append(list, f), nil
	}
	return append(list, finding{Name: "packages", State: stateOK, Detail: env.Packages}), &env
}

// examineDataFolder looks for room, and for other users who can look in.
func examineDataFolder(dir string) finding {
	f := examineFolder("data folder", dir)
	if info, err := os.Stat(dir); err == nil && f.State == stateOK && openToOthers(info) {
		f.State, f.Fix = stateWarn, "chmod go-rw "+shellQuote(dir)
		f.Detail += ", but other users of this machine can look in"
	}
	return f
}

// examineFolder looks for room. The folder may not exist yet.
func examineFolder(name, dir string) finding {
	const enough = 2 << 30 // the Python environment and some files
	at := dir
	for {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	f := finding{Name: name, State: stateMissing, Detail: dir}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		f.Detail += ": cannot be written: " + err.Error()
		f.Fix = "give this user the right to write there, or choose another folder"
		return f
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		f.Detail += ": " + err.Error()
		return f
	}
	free := int64(fs.Bavail) * fs.Bsize
	f.Detail += fmt.Sprintf(": %.1f GiB free", float64(free)/(1<<30))
	f.State = stateOK
	if free < enough {
		f.State, f.Fix = stateWarn, "make room: 2 GiB are needed for the Python packages and a few files"
	}
	return f
}

// examineModel says which model would answer, and whether it is there.
func examineModel(ctx context.Context, cfg *Config, getenv func(string) string) []finding {
	found, err := cfg.findModel(ctx, getenv, model.SelfCheck(cfg.Listen, localAddresses()...))
	if err != nil {
		return []finding{{Name: "model", State: stateMissing, Detail: err.Error()}}
	}
	var list []finding
	for _, note := range found.Notes {
		list = append(list, finding{Name: "model", State: stateWarn, Detail: note})
	}
	if len(found.Config.Upstreams) == 0 {
		return append(list, finding{
			Name: "model", State: stateWarn, Detail: found.Description,
			Fix: "set OPENAI_API_KEY, or OPENAI_BASE_URL for any server that speaks chat completions, or start Ollama",
		})
	}
	list = append(list, finding{Name: "model", State: stateOK, Detail: found.Description})
	for _, u := range found.Config.Upstreams {
		list = append(list, reach(ctx, u))
	}
	return list
}

// reach asks an upstream for anything at all: even a refusal shows that it is
// there. The key is not sent.
func reach(ctx context.Context, u model.Upstream) finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	f := finding{Name: "model upstream " + u.Name, State: stateMissing, Fix: "check the address and the network between here and there"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.BaseURL, nil)
	if err == nil {
		var resp *http.Response
		if resp, err = http.DefaultTransport.RoundTrip(req); err == nil {
			resp.Body.Close()
			return finding{Name: f.Name, State: stateOK, Detail: fmt.Sprintf("answers HTTP (%d; asked without the key)", resp.StatusCode)}
		}
	}
	f.Detail = "does not answer: " + err.Error()
	return f
}

// examineEntra asks the issuer of tokens for its keys.
func examineEntra(ctx context.Context, cfg *Config) finding {
	f := finding{Name: "entra", State: stateMissing, Fix: "check entra.issuer or entra.tenant, and the network between here and there"}
	v, err := cfg.Entra.verifier(nil)
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer v.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	keys, err := v.Probe(ctx)
	if err != nil {
		f.Detail = "the issuer's keys cannot be had: " + err.Error()
		return f
	}
	return finding{Name: f.Name, State: stateOK, Detail: fmt.Sprintf("the issuer has %d usable keys", keys)}
}

// examinePip looks for what installs packages; it does not ask the index.
func examinePip(ctx context.Context, cfg *Config, env pyenv.Env, getenv func(string) string) finding {
	f := finding{Name: "pip", State: stateMissing}
	dir, err := os.MkdirTemp("", "understudy-doctor-*")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer os.RemoveAll(dir)
	if _, err := cfg.Sandbox.Pip.source(ctx, dir, env, getenv, slog.New(slog.DiscardHandler)); err != nil {
		f.Detail = err.Error()
		return f
	}
	return finding{Name: f.Name, State: stateOK, Detail: "code may install " + strings.Join(cfg.Sandbox.Pip.Allow, ", ") + "; the index itself has not been asked, and may be out of reach"}
}

// examineCode runs Python as the server would.
func examineCode(ctx context.Context, cfg *Config, env *pyenv.Env) (f finding) {
	f = finding{Name: "running code", State: stateMissing}
	if env == nil {
		f.Detail = "needs Python and its packages"
		return f
	}
	dir, err := os.MkdirTemp("", "understudy-doctor-*")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := cfg.sandboxConfig(dir, *env, slog.New(slog.DiscardHandler))
	c.Pool = -1
	m, err := sandbox.New(ctx, c)
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	defer m.Close()
	start := time.Now()
	result, err := m.Run(ctx, "doctor", sandbox.Cell{Code: "import numpy, pandas, matplotlib\nprint(6 * 7)"})
	report := m.Report()
	switch {
	case err != nil:
		f.Detail, f.Fix = cmp.Or(report.Problem, err.Error()), cmp.Or(report.Fix, "see the lines above")
	case result.Status != sandbox.StatusOK || len(result.Outputs) != 1 || strings.TrimSpace(result.Outputs[0].Logs) != "42":
		f.Detail = fmt.Sprintf("the test cell ended %s: %+v", result.Status, result.Outputs)
	default:
		f.State = stateOK
		f.Detail = fmt.Sprintf("works, isolation %q, first cell after %v; %s", report.Level, time.Since(start).Round(time.Millisecond), report)
		if report.Level < sandbox.LevelFull {
			f.State, f.Fix = stateWarn, cmp.Or(report.Fix, "isolation is less than full: see the kernel's lines above")
		}
	}
	return f
}
