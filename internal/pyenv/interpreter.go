package pyenv

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// probeTimeout bounds one question to one candidate: a shim or a network drive may hang.
const probeTimeout = 15 * time.Second

//go:embed probe.py
var probeScript string

// Interpreter is a Python that the sandbox can use.
type Interpreter struct {
	Path    string // the binary itself: absolute, symbolic links and version-manager shims resolved
	Version string // "3.12.1"
	ABI     string // "cp312"
	Machine string // "x86_64" or "aarch64"
}

// Refused is a candidate that cannot be used, and why.
type Refused struct {
	Path   string
	Reason string
}

// String is the path and the reason.
func (r Refused) String() string { return r.Path + ": " + r.Reason }

// ErrNoInterpreter says that no usable interpreter was found. The error that wraps it lists every candidate.
var ErrNoInterpreter = errors.New("no usable python")

// minors are the supported minor versions of CPython 3, in order of preference. Each has a lock in package python.
var minors = []int{13, 12, 11}

// probed is the answer of probe.py.
type probed struct {
	Executable     string   `json:"executable"`
	Implementation string   `json:"implementation"`
	Version        [3]int   `json:"version"`
	Bits           int      `json:"bits"`
	System         string   `json:"system"`
	Machine        string   `json:"machine"`
	Libc           string   `json:"libc"`
	FreeThreaded   bool     `json:"free_threaded"`
	Missing        []string `json:"missing"`
}

// Find returns the interpreter to use: want if it is set (a path, or a name to be found on PATH), else the first
// usable of python3.13, python3.12, python3.11 and python3 in the folders of PATH, /usr/local/bin and /usr/bin. A
// candidate below a folder that is closed to other users is taken only if there is no better one, because a sandbox
// that runs as another user could not start it.
//
// Candidates are run, with a time limit, to ask what they are. Those that were asked and cannot be used come back in
// the second result, also beside an interpreter. The error is ErrNoInterpreter with the whole list, or ctx's.
func Find(ctx context.Context, want string) (Interpreter, []Refused, error) {
	paths := candidates()
	if want != "" {
		path, err := exec.LookPath(want)
		if err != nil {
			return Interpreter{}, nil, fmt.Errorf("%w: %w", ErrNoInterpreter, err)
		}
		paths = []string{path}
	}
	var (
		refused []Refused
		closed  []Interpreter
		seen    = map[string]bool{}
	)
	for _, path := range paths {
		in, reason := inspect(ctx, path)
		if err := ctx.Err(); err != nil {
			return Interpreter{}, refused, fmt.Errorf("looking for python: %w", err)
		}
		switch {
		case reason != "":
			refused = append(refused, Refused{Path: path, Reason: reason})
		case want != "" || openToOthers(in.Path):
			return in, refused, nil
		case !seen[in.Path]:
			seen[in.Path] = true
			closed = append(closed, in)
		}
	}
	if len(closed) > 0 {
		return closed[0], refused, nil
	}
	return Interpreter{}, refused, noInterpreter(refused)
}

// noInterpreter says what was tried and what would help.
func noInterpreter(refused []Refused) error {
	var b strings.Builder
	for _, r := range refused {
		fmt.Fprintf(&b, "\n\t%s", r)
	}
	if len(refused) == 0 {
		b.WriteString(" on PATH")
	}
	return fmt.Errorf("%w (CPython 3.11, 3.12 or 3.13, 64-bit, glibc; on Debian and Ubuntu: python3 and python3-pip):%s", ErrNoInterpreter, b.String())
}

// candidates lists the files that could be an interpreter, the preferred first, each file once.
func candidates() []string {
	// PATH is the one thing asked of the environment here, as exec.LookPath does; LookPath stops at the first match,
	// which may be the shim of a version manager that hides the usable interpreter behind it.
	dirs := append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/bin", "/usr/bin")
	var names []string
	for _, minor := range minors {
		names = append(names, fmt.Sprintf("python3.%d", minor))
	}
	names = append(names, "python3")

	var paths []string
	seen := map[string]bool{}
	for _, name := range names {
		for _, dir := range dirs {
			path := filepath.Join(dir, name)
			if !filepath.IsAbs(path) {
				continue // as exec.LookPath: nothing is run from the current folder
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				continue
			}
			// All shims of a version manager may be links to one script that goes by its name.
			key := real
			if filepath.Base(real) != name && !strings.HasPrefix(filepath.Base(real), "python") {
				key = path
			}
			if info, err := os.Stat(real); err != nil || info.IsDir() || info.Mode()&0o111 == 0 || seen[key] {
				continue
			}
			seen[key] = true
			paths = append(paths, path)
		}
	}
	return paths
}

// inspect asks the program at path what it is. The reason is empty if it can be used.
func inspect(ctx context.Context, path string) (Interpreter, string) {
	p, err := probe(ctx, path)
	if err != nil {
		return Interpreter{}, err.Error()
	}
	in := Interpreter{
		Path:    p.Executable,
		Version: fmt.Sprintf("%d.%d.%d", p.Version[0], p.Version[1], p.Version[2]),
		ABI:     fmt.Sprintf("cp%d%d", p.Version[0], p.Version[1]),
		Machine: p.Machine,
	}
	return in, p.unusable()
}

// probe runs the program at path on probe.py.
func probe(ctx context.Context, path string) (probed, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := command(ctx, path, "-I", "-B", "-c", probeScript)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return probed{}, fmt.Errorf("gave no answer within %v", probeTimeout)
		}
		if why := complaint(stderr.Bytes()); why != "" {
			return probed{}, fmt.Errorf("%w: %s", err, why)
		}
		return probed{}, err
	}
	// Site customisations may print before the script does.
	var p probed
	if err := json.Unmarshal([]byte(lastLine(stdout.Bytes())), &p); err != nil {
		return probed{}, errors.New("did not answer like a python")
	}
	return p, nil
}

// unusable says why an interpreter cannot be used, or nothing.
func (p probed) unusable() string {
	switch {
	case p.System != "linux":
		return "runs on " + p.System + ", not linux"
	case p.Implementation != "cpython":
		return "is " + p.Implementation + ", not CPython"
	case p.Version[0] != 3 || !slices.Contains(minors, p.Version[1]):
		return fmt.Sprintf("is version %d.%d.%d, not 3.11, 3.12 or 3.13", p.Version[0], p.Version[1], p.Version[2])
	case p.Bits != 64:
		return fmt.Sprintf("is a %d-bit build", p.Bits)
	case p.Machine != "x86_64" && p.Machine != "aarch64":
		return "runs on " + p.Machine + ", not x86_64 or aarch64"
	case p.FreeThreaded:
		return "is a free-threaded build, for which the packages have no wheels"
	case p.Libc != "glibc":
		return "is linked with " + p.Libc + ", not glibc"
	case len(p.Missing) > 0:
		return "lacks standard modules: " + strings.Join(p.Missing, ", ")
	case !filepath.IsAbs(p.Executable):
		return "does not know its own path"
	}
	return ""
}

// openToOthers reports whether every user can reach path.
func openToOthers(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// complaint returns the line of what a failed program wrote that says why: the
// last of a traceback, else the first; no more than its beginning if it is long.
func complaint(text []byte) string {
	line := lastLine(text)
	if text = bytes.TrimSpace(text); !bytes.HasPrefix(text, []byte("Traceback")) {
		first, _, _ := bytes.Cut(text, []byte("\n"))
		line = string(bytes.TrimSpace(first))
	}
	const most = 200
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}

// lastLine returns the last line of text that is not blank, trimmed.
func lastLine(text []byte) string {
	text = bytes.TrimSpace(text)
	return string(bytes.TrimSpace(text[bytes.LastIndexByte(text, '\n')+1:]))
}
