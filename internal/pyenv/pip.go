package pyenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oldestPip is the first version that can be trusted with the options used here (target, hashes, platform).
const oldestPip = 21

// findPip returns the start of a command line that installs for b.python: the interpreter's own pip; else one that
// the interpreter unpacks into a virtual environment in the folder building; else that of any other Python, told for
// whom it installs. Debian's python3 comes without the first two.
func (b *build) findPip(ctx context.Context, building string) ([]string, error) {
	own := []string{b.python.Path, "-m", "pip", "install"}
	reason := b.tryPip(ctx, building, b.python.Path)
	if reason == nil {
		return own, nil
	}
	b.logger.Debug("python has no pip of its own", "python", b.python.Path, "err", reason)

	venv := filepath.Join(building, "venv")
	var stderr tail
	cmd := b.command(ctx, building, b.python.Path, "-I", "-m", "venv", venv)
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Run(); err == nil {
		if python := filepath.Join(venv, "bin", "python"); b.tryPip(ctx, building, python) == nil {
			return []string{python, "-m", "pip", "install"}, nil
		}
	}
	b.logger.Debug("python cannot make a virtual environment with pip", "python", b.python.Path, "err", stderr.String())

	for _, path := range candidates() {
		if b.tryPip(ctx, building, path) == nil {
			b.logger.Info("using the pip of another python", "path", path)
			return append([]string{path, "-m", "pip", "install"}, foreign(b.python)...), nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return nil, fmt.Errorf("%s has no pip, and no other python has one: install python3-pip or python3-venv (Debian, Ubuntu), "+
		"or name an interpreter that has pip", b.python.Path)
}

// tryPip says why the interpreter at path has no usable pip, or nil.
func (b *build) tryPip(ctx context.Context, building, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if _, err := os.Stat(path); err != nil {
		return err
	}
	var stdout, stderr tail
	cmd := b.command(ctx, building, path, "-m", "pip", "--version")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(stderr.buf))
	}
	version := strings.TrimPrefix(lastLine(stdout.buf), "pip ")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestPip {
		return fmt.Errorf("pip %s is older than %d", version, oldestPip)
	}
	return nil
}

// foreign returns the options with which the pip of one Python installs for another. Old versions of pip do not know that
// a platform includes the older ones of its kind, so all of those that the locks use are listed. All versions hold the
// Python that a package requires against the one that runs pip; the lock has seen to it for the right one.
func foreign(in Interpreter) []string {
	args := []string{"--python-version", in.Version, "--implementation", "cp", "--abi", in.ABI, "--ignore-requires-python"}
	for minor := 28; minor >= 17; minor-- {
		args = append(args, "--platform", fmt.Sprintf("manylinux_2_%d_%s", minor, in.Machine))
	}
	args = append(args, "--platform", "manylinux2014_"+in.Machine)
	if in.Machine == "x86_64" {
		for _, p := range []string{"manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1"} {
			args = append(args, "--platform", p+"_"+in.Machine)
		}
	}
	return append(args, "--platform", "linux_"+in.Machine)
}
