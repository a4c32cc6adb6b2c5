package measure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MemInfo returns a line of /proc/meminfo in bytes.
func MemInfo(name string) (int64, error) { return kilobytes("/proc/meminfo", name) }

// Resident returns the resident memory of a process in bytes.
func Resident(pid int) (int64, error) {
	return kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
}

// Proportional returns the memory of a process in bytes, its page tables included.
// A page that several processes share counts in parts: the sum over all who share
// it is what they take.
func Proportional(pid int) (int64, error) {
	pages, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss")
	if err != nil {
		return 0, err
	}
	tables, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmPTE")
	return pages + tables, err
}

// Ended reports whether err says that the process is gone.
func Ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, errNoLine)
}

// errNoLine says that a file lacks a line; those of a process that is dead but not
// waited for have none.
var errNoLine = errors.New("no such line")

// kilobytes returns the number of a line "name: 12 kB", in bytes.
func kilobytes(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		value, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s of %s: %w", name, file, err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("%s of %s: %w", name, file, errNoLine)
}

// Descendants returns the processes that pid started, and those that they did.
func Descendants(pid int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || len(fields) < 2 {
			continue
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			continue
		}
		children[parent] = append(children[parent], child)
	}
	found := children[pid]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found, nil
}
