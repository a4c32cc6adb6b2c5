package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine says where something was measured.
type machine struct {
	Program    string  `json:"program"`
	CPU        string  `json:"cpu"`
	Processors int     `json:"processors"`
	Kernel     string  `json:"kernel"`
	Filesystem string  `json:"filesystem"`
	FsyncMS    float64 `json:"fsync_ms"` // median of writing 4 KiB durably
	Load       string  `json:"load"`     // average before the start: others disturb
}

func (m machine) String() string {
	return fmt.Sprintf("%s\n%d processors (%s), kernel %s, load %s\ndatabase on %s, a durable write of 4 KiB takes %.3g ms (median)",
		m.Program, m.Processors, m.CPU, m.Kernel, m.Load, m.Filesystem, m.FsyncMS)
}

func examineMachine(ctx context.Context, server, dir string) (machine, error) {
	out, err := exec.CommandContext(ctx, server, "version").Output()
	if err != nil {
		return machine{}, fmt.Errorf("%s version: %w", server, err)
	}
	m := machine{Program: strings.TrimSpace(string(out)), Processors: runtime.NumCPU(), CPU: "unknown"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			m.CPU = strings.TrimLeft(line, "\t :")
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return machine{}, err
	}
	m.Filesystem = filesystems[int64(fs.Type)]
	if m.Filesystem == "" {
		m.Filesystem = fmt.Sprintf("file system %#x", fs.Type)
	}
	m.FsyncMS, err = measureFsync(dir)
	return m, err
}

var filesystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.TMPFS_MAGIC: "tmpfs, which loses everything", unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
}

func measureFsync(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	var times []time.Duration
	for range 50 {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start))
	}
	return milliseconds(percentile(times, 50)), nil
}

// percentile returns the p-th percentile of times, which it sorts: the smallest
// that p of a hundred do not exceed.
func percentile(times []time.Duration, p int) time.Duration {
	slices.Sort(times)
	return times[max(0, (len(times)*p+99)/100-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
