package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// maxGrowth is for a leak in one of the libraries; without one the zygote stays as it is.
const maxGrowth = 64 << 20

// jailDriver makes sessions in a jail on this host; how, its maker says.
type jailDriver struct {
	config  Config
	maker   maker
	cgroups *cgroups

	making   chan struct{} // holds one token: a new generation is made by one caller
	starting chan struct{} // a token for each session on its way
	// maxGrowth is what the second stage may grow by before another takes its place.
	maxGrowth int64
	stop      context.CancelFunc
	watch     sync.WaitGroup

	mu      sync.Mutex
	current *jail
	old     []*jail // retired, with sessions that still run
	nextID  int
	users   []int // free session users, root only
	live    map[*session]bool
	closed  bool
	jails   int // that were started
	base    Report
}

// newDriver starts a jail and one session, to see that all of it works.
func newDriver(ctx context.Context, c Config) (driver, error) {
	if err := sweepDir(c.Dir); err != nil {
		return nil, err
	}
	m, err := newMaker(c)
	if err != nil {
		return nil, err
	}
	if err := refuseHostRoot(); err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background()) // ends with close
	d := &jailDriver{
		config: c, maker: m, making: make(chan struct{}, 1), starting: make(chan struct{}, m.atOnce), maxGrowth: maxGrowth, live: map[*session]bool{}, stop: stop,
		cgroups: &cgroups{kind: groupsNone},
	}
	switch {
	case c.without.controllers:
		d.cgroups = openBare("/sys/fs/cgroup/unified", "/proc/self/cgroup")
	case !c.without.cgroups:
		d.cgroups = openCgroups("/sys/fs/cgroup", "/proc/self/cgroup")
	}
	if err := d.cgroups.remember(c.Dir); err != nil {
		return nil, errors.Join(err, d.close())
	}
	first, count := m.users(c)
	for n := range count {
		d.users = append(d.users, first+n)
	}
	err = d.measure(ctx)
	if err != nil && d.jails > 0 && ctx.Err() == nil {
		c.Logger.Warn("sandbox: the first session did not start; it is tried once more", "error", err)
		err = d.measure(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	if !slices.Contains(d.base.Controllers, "memory") {
		d.watch.Go(func() { d.watchMemory(watch) })
	}
	return d, nil
}

// measure runs a session and writes down what isolation it found itself in.
func (d *jailDriver) measure(ctx context.Context) error {
	j, err := d.jail(ctx)
	if err != nil {
		return err
	}
	v, err := d.makeVolume(ctx, d.config.Limits)
	if err != nil {
		return err
	}
	p, err := d.start(ctx, v, d.config.Limits)
	if err != nil {
		d.dropVolume(v)
		return err
	}
	s := p.(*session)
	d.base = Report{
		Driver: d.maker.name, UserNamespace: j.ready.UserNS, UniqueUser: privileged() && !d.maker.ownKernel, Network: s.report.Network,
		Seccomp: s.report.Seccomp, Landlock: s.report.Landlock, Proc: s.report.Proc, Cgroups: d.cgroups.kind, DataVolume: "tmpfs",
		Python: j.ready.Python, Shell: j.ready.Shell, Packages: j.ready.Packages, Controllers: []string{},
	}
	if s.group != nil {
		d.base.Controllers = slices.Clone(s.group.held)
	}
	if d.cgroups.kind == groupsNone && !d.config.without.cgroups {
		d.base.Fix = "for hard limits of memory and processes, start the server in a control group of its own: Delegate=yes in its systemd unit, " +
			"or systemd-run --scope -p Delegate=yes, for ordinary users with --user"
	}
	d.base.grade()
	p.kill()
	<-p.exited()
	p.release()
	d.dropVolume(v)
	return nil
}

func (d *jailDriver) report() Report { return d.base }

func (d *jailDriver) usage() Usage {
	d.mu.Lock()
	u := Usage{Restarts: max(0, d.jails-1)}
	sessions := slices.Collect(maps.Keys(d.live))
	d.mu.Unlock()
	for _, s := range sessions {
		u.Memory = append(u.Memory, s.used())
	}
	return u
}

// jail returns a live generation, making one if there is none.
func (d *jailDriver) jail(ctx context.Context) (*jail, error) {
	select {
	case d.making <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.making }()
	d.mu.Lock()
	j, closed := d.current, d.closed
	d.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if j != nil && j.usable() {
		return j, nil
	}
	fresh, err := startJail(ctx, d.config, d.maker, d.cgroups)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if j != nil {
		d.old = append(d.old, j)
		d.config.Logger.Warn("sandbox: what makes sessions died and was started anew")
	}
	d.old = slices.DeleteFunc(d.old, func(j *jail) bool {
		select {
		case <-j.dead: // with its last session
			j.close()
			return true
		default:
			return false
		}
	})
	d.current = fresh
	d.jails++
	return fresh, nil
}

func (d *jailDriver) makeVolume(ctx context.Context, l Limits) (*volume, error) {
	v, err := d.tryVolume(ctx, l)
	if errors.Is(err, errTransport) {
		v, err = d.tryVolume(ctx, l) // it had died unnoticed; this is a new one
	}
	return v, err
}

func (d *jailDriver) tryVolume(ctx context.Context, l Limits) (*volume, error) {
	j, err := d.jail(ctx)
	if err != nil {
		return nil, err
	}
	v := &volume{home: j, size: l.DataBytes}
	d.mu.Lock()
	d.nextID++
	v.id = d.nextID
	if privileged() {
		if len(d.users) == 0 {
			d.mu.Unlock()
			return nil, ErrBusy
		}
		v.uid = d.users[0]
		if !d.maker.ownKernel {
			d.users = d.users[1:] // the longest unused first
		}
		v.host = hostID{switched: true, id: kernelBase() + v.uid}
	}
	d.mu.Unlock()
	_, v.dir, err = j.call(ctx, map[string]any{
		"op": "volume", "volume": v.id, "uid": v.uid, "size": v.size, "inodes": l.DataInodes,
	})
	if err == nil && v.dir == nil {
		err = errors.New("no folder came with the answer")
	}
	if err != nil {
		d.freeUser(v.uid)
		return nil, fmt.Errorf("sandbox: make volume: %w", err)
	}
	return v, nil
}

func (d *jailDriver) resizeVolume(ctx context.Context, v *volume, size int64) error {
	j := v.home.(*jail)
	if !j.usable() {
		return errVolumeLost
	}
	if _, _, err := j.call(ctx, map[string]any{"op": "resize", "volume": v.id, "size": size}); err != nil {
		return fmt.Errorf("sandbox: resize volume: %w", err)
	}
	v.size = size
	return nil
}

func (d *jailDriver) dropVolume(v *volume) {
	v.dir.Close()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	if j := v.home.(*jail); j.usable() {
		if _, _, err := j.call(ctx, map[string]any{"op": "drop", "volume": v.id}); err != nil {
			d.config.Logger.Warn("sandbox: drop volume", "error", err)
		}
	}
	d.freeUser(v.uid)
}

func (d *jailDriver) freeUser(uid int) {
	if uid == 0 || d.maker.ownKernel {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users = append(d.users, uid)
}

// errVolumeLost says that a volume belongs to a jail that is gone.
var errVolumeLost = errors.New("the volume's jail is gone")

func (d *jailDriver) start(ctx context.Context, v *volume, limits Limits) (_ process, err error) {
	j := v.home.(*jail)
	select {
	case d.starting <- struct{}{}:
		defer func() { <-d.starting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !j.usable() {
		return nil, errVolumeLost
	}
	d.mu.Lock()
	d.nextID++
	id := d.nextID
	d.mu.Unlock()
	s := &session{driver: d, jail: j, volume: v, limits: limits, gone: make(chan struct{})}
	s.mayHold.Store(d.maker.bounds(limits).Memory)
	defer func() {
		if err != nil {
			s.abandon()
		}
	}()
	var groupFiles []*os.File
	if d.cgroups.kind != groupsNone {
		if s.group, err = d.cgroups.create(id, d.maker.startBounds(limits)); err != nil {
			return nil, err
		}
		if groupFiles, err = s.group.files(); err != nil {
			return nil, err
		}
		defer closeAll(groupFiles)
	}
	theirs, err := s.open()
	if err != nil {
		return nil, err
	}
	reply, pidfd, err := j.call(ctx, d.maker.start(d.config, v, limits, s.group, len(theirs)), append(theirs, groupFiles...)...)
	closeAll(theirs) // now, or the end of a session that does not start would not be seen
	if errors.Is(err, errTransport) {
		return nil, fmt.Errorf("%w: %w", errVolumeLost, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: start session: %w", err)
	}
	s.pid, s.pidfd, s.born = reply.PID, pidfd, reply.Into
	if s.pidfd == nil {
		return nil, errors.New("sandbox: start session: no process handle")
	}
	go s.watch()
	err = s.begin(ctx)
	if ctx.Err() == nil {
		j.record(err)
	}
	if err == nil {
		err = s.settle()
	}
	if err != nil && !j.usable() {
		err = fmt.Errorf("%w: %w", errVolumeLost, err) // it may have gone before the session had taken it
	}
	if err != nil {
		return nil, err
	}
	if grown := reply.Memory - j.ready.Memory; grown > d.maxGrowth {
		d.config.Logger.Warn("sandbox: what makes sessions has grown and will be started anew", "bytes", grown)
		j.retire()
	}
	anonymous, shared := ownMemory(hostPID(s.pidfd))
	s.baseline = anonymous + shared
	d.mu.Lock()
	d.live[s] = true
	d.mu.Unlock()
	return s, nil
}

func (d *jailDriver) close() error {
	d.mu.Lock()
	d.closed = true
	generations := d.old
	if d.current != nil {
		generations = append(generations, d.current)
	}
	d.mu.Unlock()
	for _, j := range generations {
		j.close()
	}
	d.stop()
	d.watch.Wait()
	d.cgroups.close(d.config.Dir)
	return nil
}

// session is a running child of the second stage.
type session struct {
	driver *jailDriver
	jail   *jail
	volume *volume
	group  *cgroup
	socket net.Conn
	pipe   *os.File
	relay  net.Conn // passes interrupts on to a kernel of its own; nil if it has none
	pid    int      // in the jail's namespace
	born   bool     // in its control group, rather than moved there
	pidfd  *os.File
	report sessionReport

	baseline   int64        // memory it had at the start, shared with the zygote
	mayHold    atomic.Int64 // bytes of memory, for the watchdog
	overMemory atomic.Bool

	mu     sync.Mutex
	limits Limits // guarded by mu
	reaped bool   // its process id may be another's; guarded by mu

	gone    chan struct{}
	starved bool // set before gone is closed
}

// open makes the socket, the pipe and, if the session needs one, the relay; it returns
// the session's ends in this order, in which the second stage takes them.
func (s *session) open() (theirs []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(theirs)
		}
	}()
	var end *os.File
	if s.socket, end, err = connPair(); err != nil {
		return nil, err
	}
	theirs = append(theirs, end)
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return theirs, fmt.Errorf("session pipe: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true)
	s.pipe = os.NewFile(uintptr(fds[0]), "output")
	theirs = append(theirs, os.NewFile(uintptr(fds[1]), "output"))
	if s.driver.maker.ownKernel {
		if s.relay, end, err = connPair(); err != nil {
			return theirs, err
		}
		theirs = append(theirs, end)
	}
	return theirs, nil
}

// begin waits until the session is isolated and ready for a cell.
func (s *session) begin(ctx context.Context) error {
	if s.driver.maker.greeted {
		if err := s.greet(); err != nil {
			return err
		}
	}
	return s.awaitReady(ctx)
}

// settle puts the limits in force that were wider for the start.
func (s *session) settle() error {
	start, b := s.driver.maker.startBounds(s.limits), s.driver.maker.bounds(s.limits)
	if s.group == nil || start == b {
		return nil
	}
	held := s.driver.cgroups.set(s.group.dirs, b.Memory, b.Processes, b.CPU)
	for _, controller := range append(slices.Clone(s.group.held), s.driver.base.Controllers...) { // what the report promises
		if !slices.Contains(held, controller) {
			return fmt.Errorf("sandbox: the control group of a session does not take its limit: %s", controller)
		}
	}
	s.group.held = held
	return nil
}

// greet sends what a copy of a checkpoint waits for.
func (s *session) greet() error {
	_ = s.socket.SetWriteDeadline(time.Now().Add(callTimeout))
	text, err := json.Marshal(s.driver.maker.greeting(s.limits))
	if err == nil {
		_, err = s.socket.Write(appendFrame(nil, frame{kind: frameHello, json: text}))
	}
	return err
}

// awaitReady reads the first frame.
func (s *session) awaitReady(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = s.socket.SetReadDeadline(time.Now().Add(callTimeout))
	f, err := readFrame(s.socket, 64<<10)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("sandbox: session did not start: %w; it printed %q", err, s.printed())
	case f.kind == frameFatal:
		return fmt.Errorf("sandbox: session did not start: %s", f.json)
	}
	if err := decodeReady(f, &s.report); err != nil {
		return err
	}
	_ = s.socket.SetReadDeadline(time.Time{})
	return nil
}

// printed returns the first of what was printed before the session began: no code of a user's.
func (s *session) printed() []byte {
	text := make([]byte, 2048)
	_ = s.pipe.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _ := s.pipe.Read(text)
	return text[:n]
}

// watch waits for the end of the session's first process, which is the end of all:
// the kernel kills a PID namespace with its init, and reports the init last.
func (s *session) watch() {
	if raw, err := s.pidfd.SyscallConn(); err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	s.mu.Lock()
	s.reaped = true
	s.mu.Unlock()
	if _, _, err := s.jail.call(ctx, map[string]any{"op": "reap", "pid": s.pid}); err != nil {
		s.driver.config.Logger.Debug("sandbox: reap", "error", err) // its init does, if the second stage is gone
	}
	s.starved = s.overMemory.Load() || (s.group != nil && s.group.outOfMemory())
	close(s.gone)
}

func (s *session) streams() (net.Conn, *os.File) { return s.socket, s.pipe }
func (s *session) exited() <-chan struct{}       { return s.gone }
func (s *session) outOfMemory() bool             { return s.starved }
func (s *session) kill()                         { _ = s.signal(unix.SIGKILL) }

func (s *session) interrupt(by time.Time) error {
	if s.relay == nil {
		return s.signal(unix.SIGINT)
	}
	b := []byte{0}
	err := s.relay.SetDeadline(by)
	if err == nil {
		_, err = s.relay.Write(b)
	}
	if err == nil {
		_, err = s.relay.Read(b) // the answer
	}
	if err != nil {
		return fmt.Errorf("interrupt: %w", err)
	}
	return nil
}

func (s *session) signal(number unix.Signal) error {
	raw, err := s.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), number, nil, 0) }); err != nil {
		return err
	}
	return sent
}

func (s *session) release() {
	s.driver.mu.Lock()
	delete(s.driver.live, s)
	s.driver.mu.Unlock()
	s.pidfd.Close()
	s.disconnect()
}

// disconnect closes what open made, and removes the control group.
func (s *session) disconnect() {
	if s.socket != nil {
		s.socket.Close()
	}
	if s.pipe != nil {
		s.pipe.Close()
	}
	if s.relay != nil {
		s.relay.Close()
	}
	if s.group != nil {
		s.group.remove()
	}
}

// abandon undoes a start that failed half way.
func (s *session) abandon() {
	if s.pidfd != nil {
		s.kill()
		<-s.gone
		s.release()
		return
	}
	s.disconnect()
}

// connPair returns one end of a stream for the server, and one for a session.
func connPair() (net.Conn, *os.File, error) {
	ours, theirs, err := socketPair(unix.SOCK_STREAM)
	if err != nil {
		return nil, nil, err
	}
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("session socket: %w", err)
	}
	return conn, theirs, nil
}

func socketPair(kind int) (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	_ = unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// parseRights returns the descriptors in a control message.
func parseRights(control []byte) []int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var fds []int
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			for _, fd := range got {
				unix.CloseOnExec(fd)
			}
			fds = append(fds, got...)
		}
	}
	return fds
}
