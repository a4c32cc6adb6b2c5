package sandbox

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"encoding/base64"
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

	zygoteStart = time.Minute // imports from a cold disk included
)

// warmImports are loaded before the first session, so that none pays for them: what
// most code uses, and what takes longest to import of the rest. All are optional.
var warmImports = []string{
	"numpy", "pandas", "matplotlib.pyplot", "IPython", "PIL.Image", "openpyxl", "scipy.stats", "seaborn",
}

// zygote is one generation of the process that sessions are forked from.
type zygote struct {
	cmd   *exec.Cmd
	ctl   *net.UnixConn
	turn  chan struct{} // holds one token: requests take turns
	dead  chan struct{} // closed when the first stage is gone
	ready zygoteReply
	jail  string

	retired atomic.Bool
}

// errTransport says that a request got no answer.
var errTransport = errors.New("no answer from the zygote")

// zygoteReply is any answer on the control socket.
type zygoteReply struct {
	Error    string            `json:"error"`
	UserNS   bool              `json:"userns"`
	Ready    bool              `json:"ready"`
	Python   string            `json:"python"`
	Packages map[string]string `json:"packages"`
	Shell    string            `json:"shell"`
	PID      int               `json:"pid"`
	Running  bool              `json:"running"`
	Code     int               `json:"code"`
	Signal   int               `json:"signal"`
}

// startZygote starts a generation and waits until it has imported everything.
func startZygote(ctx context.Context, c Config, users int) (_ *zygote, err error) {
	ctx, cancel := context.WithTimeout(ctx, zygoteStart)
	defer cancel()
	filter, err := seccompFilter(runtime.GOARCH)
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
	jail, err := os.MkdirTemp(c.Dir, "jail")
	if err != nil {
		return nil, fmt.Errorf("make the jail's mount point: %w", err)
	}
	z := &zygote{jail: jail, turn: make(chan struct{}, 1), dead: make(chan struct{})}
	if err := z.spawn(c, files); err != nil {
		os.Remove(jail)
		return nil, err
	}
	defer func() {
		if err != nil {
			z.close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = z.ctl.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	first, second := zygoteConfig(c, jail, files, filter, users)
	if err := z.send(first); err != nil {
		return nil, err
	}
	if isRoot() {
		if err := z.mapUsers(); err != nil {
			return nil, err
		}
	}
	if err := z.send(second); err != nil {
		return nil, err
	}
	z.ready, err = z.receive(nil)
	if err != nil {
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return z, nil
}

// zygoteConfig returns the messages for the first stage and for the zygote.
func zygoteConfig(c Config, jail string, files map[string]string, filter []byte, users int) (first, second map[string]any) {
	uids := []int{0, 1}
	if isRoot() {
		uids = []int{firstUser, users}
	}
	environment := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/tmp", "TZ": "UTC",
		"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "IPYTHONDIR": "/tmp/.ipython",
	}
	for _, library := range []string{"OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB"} {
		environment[library+"_NUM_THREADS"] = "1"
	}
	first = map[string]any{
		"root": jail, "packages": c.Packages, "remap": isRoot(), "uids": uids, "files": files,
		"environment": environment, "proc": !c.without.proc,
	}
	second = map[string]any{
		"imports": warmImports, "seccomp": base64.StdEncoding.EncodeToString(filter),
		"landlock": !c.without.landlock, "proc": !c.without.proc, "collapse": true,
	}
	return first, second
}

// spawn starts the first stage: the interpreter, on an archive in memory.
func (z *zygote) spawn(c Config, files map[string]string) error {
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
	z.ctl = conn.(*net.UnixConn)
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setsid: true}
	if !isRoot() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	z.cmd = &exec.Cmd{
		Path:        c.Python,
		Args:        []string{"python3", "-I", "-S", "-B", "/proc/self/fd/4"},
		Env:         []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"},
		Dir:         "/",
		ExtraFiles:  []*os.File{theirs, archive},
		SysProcAttr: attr,
		Stdout:      &logWriter{log: c.Logger},
		Stderr:      &logWriter{log: c.Logger},
		WaitDelay:   time.Second,
	}
	if err := z.cmd.Start(); err != nil {
		z.ctl.Close()
		return fmt.Errorf("start %s in new namespaces: %w", c.Python, err)
	}
	go func() {
		defer close(z.dead)
		_ = z.cmd.Wait()
	}()
	return nil
}

// kernelBase is the host id of the zygote's root: another one for each server, so
// that two on one host do not share the limits that the kernel counts by user.
func kernelBase() int { return firstKernelID + os.Getpid()%kernelRanges*kernelIDs }

// mapUsers answers the first stage's wish for id maps.
func (z *zygote) mapUsers() error {
	if _, err := z.receive(nil); err != nil {
		return err
	}
	line := fmt.Sprintf("0 %d %d\n", kernelBase(), kernelIDs)
	for _, name := range []string{"uid_map", "gid_map"} {
		file := fmt.Sprintf("/proc/%d/%s", z.cmd.Process.Pid, name)
		if err := os.WriteFile(file, []byte(line), 0); err != nil {
			return fmt.Errorf("map the ids of the sandbox: %w", err)
		}
	}
	return z.send(map[string]any{"mapped": true})
}

func (z *zygote) send(message any, files ...*os.File) error {
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
	if _, _, err := z.ctl.WriteMsgUnix(b, rights, nil); err != nil {
		return fmt.Errorf("%w: %w", errTransport, err)
	}
	return nil
}

// receive reads one answer. The descriptor that may come with it goes to file.
func (z *zygote) receive(file **os.File) (zygoteReply, error) {
	buffer, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4*8))
	n, rn, _, _, err := z.ctl.ReadMsgUnix(buffer, rights)
	if err != nil {
		return zygoteReply{}, fmt.Errorf("%w: %w", errTransport, err)
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
		return zygoteReply{}, fmt.Errorf("%w: the zygote is gone", errTransport)
	}
	var reply zygoteReply
	if err := json.Unmarshal(buffer[:n], &reply); err != nil {
		return zygoteReply{}, fmt.Errorf("decode the zygote's answer: %w", err)
	}
	if reply.Error != "" {
		return zygoteReply{}, fmt.Errorf("zygote: %s", reply.Error)
	}
	return reply, nil
}

// call makes one request. An error of the transport ends the generation: the next
// start makes a new one.
func (z *zygote) call(ctx context.Context, request map[string]any, files ...*os.File) (reply zygoteReply, got *os.File, err error) {
	select {
	case z.turn <- struct{}{}:
	case <-z.dead:
		return reply, nil, fmt.Errorf("%w: the zygote is gone", errTransport)
	case <-ctx.Done():
		return reply, nil, ctx.Err()
	}
	defer func() { <-z.turn }()
	_ = z.ctl.SetDeadline(time.Now().Add(callTimeout))
	err = z.send(request, files...)
	if err == nil {
		reply, err = z.receive(&got)
	}
	if errors.Is(err, errTransport) {
		z.retire()
	}
	return reply, got, err
}

// usable reports whether the generation can make sessions.
func (z *zygote) usable() bool {
	select {
	case <-z.dead:
		return false
	default:
		return !z.retired.Load()
	}
}

// retire makes the zygote exit; its sessions go on until they end.
func (z *zygote) retire() {
	z.retired.Store(true)
	z.ctl.Close()
}

// close kills the generation with all its sessions.
func (z *zygote) close() {
	z.ctl.Close()
	_ = z.cmd.Process.Kill()
	<-z.dead
	os.Remove(z.jail)
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
		case "zygote.py", "__main__.py":
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

// logWriter passes what the zygote prints to the log.
type logWriter struct{ log *slog.Logger }

func (w *logWriter) Write(b []byte) (int, error) {
	if text := bytes.TrimSpace(b); len(text) > 0 {
		w.log.Debug("zygote", "text", string(text[:min(len(text), 4096)]))
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
