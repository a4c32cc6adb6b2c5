package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
)

func (s *server) listFiles(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p, err := pageOf(q, filePage, filePage)
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListFiles(r.Context(), understudy.Purpose(q.Get("purpose")), p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(f *understudy.File) string { return f.ID }))
}

// file returns the file that the request's path names.
func (s *server) file(r *http.Request) (*understudy.File, error) {
	id := r.PathValue("file_id")
	if len(id) > maxID {
		return nil, understudy.FileNotFound(abbreviate(id))
	}
	return s.Store.File(r.Context(), id)
}

func (s *server) getFile(w http.ResponseWriter, r *http.Request) error {
	f, err := s.file(r)
	if err != nil {
		return err
	}
	return ok(w, f)
}

// deleteFile deletes the description first: a crash in between leaves bytes that a
// sweep removes, never a name without bytes.
func (s *server) deleteFile(w http.ResponseWriter, r *http.Request) error {
	f, err := s.file(r)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteFile(r.Context(), f.ID); err != nil {
		return err
	}
	if err := s.Files.Delete(f.ID); err != nil {
		return err
	}
	return ok(w, struct {
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
		ID      string `json:"id"`
	}{Object: "file", Deleted: true, ID: f.ID})
}

func (s *server) fileContent(w http.ResponseWriter, r *http.Request) error {
	f, err := s.file(r)
	if err != nil {
		return err
	}
	if !s.DownloadInputs && (f.Purpose == understudy.PurposeAssistants || f.Purpose == understudy.PurposeUserData) {
		return understudy.Invalid("Not allowed to download files of purpose: %s", f.Purpose)
	}
	content, err := s.Files.Open(f.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return understudy.FileNotFound(f.ID) // deleted a moment ago
	}
	if err != nil {
		return err
	}
	defer content.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", disposition(f.Filename))
	http.ServeContent(w, r, "", time.Unix(f.CreatedAt, 0), content)
	return nil
}

// disposition returns the header that gives a download its name: in ASCII, with
// what does not fit replaced, and, if anything was, once more as RFC 5987 has
// it. No name can add to the header.
func disposition(name string) string {
	var ascii, extended strings.Builder
	exact := true
	for _, c := range name {
		switch {
		case c == '"' || c == '\\':
			ascii.WriteByte('\\')
			ascii.WriteRune(c)
		case c >= ' ' && c < 0x7f:
			ascii.WriteRune(c)
		default:
			ascii.WriteByte('_')
			exact = false
		}
	}
	if exact {
		return `attachment; filename="` + ascii.String() + `"`
	}
	for _, c := range []byte(name) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			extended.WriteByte(c)
		} else {
			fmt.Fprintf(&extended, "%%%02X", c)
		}
	}
	return `attachment; filename="` + ascii.String() + `"; filename*=UTF-8''` + extended.String()
}
