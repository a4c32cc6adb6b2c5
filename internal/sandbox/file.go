package sandbox

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// File is an open file of a session. It ends after Limits.DownloadSize bytes, even
// if the session makes it longer meanwhile. One goroutine may use it at a time.
type File struct {
	Name string // relative to /mnt/data
	Size int64  // when it was opened

	file *os.File
	rest int64
}

// Read reads as io.Reader.
func (f *File) Read(b []byte) (int, error) {
	if f.rest <= 0 {
		return 0, io.EOF
	}
	n, err := f.file.Read(b[:min(int64(len(b)), f.rest)])
	f.rest -= int64(n)
	return n, err
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// fileState tells whether a file changed.
type fileState struct {
	inode   uint64
	size    int64
	changed int64 // modification time, ns
	status  int64 // time of the last change to content, name or mode, ns, which no session can set
}

// sameContent reports whether a file has the content it had, as far as a session
// lets it be known.
func (s fileState) sameContent(o fileState) bool {
	return s.inode == o.inode && s.size == o.size && s.changed == o.changed
}

// info describes a file for a Result.
func (s fileState) info(name string) FileInfo {
	return FileInfo{Path: name, Size: s.size, ModTime: time.Unix(0, s.changed)}
}

// Files returns the regular files in /mnt/data of key's session by path, inputs
// included, at most Limits.ListedFiles; nil if there is no session, or they cannot be
// listed.
func (m *Manager) Files(key string) []FileInfo {
	m.mu.Lock()
	s := m.sessions[key]
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	s.files.RLock()
	defer s.files.RUnlock()
	if s.volume == nil {
		return nil
	}
	found, _, err := s.volume.list(m.config.Limits.ListedFiles)
	if err != nil {
		m.config.Logger.Warn("sandbox: list files", "error", err)
		return nil
	}
	files := make([]FileInfo, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		files = append(files, found[name].info(name))
	}
	return files
}

// maxName is how long the name of a file can be, in bytes.
const maxName = 255

// safeName reports whether name can be one plain file.
func safeName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > maxName || !utf8.ValidString(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) })
}
