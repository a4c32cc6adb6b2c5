package sandbox

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed agent/*.py
var agentFiles embed.FS

const (
	// Host ids from firstKernelID on belong to sessions, kernelIDs of them to each
	// server. They are above what systemd hands to containers and below the sign bit.
	firstKernelID = 0x7000_0000
	kernelIDs     = 65_536
	kernelRanges  = 1024
	firstUser     = 1000 // id of the first session, as it sees itself

	jailStart = time.Minute // imports from a cold disk included
)

// warmImports are loaded before the first session, so that none pays for them: what
// most code uses, and where sessions share it, what takes longest to import of the
// rest. All are optional.
var (
	warmImports = []string{"numpy", "pandas", "matplotlib.pyplot", "IPython", "PIL.Image"}
	warmExtras  = []string{"openpyxl", "scipy.stats", "seaborn"}
)

// jail is one generation of the processes that sessions come from: the first stage,
// which built what they see of the host, and the second, which makes them.
type jail struct {
	cmd   *exec.Cmd
	ctl   *net.UnixConn
	turn  chan struct{} // holds one token: requests take turns
	dead  chan struct{} // closed when the first stage is gone
	ready jailReply
	dir   string // where its root was mounted

	retired  atomic.Bool
	failures atomic.Int32 // sessions in a row that did not start
}

// errJail says that something failed in the jail.
var errJail = errors.New("jail")

// errTransport says that a request got no answer.
var errTransport = errors.New("no answer from the jail")

// jailReply is any answer on the control socket.
type jailReply struct {
	Error    string            `json:"error"`
	UserNS   bool              `json:"userns"` // it is not in the host's first user namespace
	Ready    bool              `json:"ready"`
	Python   string            `json:"python"`
	Packages map[string]string `json:"packages"`
	Shell    string            `json:"shell"`
	PID      int               `json:"pid"`
	Into     bool              `json:"into"` // the session was born in its control group
	Memory   int64             `json:"memory"`
}

// startJail starts a generation and waits until it has imported everything.
func startJail(ctx context.Context, c Config, m maker, groups *cgroups) (_ *jail, err error) {
	ctx, cancel := context.WithTimeout(ctx, jailStart)
	defer cancel()
	filter, err := seccompFilter(runtime.GOARCH, m.sharesUser())
	if err != nil {
		return nil, err
	}
	if c.without.seccomp {
		filter = nil
	}
	files, err := agentSources()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.Dir, "jail")
	if err != nil {
		return nil, fmt.Errorf("make the jail's mount point: %w", err)
	}
	j := &jail{dir: dir, turn: make(chan struct{}, 1), dead: make(chan struct{})}
	if err := j.spawn(c, files, groups); err != nil {
		os.Remove(dir)
		return nil, err
	}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = j.ctl.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := j.send(firstMessage(c, m, dir, files)); err != nil {
		return nil, err
	}
	if privileged() {
		if err := j.mapUsers(); err != nil {
			return nil, err
		}
	}
	if err := j.send(m.prepare(c, filter)); err != nil {
		return nil, err
	}
	j.ready, err = j.receive(nil)
	if err != nil {
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return j, nil
}

// firstMessage is what the first stage has to know.
func firstMessage(c Config, m maker, dir string, files map[string]string) map[string]any {
	environment := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/tmp", "TZ": "UTC",
		"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "IPYTHONDIR": "/tmp/.ipython",
	}
	for _, library := range []string{"OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB"} {
		environment[library+"_NUM_THREADS"] = "1"
	}
	first, count := m.users(c)
	return map[string]any{
		"root": dir, "script": m.script, "packages": c.Packages, "runsc": m.runsc, "remap": privileged(),
		"uids": []int{first, count}, "files": files, "environment": environment, "proc": !c.without.proc,
	}
}

// spawn starts the first stage: the interpreter, on an archive in memory.
func (j *jail) spawn(c Config, files map[string]string, groups *cgroups) error {
	archive, err := agentArchive(files)
	if err != nil {
		return err
	}
	defer archive.Close()
	ours, theirs, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return err
	}
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	j.ctl = conn.(*net.UnixConn)
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setsid: true}
	if !privileged() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	j.cmd = &exec.Cmd{
		Path:        c.Python,
		Args:        []string{c.Python, "-I", "-S", "-B", "/proc/self/fd/4"},
		Env:         []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"},
		Dir:         "/",
		ExtraFiles:  []*os.File{theirs, archive},
		SysProcAttr: attr,
		Stdout:      &logWriter{log: c.Logger},
		Stderr:      &logWriter{log: c.Logger},
		WaitDelay:   time.Second,
	}
	if err := startIn(groups, j.cmd); err != nil {
		j.ctl.Close()
		return fmt.Errorf("start %s in new namespaces: %w", c.Python, err)
	}
	go func() {
		defer close(j.dead)
		_ = j.cmd.Wait()
	}()
	return nil
}

// startIn starts cmd in the jail's own control group, where there is one and the
// kernel agrees; some containers refuse the call.
func startIn(groups *cgroups, cmd *exec.Cmd) error {
	group := groups.jail()
	if group == nil {
		return cmd.Start()
	}
	defer group.Close()
	inside := *cmd
	attr := *cmd.SysProcAttr
	attr.UseCgroupFD, attr.CgroupFD = true, int(group.Fd())
	inside.SysProcAttr = &attr
	if err := inside.Start(); err != nil {
		return cmd.Start()
	}
	*cmd = inside
	return nil
}

// kernelBase is the host id of the jail's root: another one for each server, so
// that two on one host do not share the limits that the kernel counts by user.
// Process ids are told apart by their namespace: servers in containers all have the same.
var kernelBase = sync.OnceValue(func() int {
	var st unix.Stat_t
	_ = unix.Stat("/proc/self/ns/pid", &st) // without, the process id has to do
	return firstKernelID + int((uint64(os.Getpid())+st.Ino)%kernelRanges)*kernelIDs
})

// mapUsers answers the first stage's wish for id maps.
func (j *jail) mapUsers() error {
	if _, err := j.receive(nil); err != nil {
		return err
	}
	line := fmt.Sprintf("0 %d %d\n", kernelBase(), kernelIDs)
	for _, name := range []string{"uid_map", "gid_map"} {
		file := fmt.Sprintf("/proc/%d/%s", j.cmd.Process.Pid, name)
		if err := os.WriteFile(file, []byte(line), 0); err != nil {
			return fmt.Errorf("map the ids of the sandbox: %w", err)
		}
	}
	return j.send(map[string]any{"mapped": true})
}

func (j *jail) send(message any, files ...*os.File) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := j.ctl.WriteMsgUnix(b, rights, nil); err != nil {
		return fmt.Errorf("%w: %w", errTransport, err)
	}
	return nil
}

// receive reads one answer. The descriptor that may come with it goes to file.
func (j *jail) receive(file **os.File) (jailReply, error) {
	buffer, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*8))
	n, rn, _, _, err := j.ctl.ReadMsgUnix(buffer, rights)
	if err != nil {
		return jailReply{}, fmt.Errorf("%w: %w", errTransport, err)
	}
	fds := parseRights(rights[:rn])
	for i, fd := range fds {
		if i == 0 && file != nil {
			_ = unix.SetNonblock(fd, true) // a process handle then waits in the runtime's poller; a folder has no such mode
			*file = os.NewFile(uintptr(fd), "sandbox")
			continue
		}
		unix.Close(fd)
	}
	if n == 0 {
		return jailReply{}, fmt.Errorf("%w: nobody is left who makes sessions", errTransport)
	}
	var reply jailReply
	if err := json.Unmarshal(buffer[:n], &reply); err != nil {
		return jailReply{}, fmt.Errorf("decode the jail's answer: %w", err)
	}
	if reply.Error != "" {
		return jailReply{}, fmt.Errorf("%w: %s", errJail, reply.Error)
	}
	return reply, nil
}

// call makes one request. An error of the transport ends the generation: the next
// start makes a new one.
func (j *jail) call(ctx context.Context, request map[string]any, files ...*os.File) (reply jailReply, got *os.File, err error) {
	select {
	case j.turn <- struct{}{}:
	case <-j.dead:
		return reply, nil, fmt.Errorf("%w: nobody is left who makes sessions", errTransport)
	case <-ctx.Done():
		return reply, nil, ctx.Err()
	}
	defer func() { <-j.turn }()
	_ = j.ctl.SetDeadline(time.Now().Add(callTimeout))
	err = j.send(request, files...)
	if err == nil {
		reply, err = j.receive(&got)
	}
	if errors.Is(err, errTransport) {
		j.retire()
	}
	return reply, got, err
}

// usable reports whether the generation can make sessions.
func (j *jail) usable() bool {
	select {
	case <-j.dead:
		return false
	default:
		return !j.retired.Load()
	}
}

// maxFailures is how many sessions in a row may fail to start before what they are
// copied from is taken for damaged.
const maxFailures = 3

// record notes whether a session started. One that hangs is enough: no caller is to wait
// for another.
func (j *jail) record(err error) {
	if err == nil {
		j.failures.Store(0)
	} else if j.failures.Add(1) >= maxFailures || errors.Is(err, os.ErrDeadlineExceeded) {
		j.retire()
	}
}

// retire makes the second stage exit; its sessions go on until they end.
func (j *jail) retire() {
	j.retired.Store(true)
	j.ctl.Close()
}

// close kills the generation with all its sessions.
func (j *jail) close() {
	j.ctl.Close()
	_ = j.cmd.Process.Kill()
	<-j.dead
	os.Remove(j.dir)
}

// agentSources returns the files of the agent by their path below its home.
func agentSources() (map[string]string, error) {
	files := map[string]string{}
	names, err := fs.Glob(agentFiles, "agent/*.py")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := agentFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the agent: %w", err)
		}
		switch base := path.Base(name); base {
		case "__main__.py", "guest.py", "gvisor.py", "zygote.py": // are run
			files[base] = string(b)
		default:
			files["understudy_agent/"+base] = string(b)
		}
	}
	return files, nil
}

// agentArchive writes the agent into a zip file in memory, for the interpreter to run.
func agentArchive(files map[string]string) (*os.File, error) {
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = f.Write([]byte(files[name]))
		}
		if err != nil {
			return nil, fmt.Errorf("pack the agent: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack the agent: %w", err)
	}
	fd, err := unix.MemfdCreate("agent", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "agent")
	if _, err := f.Write(buffer.Bytes()); err != nil {
		f.Close()
		return nil, fmt.Errorf("pack the agent: %w", err)
	}
	return f, nil
}

// logWriter passes what the stages print to the log.
type logWriter struct{ log *slog.Logger }

func (w *logWriter) Write(b []byte) (int, error) {
	if text := bytes.TrimSpace(b); len(text) > 0 {
		w.log.Debug("jail", "text", string(text[:min(len(text), 4096)]))
	}
	return len(b), nil
}

// sweepDir removes what an earlier server left in dir.
func sweepDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	stale, err := filepath.Glob(filepath.Join(dir, "jail*"))
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	for _, jail := range stale {
		if err := os.Remove(jail); err != nil { // empty: its mounts lived in a namespace that is gone
			return fmt.Errorf("sandbox: remove what an earlier run left: %w", err)
		}
	}
	return nil
}
