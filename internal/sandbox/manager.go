package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

// maxWaiting bounds the cells that wait for one session.
const maxWaiting = 16

// Manager keeps the sessions. Its methods may be called concurrently.
type Manager struct {
	config Config
	driver driver // nil: there is no isolation here
	pool   *pool
	report Report

	mu       sync.Mutex
	closed   bool
	sessions map[string]*keyed
	stats    Stats
	ending   sync.WaitGroup
}

// keyed is what a key has: a volume, and a process unless that died.
type keyed struct {
	key     string
	turn    chan struct{} // one token: the holder runs a cell, or ends the session
	expiry  *time.Timer
	waiting int       // guarded by Manager.mu
	used    time.Time // when it was last asked for; guarded by Manager.mu
	ended   string    // why the session is over; guarded by Manager.mu

	files   sync.RWMutex // changes to these two; held to use them without the turn
	volume  *volume
	running process // of link

	// Only for the holder of turn.
	link      *link
	placed    map[string]bool
	unplaced  map[string]room      // inputs that the volume did not take, and what it had room for then
	before    map[string]fileState // the files after the last cell, or before the first
	passed    int                  // entries of /mnt/data that are not in before
	inputs    map[string]fileState // inputs, as they were placed
	workspace workspace
	notice    string // for the next cell: why its session is a fresh one
	limits    Limits // of link, or of the last one
	refused   string // what the model was told of limits that it does not get
}

// New starts the driver and the pool. A host on which sessions cannot be isolated
// is no error: then Report says why, and Run returns ErrIsolation.
func New(ctx context.Context, c Config) (*Manager, error) {
	c = c.withDefaults()
	if c.Dir == "" {
		return nil, errors.New("sandbox: Config.Dir is required")
	}
	m := &Manager{config: c, sessions: map[string]*keyed{}, stats: Stats{Killed: map[string]int{}, Cells: map[Status]int{}}}
	d, err := newDriver(ctx, c)
	if ctx.Err() != nil {
		if d != nil {
			_ = d.close()
		}
		return nil, ctx.Err()
	}
	if err != nil {
		m.report = Report{Level: LevelNone, Driver: "none", Problem: lastLine(err.Error()), Fix: remedyFor(err), Controllers: []string{}}
		c.Logger.Error("sandbox: no isolation", "error", err, "fix", m.report.Fix)
		return m, nil
	}
	m.driver, m.report = d, d.report()
	m.report.require(c.MinIsolation)
	if m.report.Level >= c.MinIsolation {
		m.pool = newPool(d, c)
	}
	return m, nil
}

// lastLine keeps of a Python traceback what says why.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 {
		return lines[0]
	}
	cause, _, _ := strings.Cut(lines[0], ": Traceback")
	return cause + ": " + lines[len(lines)-1]
}

// Report returns the isolation that sessions have.
func (m *Manager) Report() Report { return m.report }

// Limits returns the limits of a session, defaults filled in.
func (m *Manager) Limits() Limits { return m.config.Limits }

// Close kills every session and removes everything the Manager made. Cells that
// run end with StatusDied.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	keys := make([]string, 0, len(m.sessions))
	for key := range m.sessions {
		keys = append(keys, key)
	}
	m.mu.Unlock()
	for _, key := range keys {
		m.end(key, nil, "closed")
	}
	m.ending.Wait()
	if m.pool != nil {
		m.pool.close()
	}
	if m.driver == nil {
		return nil
	}
	return m.driver.close()
}

// Kill ends the session of key and removes its files; a cell that runs in it ends
// with StatusDied. It returns when nothing is left. A key without session is fine.
func (m *Manager) Kill(key string) { m.end(key, nil, "deleted") }

// Open opens a regular file of /mnt/data of key's session for reading. name may be
// "x.csv", "sub/x.csv" or "/mnt/data/x.csv". Errors wrap ErrNoSession,
// fs.ErrNotExist or ErrUnsafe.
func (m *Manager) Open(key, name string) (*File, error) {
	m.mu.Lock()
	s := m.sessions[key]
	m.mu.Unlock()
	if s == nil {
		return nil, ErrNoSession
	}
	s.files.RLock()
	defer s.files.RUnlock()
	if s.volume == nil {
		return nil, ErrNoSession
	}
	return s.volume.open(name, m.config.Limits.DownloadSize)
}

// Run runs one cell in the session of key, making the session if there is none.
// Cells of one key run one at a time; ctx bounds the wait too. The error says that
// the cell could not be run; what became of one that ran is in the Result. If ctx
// ends while the cell runs, the cell is interrupted, and killed after Limits.Grace.
func (m *Manager) Run(ctx context.Context, key string, cell Cell) (Result, error) {
	if m.report.Level < m.config.MinIsolation {
		return Result{}, fmt.Errorf("%w: %s", ErrIsolation, m.report.Problem)
	}
	if len(cell.Code) > m.config.Limits.CodeBytes {
		return Result{}, fmt.Errorf("%w: %d bytes of code", ErrTooLarge, len(cell.Code))
	}
	if key == "" || len(key) > 512 || !utf8.ValidString(key) {
		return Result{}, fmt.Errorf("sandbox: malformed key")
	}
	s, err := m.acquire(ctx, key)
	if err != nil {
		return Result{}, err
	}
	defer func() { <-s.turn }()
	asked := time.Now()
	limits, refused := m.allow(cell)
	from, err := m.provide(ctx, s, limits, cell.Keep)
	if err != nil {
		return Result{}, err
	}
	handover := time.Since(asked)
	m.countHandover(from, handover)
	untold, err := m.place(ctx, s, cell.Inputs)
	unplaced := s.without(cell.Inputs)
	if err == nil {
		err = m.furnish(ctx, s, cell.Keep)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		clear(s.unplaced) // nobody is told of them now
		return Result{}, err
	}
	result := m.execute(ctx, s, cell)
	result.Handover, result.Unplaced, result.Notice = handover, unplaced, joinNotices(untold, result.Notice)
	if refused != s.refused {
		s.refused, result.Notice = refused, joinNotices(refused, result.Notice)
	}
	return result, nil
}

// acquire returns the session of key, and the turn in it.
func (m *Manager) acquire(ctx context.Context, key string) (*keyed, error) {
	for {
		s, err := m.lookup(key)
		if errors.Is(err, errFull) && m.evict() {
			continue
		}
		if err != nil {
			return nil, err
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			err = ctx.Err()
		}
		m.mu.Lock()
		s.waiting--
		ended := s.ended
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if ended == "" {
			return s, nil
		}
		<-s.turn // it ended while we waited: the key gets a new one
	}
}

func (m *Manager) lookup(key string) (*keyed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	s := m.sessions[key]
	if s == nil {
		if len(m.sessions) >= m.config.MaxSessions {
			return nil, errFull
		}
		s = &keyed{key: key, turn: make(chan struct{}, 1)}
		s.expiry = time.AfterFunc(m.config.Lifetime+callTimeout, func() { m.end(key, s, "expired") }) // until provide knows better
		m.sessions[key] = s
		m.stats.Started++
	}
	if s.waiting >= maxWaiting {
		return nil, fmt.Errorf("%w: %d cells wait for this one", ErrBusy, s.waiting)
	}
	s.waiting++
	s.used = time.Now()
	return s, nil
}

// errFull says that a session would be one too many.
var errFull = fmt.Errorf("%w: no more than the configured number", ErrBusy)

// evict ends the session that nobody has used for the longest time. It reports
// false if all are in use.
func (m *Manager) evict() bool {
	m.mu.Lock()
	var idle *keyed
	for _, s := range m.sessions {
		if s.waiting == 0 && len(s.turn) == 0 && (idle == nil || s.used.Before(idle.used)) {
			idle = s
		}
	}
	if idle == nil {
		m.mu.Unlock()
		return false
	}
	m.detach(idle, "evicted") // with the lock that chose it: no cell comes between
	m.mu.Unlock()
	m.finish(idle)
	return true
}

// end ends the session of key, only if it is still only where that is not nil. The
// first caller does it; it returns when nothing of the session is left.
func (m *Manager) end(key string, only *keyed, reason string) {
	m.mu.Lock()
	s := m.sessions[key]
	if s == nil || (only != nil && s != only) {
		m.mu.Unlock()
		return
	}
	m.detach(s, reason)
	m.mu.Unlock()
	m.finish(s)
}

// detach takes the session from its key. The caller holds mu, and calls finish.
func (m *Manager) detach(s *keyed, reason string) {
	delete(m.sessions, s.key)
	s.ended = reason
	m.stats.Killed[reason]++
	m.ending.Add(1)
}

// finish ends a session that has no key any more, and returns when nothing of it is left.
func (m *Manager) finish(s *keyed) {
	defer m.ending.Done()
	s.expiry.Stop()
	s.files.RLock()
	if s.running != nil {
		s.running.kill()
	}
	s.files.RUnlock()
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	m.unbind(s)
	if s.volume != nil {
		v := s.volume
		s.files.Lock()
		s.volume = nil
		s.files.Unlock()
		m.driver.dropVolume(v)
	}
}

// bind gives the session a process, unless it ended meanwhile.
func (m *Manager) bind(s *keyed, k *link, v *volume) error {
	s.files.Lock()
	s.link, s.running, s.volume = k, k.process, v
	s.files.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.ended != "" {
		return fmt.Errorf("sandbox: session %s", s.ended)
	}
	return nil
}

// unbind ends the session's process, if it has one.
func (m *Manager) unbind(s *keyed) {
	if s.link == nil {
		return
	}
	s.link.close()
	s.files.Lock()
	s.link, s.running = nil, nil
	s.files.Unlock()
}

// provide makes sure that the session has a process with these limits.
func (m *Manager) provide(ctx context.Context, s *keyed, limits Limits, keep Keeper) (source, error) {
	version, err := m.renew(ctx, s, keep)
	if err != nil {
		return 0, err
	}
	if s.volume != nil {
		if limits, err = m.resize(ctx, s, limits); err != nil {
			return 0, err
		}
	}
	if s.link != nil {
		select {
		case <-s.link.process.exited():
			m.lose(s, "died between two cells", "died")
		case <-s.link.broken:
			m.lose(s, "broke the protocol between two cells", string(StatusProtocolError))
		default:
			if adapt(s, limits) {
				return fromBefore, nil
			}
			m.lose(s, "was given other limits", "other_limits")
		}
	}
	if s.volume == nil {
		from, err := m.seat(ctx, s, limits)
		if err != nil {
			return 0, err
		}
		s.workspace = workspace{version: version, failed: map[string]fileState{}}
		if limits, err = m.resize(ctx, s, limits); err != nil {
			return 0, err
		}
		if adapt(s, limits) {
			return from, nil
		}
		m.unbind(s) // nobody has used it: there is nothing to tell
	}
	p, v, err := m.restart(ctx, s, limits)
	if err != nil {
		return 0, err
	}
	s.limits = limits
	return onDemand, m.bind(s, newLink(p, m.config), v)
}

// seat gives the session files and a process, from the pool if one is ready there.
func (m *Manager) seat(ctx context.Context, s *keyed, limits Limits) (source, error) {
	seat, from, err := m.pool.take(ctx, limits)
	if err != nil {
		return 0, err
	}
	s.limits, s.placed, s.unplaced, s.inputs = seat.limits, map[string]bool{}, map[string]room{}, map[string]fileState{}
	s.expiry.Reset(m.config.Lifetime)
	s.before, s.passed, err = seat.volume.list(m.config.Limits.ListedFiles)
	return from, errors.Join(err, m.bind(s, seat.link, seat.volume))
}

// restart starts a process on the session's files. If they belong to a jail that is
// gone, or cannot have the size in limits, they are copied first.
func (m *Manager) restart(ctx context.Context, s *keyed, limits Limits) (process, *volume, error) {
	if err := m.config.checkMemory(0); err != nil {
		return nil, nil, err
	}
	if s.volume.size == limits.DataBytes {
		p, err := m.driver.start(ctx, s.volume, limits)
		if !errors.Is(err, errVolumeLost) {
			return p, s.volume, err
		}
	}
	v, err := m.driver.makeVolume(ctx, limits)
	if err != nil {
		return nil, nil, err
	}
	w := m.supply(ctx)
	copied, err := v.copyFrom(w, s.volume, limits)
	if w.err != nil {
		m.driver.dropVolume(v)
		return nil, nil, err
	}
	if err != nil {
		s.notice += " Some of its files could not be kept."
	}
	p, err := m.driver.start(ctx, v, limits)
	if err != nil {
		m.driver.dropVolume(v)
		return nil, nil, err
	}
	old := s.volume
	s.files.Lock()
	s.volume = v
	s.files.Unlock()
	m.driver.dropVolume(old)
	s.before, s.passed, err = v.list(m.config.Limits.ListedFiles)
	if err != nil {
		p.kill()
		<-p.exited()
		p.release()
		return nil, nil, err
	}
	s.rebase(copied)
	clear(s.unplaced)
	return p, v, nil
}

// lose ends a process that is of no use any more, counts it, and remembers what to tell.
func (m *Manager) lose(s *keyed, what, reason string) {
	m.countLost(reason)
	m.unbind(s)
	s.notice = fmt.Sprintf("The session was restarted because it %s: the variables of earlier cells are gone, the files in /mnt/data are kept.", what)
}

// place puts the inputs that the session does not have yet into its files. Those that
// there is no room for are told in notice, and tried again when there is more; those that
// the folder refuses are tried again each time: code must be able to run, if only to make room.
func (m *Manager) place(ctx context.Context, s *keyed, inputs []Input) (notice string, err error) {
	fresh, left, refused, err := m.placeEach(ctx, s, inputs)
	if left != nil {
		notice = fmt.Sprintf("Could not be put into /mnt/data: %s. That folder holds %s. Where there is more room, it is tried again.", someOf(left), s.limits.room())
	}
	if refused != nil {
		notice = joinNotices(notice, fmt.Sprintf("Could not be put into /mnt/data: %s. It is tried again with the next piece of code.", someOf(refused)))
	}
	if fresh == nil {
		return notice, err
	}
	before, passed, unlisted := s.volume.list(m.config.Limits.ListedFiles)
	if unlisted != nil {
		return "", errors.Join(err, unlisted)
	}
	s.before, s.passed = before, passed
	for name, state := range s.before { // under all its names
		if slices.ContainsFunc(fresh, func(id string) bool { return s.before[id].inode == state.inode }) {
			s.inputs[name] = state
		}
	}
	return notice, err
}

// placeEach places one input after the other, until one cannot be read. fresh are the
// ids of those that are there now, left the names of those that there is no room for, and
// refused of those that cannot be written for another reason, which is told.
func (m *Manager) placeEach(ctx context.Context, s *keyed, inputs []Input) (fresh, left, refused []string, err error) {
	w := m.supply(ctx)
	for _, in := range inputs {
		had, tried := s.unplaced[in.ID]
		has := s.volume.room()
		if s.placed[in.ID] || (tried && has.bytes <= had.bytes && has.files <= had.files) {
			continue
		}
		err := s.volume.place(w, in, s.limits.FileSize)
		if errors.Is(err, errNotPlaced) {
			m.config.Logger.Debug("sandbox: place an input", "error", err)
			refusal := ""
			if errors.Is(err, ErrTooLarge) {
				has = room{bytes: math.MaxUint64, files: math.MaxUint64}
			} else if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.ENOSPC && errno != syscall.EDQUOT {
				has, refusal = room{}, errno.Error() // code has closed the folder, say
			}
			s.unplaced[in.ID] = has
			if refusal != "" {
				refused = append(refused, fmt.Sprintf("%s (%s)", in.shown(), refusal))
			} else {
				left = append(left, in.shown())
			}
			continue
		}
		if err != nil {
			return fresh, left, refused, err
		}
		s.placed[in.ID] = true
		delete(s.unplaced, in.ID)
		fresh = append(fresh, in.ID)
	}
	return fresh, left, refused, nil
}

// without returns the ids of those inputs that the session has had no room for.
func (s *keyed) without(inputs []Input) (ids []string) {
	for _, in := range inputs {
		if _, left := s.unplaced[in.ID]; left {
			ids = append(ids, in.ID)
		}
	}
	return ids
}

// shown is the name of an input in words to the model.
func (in Input) shown() string {
	if safeName(in.Name) {
		return in.Name
	}
	return in.ID
}

// changes returns the files that are new or different since the last call.
func (m *Manager) changes(s *keyed) []FileInfo {
	after, passed, err := s.volume.list(m.config.Limits.ListedFiles)
	if err != nil {
		m.config.Logger.Warn("sandbox: list files", "error", err)
		return nil
	}
	var files []FileInfo
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if !after[name].sameContent(s.before[name]) {
			files = append(files, after[name].info(name))
		}
	}
	s.before, s.passed = after, passed
	return files
}
