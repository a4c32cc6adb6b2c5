package pyenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// build makes one environment.
type build struct {
	python       Interpreter
	root         string // <data>/python
	requirements string
	lock         *os.File // held; handed to pip, so that it stays held if only this process is killed
	progress     *progress
	logger       *slog.Logger
}

// run builds the environment and renames it to dir.
func (b *build) run(ctx context.Context, rec record, dir string) (err error) {
	defer b.progress.close()
	building := filepath.Join(b.root, buildingName)
	if err := os.RemoveAll(building); err != nil { // left by an interrupted installation
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(building))
		}
	}()
	result := filepath.Join(building, "result")
	packages := filepath.Join(result, packagesName)
	for _, d := range []string{packages, filepath.Join(building, "tmp"), filepath.Join(b.root, cacheName)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}

	b.progress.stage("looking for pip", 0)
	pip, err := b.findPip(ctx, building)
	if err != nil {
		return err
	}
	if err := b.install(ctx, pip, building, packages); err != nil {
		return err
	}
	b.progress.stage("compiling", 0)
	if err := trim(packages); err != nil {
		return err
	}
	if err := b.compile(ctx, packages); err != nil {
		return err
	}
	b.progress.stage("writing to disk", 0)
	if err := rec.write(result); err != nil {
		return err
	}
	if err := openUp(result); err != nil {
		return err
	}
	if err := publish(result, dir); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(building), os.RemoveAll(filepath.Join(b.root, cacheName)))
}

// publish makes everything in result durable and then visible as dir.
func publish(result, dir string) error {
	if err := os.RemoveAll(dir); err != nil { // half removed once, so without a record
		return err
	}
	f, err := os.Open(result)
	if err != nil {
		return err
	}
	defer f.Close()
	// One flush of the file system instead of one for each of twenty thousand files.
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", result, err)
	}
	if err := os.Rename(result, dir); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.Sync()
}

// install runs pip and follows what it says.
func (b *build) install(ctx context.Context, pip []string, building, packages string) error {
	list := filepath.Join(building, "requirements.txt")
	if err := os.WriteFile(list, []byte(b.requirements), 0o644); err != nil {
		return err
	}
	args := append(pip[1:len(pip):len(pip)],
		"--cache-dir", filepath.Join(b.root, cacheName), "--progress-bar", "off", "--no-deps", "--no-compile",
		"--require-hashes", "--only-binary", ":all:", "--target", packages, "--requirement", list)
	total := len(pinned.FindAllString(b.requirements, -1))
	b.progress.stage("downloading", total)
	b.progress.watch(func() int { return installed(building) })

	var stderr tail
	out, in := io.Pipe()
	cmd := b.command(ctx, building, pip[0], args...)
	cmd.Stdout, cmd.Stderr = in, &stderr
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.follow(out, total)
	}()
	err := cmd.Run()
	in.Close()
	<-read
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("pip: %w\n%s", err, stderr.String())
	}
	return nil
}

var (
	pinned   = regexp.MustCompile(`(?m)^[A-Za-z0-9][\w.-]*(\[[^]]*\])?\s*(==|@)`)
	collects = regexp.MustCompile(`^Collecting ([^ ]+)`)
	fetches  = regexp.MustCompile(`^\s+(?:Downloading|Using cached) .*?(\([^()]*B\))`)
)

// follow turns pip's output into progress, until it ends.
func (b *build) follow(out io.Reader, total int) {
	lines := bufio.NewScanner(out)
	n, name := 0, ""
	for lines.Scan() {
		line := lines.Text()
		b.logger.Debug("pip", "line", line)
		if m := collects.FindStringSubmatch(line); m != nil {
			name, _, _ = strings.Cut(m[1], "==")
			b.progress.step(n, name)
			n++
		} else if m := fetches.FindStringSubmatch(line); m != nil {
			b.progress.step(n-1, name+" "+m[1])
		} else if strings.HasPrefix(line, "Installing collected packages") {
			b.progress.stage("unpacking", total)
		}
	}
	io.Copy(io.Discard, out) // a line too long for the scanner must not stop pip
}

// installed counts the packages that pip has unpacked. It unpacks them into a temporary folder before it moves them; if
// a pip does so in another way, the count stays 0 and only the time is shown.
func installed(building string) int {
	found, err := filepath.Glob(filepath.Join(building, "tmp", "*", "lib", "python", "*.dist-info"))
	if err != nil {
		return 0
	}
	return len(found)
}

// trim takes out what no cell uses: the packages' own test suites, a tenth of the whole, and the programs and shared
// files that pip puts beside the packages.
func trim(packages string) error {
	for _, name := range []string{"bin", "share"} {
		if err := os.RemoveAll(filepath.Join(packages, name)); err != nil {
			return err
		}
	}
	return filepath.WalkDir(packages, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		// Below a package only: a package may itself be called tests.
		if !e.IsDir() || e.Name() != "tests" || filepath.Dir(path) == packages {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return fs.SkipDir
	})
}

// openUp lets every user read what is below dir, whatever the umask was: the sandbox may run as another.
func openUp(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		want := mode | 0o444
		if mode&0o100 != 0 {
			want |= 0o111
		}
		if mode == want {
			return nil
		}
		return os.Chmod(path, want)
	})
}

// compile writes the byte code, which the sandbox, where the packages are read-only, could not keep. It is marked as
// valid without a look at the source, so a copy of the folder that loses modification times stays as fast.
func (b *build) compile(ctx context.Context, packages string) error {
	var stderr tail
	cmd := b.command(ctx, filepath.Dir(filepath.Dir(packages)), b.python.Path,
		"-I", "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode", "unchecked-hash", packages)
	cmd.Stderr = &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Some packages carry templates that are not Python; compileall tells of them with exit status 1 and goes on.
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		b.logger.Debug("some python files were not compiled", "stderr", stderr.String())
		return nil
	}
	if err != nil {
		return fmt.Errorf("compileall: %w\n%s", err, stderr.String())
	}
	return nil
}

// command is an exec.Cmd that writes nothing outside building and the cache, keeps the installation's lock, and is
// killed with its children when ctx ends.
func (b *build) command(ctx context.Context, building, name string, args ...string) *exec.Cmd {
	cmd := command(ctx, name, args...)
	cmd.Dir = filepath.Join(building, "tmp")
	cmd.ExtraFiles = []*os.File{b.lock}
	cmd.Env = append(cmd.Environ(),
		"TMPDIR="+cmd.Dir,
		"PYTHONDONTWRITEBYTECODE=1",
		"PIP_DISABLE_PIP_VERSION_CHECK=1",
		"PIP_NO_INPUT=1",
		"PIP_NO_COLOR=1",
		"PIP_NO_WARN_SCRIPT_LOCATION=1",
		"PIP_ROOT_USER_ACTION=ignore",
		// A user's configuration may ask for these; neither goes with a target folder.
		"PIP_USER=0",
		"PIP_REQUIRE_VIRTUALENV=0",
	)
	return cmd
}

// command is an exec.Cmd whose whole process group is killed when ctx ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// tail is an io.Writer that keeps the end of what is written.
type tail struct{ buf []byte }

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return string(bytes.TrimSpace(t.buf[max(0, len(t.buf)-tailSize):]))
}
