package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Machine says where something was measured.
type Machine struct {
	CPU        string  `json:"cpu"`
	Processors int     `json:"processors"`
	Kernel     string  `json:"kernel"`
	MemoryMiB  float64 `json:"memory_mib"`
	Filesystem string  `json:"filesystem"`
	FsyncMS    float64 `json:"fsync_ms"` // median of writing 4 KiB durably
	Load       string  `json:"load"`     // average before the start: others disturb
}

// String returns two lines of prose.
func (m Machine) String() string {
	return fmt.Sprintf("%d processors (%s), %.0f MiB, kernel %s, load %s\n%s, a durable write of 4 KiB takes %.3g ms (median)",
		m.Processors, m.CPU, m.MemoryMiB, m.Kernel, m.Load, m.Filesystem, m.FsyncMS)
}

// Examine looks at this machine and at the disk that dir is on.
func Examine(dir string) (Machine, error) {
	m := Machine{Processors: runtime.NumCPU(), CPU: "unknown"}
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
	if total, err := MemInfo("MemTotal"); err == nil {
		m.MemoryMiB = MiB(total)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return Machine{}, err
	}
	m.Filesystem = filesystems[int64(fs.Type)]
	if m.Filesystem == "" {
		m.Filesystem = fmt.Sprintf("file system %#x", fs.Type)
	}
	var err error
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
	return Milliseconds(Percentile(times, 50)), nil
}
