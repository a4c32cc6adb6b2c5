package api

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
)

// uploadRequest is the body that begins an upload in parts.
type uploadRequest struct {
	Filename     string             `json:"filename"`
	Purpose      understudy.Purpose `json:"purpose"`
	Bytes        int64              `json:"bytes"`
	MIMEType     string             `json:"mime_type"`
	ExpiresAfter *struct {
		Anchor  string `json:"anchor"`
		Seconds int64  `json:"seconds"`
	} `json:"expires_after"`
}

// completionRequest is the body that makes a file of an upload's parts.
type completionRequest struct {
	PartIDs []string `json:"part_ids"`
	MD5     *string  `json:"md5"`
}

func (s *server) createUpload(w http.ResponseWriter, r *http.Request) error {
	var q uploadRequest
	if err := s.decode(w, r, s.schemas.createUpload, &q); err != nil {
		return err
	}
	name := cleanName(q.Filename)
	if name == "" {
		return invalidParam("filename", "invalid_value", "Invalid 'filename': it has no printable characters.")
	}
	if q.Purpose == understudy.PurposeAssistants {
		if err := checkExtension(name); err != nil {
			return err
		}
	}
	now := time.Now()
	u := &understudy.Upload{
		ID: understudy.NewID(understudy.PrefixUpload), Object: "upload", Bytes: q.Bytes, CreatedAt: now.Unix(), Filename: name, Purpose: q.Purpose,
		Status: understudy.UploadPending, ExpiresAt: now.Add(understudy.UploadLifetime).Unix(),
	}
	var lifetime int64
	if q.ExpiresAfter != nil {
		lifetime = q.ExpiresAfter.Seconds
	}
	if err := s.Store.CreateUpload(r.Context(), u, lifetime); err != nil {
		return err
	}
	return ok(w, u)
}

// addUploadPart keeps the bytes first: a crash in between leaves bytes that the
// store knows to be loose, never a part without bytes.
func (s *server) addUploadPart(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "upload_id")
	if err != nil {
		return err
	}
	if r.ContentLength > understudy.MaxUploadPart+1<<20 {
		return errTooLarge("part", understudy.MaxUploadPart)
	}
	p := &understudy.UploadPart{ID: understudy.NewID(understudy.PrefixPart), Object: "upload.part", CreatedAt: time.Now().Unix(), UploadID: ids[0]}
	if err := s.Store.BeginPart(r.Context(), p.UploadID, p.ID); err != nil {
		return err
	}
	f, err := s.openForm(w, r)
	if err != nil {
		return err
	}
	size, err := s.receivePart(r.Context(), f, p.ID)
	if err == nil {
		err = s.Store.AddPart(r.Context(), p, size, retried(r))
	}
	if err != nil {
		return errors.Join(err, s.Files.Delete(p.ID))
	}
	return ok(w, p)
}

// receivePart reads the form of a part: its one field called data goes to the
// folder of files as it arrives.
func (s *server) receivePart(ctx context.Context, f *form, id string) (size int64, err error) {
	received := false
	for n := 0; ; n++ {
		field, err := f.parts.NextPart()
		switch {
		case errors.Is(err, io.EOF) && received:
			return size, nil
		case errors.Is(err, io.EOF):
			return 0, invalidParam("data", "missing_required_parameter", "Missing required parameter: 'data'.")
		case err != nil:
			return 0, f.broken()
		case n == maxFields:
			return 0, understudy.Invalid("The form has too many fields.")
		case field.FormName() != "data":
			if n, err := io.Copy(io.Discard, io.LimitReader(field, maxFieldSize+1)); err != nil {
				return 0, f.broken()
			} else if n > maxFieldSize {
				return 0, understudy.Invalid("The form's field '%s' is too long.", abbreviate(field.FormName()))
			}
			continue
		case received:
			return 0, understudy.Invalid("The form has more than one field 'data'.")
		}
		limited := &fileReader{part: field, form: f, left: understudy.MaxUploadPart, tooLarge: errTooLarge("part", understudy.MaxUploadPart)}
		if size, err = s.Files.Put(ctx, id, limited); err != nil {
			return 0, err
		}
		received = true
	}
}

// completeUpload makes a file of the parts. The upload stays pending until the file
// is there, so that the client can go on after whatever went wrong.
func (s *server) completeUpload(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "upload_id")
	if err != nil {
		return err
	}
	var q completionRequest
	if err := s.decode(w, r, s.schemas.completeUpload, &q); err != nil {
		return err
	}
	var sum []byte
	if q.MD5 != nil {
		if sum, err = hex.DecodeString(*q.MD5); err != nil || len(sum) != 16 {
			return invalidParam("md5", "invalid_value", "Invalid 'md5': '"+abbreviate(*q.MD5)+"'. Expected 32 hexadecimal digits.")
		}
	}
	u, err := s.makeFile(r.Context(), ids[0], q.PartIDs, sum)
	if err != nil {
		return s.repeated(w, r, ids[0], understudy.UploadCompleted, err)
	}
	return ok(w, u)
}

func (s *server) makeFile(ctx context.Context, id string, parts []string, sum []byte) (*understudy.Upload, error) {
	f, err := s.Store.BeginCompletion(ctx, id, understudy.NewID(s.dialect.filePrefix), parts)
	if err != nil {
		return nil, err
	}
	_, err = s.Files.Compose(ctx, f.ID, parts, sum)
	switch {
	case errors.Is(err, blob.ErrChecksum):
		return nil, invalidParam("md5", "invalid_value", "Invalid 'md5': the parts in this order have another checksum.")
	case errors.Is(err, fs.ErrNotExist): // let go of by another request, unless they were lost
		if u, lookErr := s.Store.Upload(ctx, id); lookErr == nil && u.Status != understudy.UploadPending {
			return nil, understudy.ClosedUpload(u)
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	u, err := s.Store.CompleteUpload(ctx, id, f)
	if err != nil {
		return nil, errors.Join(err, s.Files.Delete(f.ID))
	}
	return u, nil
}

func (s *server) cancelUpload(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "upload_id")
	if err != nil {
		return err
	}
	u, err := s.Store.CancelUpload(r.Context(), ids[0])
	if err != nil {
		return s.repeated(w, r, ids[0], understudy.UploadCancelled, err)
	}
	return ok(w, u)
}

// repeated answers a request that failed. If an SDK repeats it, because the first
// answer was lost, and what it asks for has been done, it gets that answer again.
func (s *server) repeated(w http.ResponseWriter, r *http.Request, id string, done understudy.UploadStatus, failed error) error {
	if !retried(r) {
		return failed
	}
	if u, err := s.Store.Upload(r.Context(), id); err == nil && u.Status == done {
		return ok(w, u)
	}
	return failed
}

// retried reports whether an SDK says that it makes the request once more.
func retried(r *http.Request) bool {
	n, err := strconv.Atoi(r.Header.Get("X-Stainless-Retry-Count"))
	return err == nil && n > 0
}
