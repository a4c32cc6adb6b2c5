package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
)

// Keeper keeps the files of one key beyond its sessions, wherever its caller likes.
// The Manager asks it before each cell and tells it after each cell that changed
// something, in the key's turn.
//
// Kept are regular files with their path, content and modification time, up to
// Limits.KeptBytes and Limits.KeptFiles; not kept are links, pipes, empty folders
// and modes. An input is not kept as long as the session has not changed it: it is
// placed anew.
type Keeper interface {
	// Version names what is kept, "" for nothing. It changes with each Save.
	Version(ctx context.Context) (string, error)
	// Files returns what is kept. used says that the key has run cells before, so that
	// there were variables.
	Files(ctx context.Context) (files []KeptFile, used bool, err error)
	// Save makes the changes, all or none of them, durably, and returns the new version.
	// It fails if what is kept is not of version c.Since.
	Save(ctx context.Context, c Changes) (version string, err error)
}

// KeptFile is a file that a Keeper has. The error of Open wraps fs.ErrNotExist if
// the content is lost for good.
type KeptFile struct {
	FileInfo
	Open func(context.Context) (io.ReadCloser, error)
}

// Changes lead from one version of what is kept to the next.
type Changes struct {
	Since string   // the version that they begin with
	Gone  []string // paths of files that were removed or changed: what is kept of them goes
	// Files are kept in place of it: what is known of each, and its content, which may
	// have become shorter, and can be read until the next is asked for.
	Files iter.Seq2[FileInfo, io.Reader]
}

// freshSession is told with the first cell of a session that follows another one.
const freshSession = "This is a fresh session: the variables of earlier cells are gone, the files in /mnt/data are kept."

// workspace is what is kept of a session's files.
type workspace struct {
	version string
	kept    map[string]fileState // the files as they were saved or restored; nil: not restored yet
	failed  map[string]fileState // those that could not be read then
	absent  map[string]int64     // sizes of kept files that could not be restored, and stay kept
	left    string               // what the model was told of files that are not kept
}

// renew returns the version of what is kept. If that is not what the session has
// saved, it ends what the session has: another server has been here, or somebody
// has removed what was not used for long.
func (m *Manager) renew(ctx context.Context, s *keyed, keep Keeper) (version string, err error) {
	if keep == nil {
		return "", nil
	}
	if version, err = keep.Version(ctx); err != nil {
		return "", fmt.Errorf("sandbox: version of the kept files: %w", err)
	}
	if s.volume == nil || s.workspace.version == version {
		return version, nil
	}
	m.unbind(s)
	v := s.volume
	s.files.Lock()
	s.volume = nil
	s.files.Unlock()
	m.driver.dropVolume(v)
	return version, nil
}

// furnish puts the kept files beside the inputs of a session that has run no cell.
// They come second: an input that a cell changed is the changed one again, and a
// session can run cells however large the kept files are.
func (m *Manager) furnish(ctx context.Context, s *keyed, keep Keeper) error {
	if s.workspace.kept != nil {
		return nil
	}
	restored := map[string]bool{}
	if keep != nil {
		var err error
		if restored, err = m.restore(ctx, s, keep); err != nil {
			return err
		}
	}
	files, passed, err := s.volume.list(m.config.Limits.ListedFiles)
	if err != nil {
		return err
	}
	s.before, s.passed, s.workspace.kept = files, passed, maps.Clone(files)
	maps.DeleteFunc(s.workspace.kept, func(name string, _ fileState) bool { return !restored[name] })
	return nil
}

// rebase makes copies count for what they were copied from.
func (s *keyed) rebase(copied map[string]fileState) {
	for name, state := range s.before {
		old, ok := copied[name]
		if ok && s.workspace.kept[name] == old {
			s.workspace.kept[name] = state
		}
		if ok && s.inputs[name].sameContent(old) {
			s.inputs[name] = state
		}
	}
}

// restore writes the kept files and remembers what to tell. It returns the paths of
// those that are there now.
func (m *Manager) restore(ctx context.Context, s *keyed, keep Keeper) (restored map[string]bool, err error) {
	files, used, err := keep.Files(ctx)
	if err != nil {
		return nil, fmt.Errorf("sandbox: kept files: %w", err)
	}
	if !used {
		return nil, nil
	}
	var size int64
	for _, f := range files {
		size += f.Size
	}
	if err := m.config.checkMemory(size); err != nil {
		return nil, err
	}
	if err := m.makeRoom(ctx, s, files); err != nil {
		return nil, err
	}
	restored = make(map[string]bool, len(files))
	s.workspace.absent = map[string]int64{}
	var lost []string
	w := m.supply(ctx)
	for _, f := range files {
		switch err := restoreFile(w, s.volume, f); {
		case errors.Is(err, errLost):
			m.config.Logger.Debug("sandbox: restore a file", "error", err)
			lost = append(lost, f.Path)
			s.workspace.absent[f.Path] = f.Size
		case err != nil:
			return nil, err
		default:
			restored[f.Path] = true
		}
	}
	s.notice = freshSession
	if s.workspace.version == "" {
		s.notice = "This is a fresh session: the variables and files of earlier cells are gone."
	}
	if len(lost) > 0 {
		m.config.Logger.Warn("sandbox: files that are kept could not be restored", "files", len(lost), "of", len(files))
		s.notice += " But these could not be restored: " + someOf(lost) + "."
	}
	return restored, nil
}

// makeRoom gives the session the room that kept files take, within Config.MaxLimits:
// what an earlier session had room for is there although this one asks for less.
func (m *Manager) makeRoom(ctx context.Context, s *keyed, files []KeptFile) error {
	size := s.volume.size - int64(s.volume.room().bytes)
	page := int64(os.Getpagesize())
	for _, f := range files {
		size += (f.Size + page - 1) / page * page
	}
	size = min(size, m.config.MaxLimits.DataBytes)
	if size <= s.volume.size {
		return nil
	}
	if _, err := m.resize(ctx, s, m.config.withData(s.limits, size)); err != nil {
		return err
	}
	s.limits = m.config.withData(s.limits, s.volume.size)
	return nil
}

// errLost says that a kept file cannot be restored, however often one tries.
var errLost = errors.New("sandbox: file lost")

func restoreFile(w *supply, v *volume, f KeptFile) error {
	source, err := f.Open(w.ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	if err != nil {
		return fmt.Errorf("sandbox: open a kept file: %w", err)
	}
	defer source.Close()
	r := w.reader(source)
	if err := v.restore(f.FileInfo, r); err != nil && r.err == nil {
		return fmt.Errorf("%w: %w", errLost, err) // the volume has no room, say
	}
	return r.err
}

// supply is one go of putting files into a volume, with all that is read for it: that
// is memory of the server. It ends with ctx, and when too little memory is left.
type supply struct {
	ctx       context.Context // of whoever asked for it
	config    Config
	unchecked int   // bytes read since memory was looked at
	err       error // why it ended
}

// lookEvery is how many bytes are read before memory is looked at again.
const lookEvery = 16 << 20

func (m *Manager) supply(ctx context.Context) *supply { return &supply{ctx: ctx, config: m.config} }

func (s *supply) reader(r io.Reader) *suppliedReader { return &suppliedReader{supply: s, source: r} }

// check ends the supply if it cannot go on.
func (s *supply) check() error {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err == nil && s.unchecked > lookEvery {
		s.unchecked, s.err = 0, s.config.checkMemory(0)
	}
	return s.err
}

// suppliedReader is one file of a supply.
type suppliedReader struct {
	supply *supply
	source io.Reader
	err    error // why it could not be read to its end
}

func (r *suppliedReader) Read(b []byte) (int, error) {
	n, err := 0, r.supply.check()
	if err == nil {
		n, err = r.source.Read(b)
	}
	r.supply.unchecked += n
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// save keeps the files that have changed since the last time. It returns what to
// tell of those that could not be kept.
func (m *Manager) save(ctx context.Context, s *keyed, keep Keeper) (notice string) {
	m.mu.Lock()
	ended := s.ended
	m.mu.Unlock()
	if keep == nil || ctx.Err() != nil || ended == "deleted" || ended == "closed" { // what is stopped is saved with the next cell
		return ""
	}
	w := &s.workspace
	fit, left := m.choose(s)
	changed, gone := w.compare(fit)
	if len(gone) > 0 {
		failed := map[string]fileState{}
		version, err := keep.Save(ctx, Changes{Since: w.version, Gone: gone, Files: m.opened(s, fit, changed, failed)})
		if err != nil {
			if ctx.Err() == nil {
				m.config.Logger.Error("sandbox: save files", "error", err)
			}
			return "The files in /mnt/data could not be saved: what this cell changed is lost when the session ends."
		}
		for name := range failed {
			delete(fit, name)
			left = append(left, name)
		}
		for _, name := range gone {
			delete(w.absent, name)
		}
		m.countSaved(sizeOf(fit, changed))
		maps.Copy(w.failed, failed)
		w.version, w.kept = version, fit
	}
	return w.tell(left, s.passed, s.limits)
}

// sizeOf returns the bytes of those files that are there.
func sizeOf(files map[string]fileState, names []string) (bytes int64) {
	for _, name := range names {
		bytes += files[name].size
	}
	return bytes
}

// choose returns the files that are to be kept: all but unchanged inputs, or as
// many as the limits allow beside those that are absent, the smallest first. left are
// the others.
func (m *Manager) choose(s *keyed) (fit map[string]fileState, left []string) {
	fit = make(map[string]fileState, len(s.before))
	var bytes int64
	mayKeep, mayHave := s.limits.KeptBytes, s.limits.KeptFiles
	for name, size := range s.workspace.absent {
		if _, again := s.before[name]; !again {
			mayKeep, mayHave = mayKeep-size, mayHave-1
		}
	}
	for name, state := range s.before {
		switch {
		case s.inputs[name].sameContent(state):
		case s.workspace.failed[name] == state:
			left = append(left, name)
		default:
			fit[name] = state
			bytes += state.size
		}
	}
	if bytes <= mayKeep && len(fit) <= mayHave {
		return fit, left
	}
	bytes = 0
	bySize := slices.SortedFunc(maps.Keys(fit), func(a, b string) int {
		return cmp.Or(cmp.Compare(fit[a].size, fit[b].size), strings.Compare(a, b))
	})
	for i, name := range bySize {
		if bytes += fit[name].size; bytes > mayKeep || i >= mayHave {
			delete(fit, name)
			left = append(left, name)
		}
	}
	return fit, left
}

// compare returns the paths of files that are not kept as they are, and of all
// whose kept content is out of date, in order.
func (w *workspace) compare(fit map[string]fileState) (changed, gone []string) {
	for name, state := range fit {
		if w.kept[name] != state {
			changed = append(changed, name)
		}
	}
	for name := range w.kept {
		if _, ok := fit[name]; !ok {
			gone = append(gone, name)
		}
	}
	gone = append(gone, changed...)
	slices.Sort(changed)
	slices.Sort(gone)
	return changed, gone
}

// opened opens the files one after the other. Those that it cannot open it enters
// in failed.
func (m *Manager) opened(s *keyed, states map[string]fileState, names []string, failed map[string]fileState) iter.Seq2[FileInfo, io.Reader] {
	return func(yield func(FileInfo, io.Reader) bool) {
		for _, name := range names {
			f, err := s.volume.open(name, states[name].size)
			if err != nil {
				m.config.Logger.Debug("sandbox: read a file to keep", "error", err)
				failed[name] = states[name]
				continue
			}
			more := yield(states[name].info(name), f)
			f.Close()
			if !more {
				return
			}
		}
	}
}

// tell says which files are not kept, when that has changed.
func (w *workspace) tell(left []string, passed int, l Limits) string {
	var notice string
	if slices.Sort(left); len(left) > 0 {
		notice = fmt.Sprintf("Not kept when this session ends: %s. Kept are files that can be read, up to %d MiB and %d files.", someOf(left), l.KeptBytes>>20, l.KeptFiles)
	}
	if passed > 0 {
		notice = joinNotices(notice, fmt.Sprintf("Not kept when this session ends: entries of /mnt/data with unprintable or very long names, too deep in folders, or after the first %d.", l.ListedFiles))
	}
	if notice == w.left {
		return ""
	}
	w.left = notice
	return notice
}

// someOf lists a few names of many.
func someOf(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
