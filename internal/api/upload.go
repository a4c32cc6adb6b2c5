package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

const (
	// uploadIdle is how long an upload may go without a byte arriving.
	uploadIdle = 60 * time.Second
	// maxFields and maxFieldSize bound what an upload may carry beside the file.
	maxFields    = 32
	maxFieldSize = 8 << 10
	// maxFilename is the longest name kept, in bytes.
	maxFilename = 1 << 10
)

// purposes are what an upload may be for, in the order in which the hosted API
// lists them.
var purposes = []understudy.Purpose{
	understudy.PurposeFineTune, understudy.PurposeAssistants, understudy.PurposeBatch,
	understudy.PurposeUserData, understudy.PurposeVision, understudy.PurposeEvals,
}

// extensions are those of files that assistants can use.
var extensions = []string{
	"c", "cpp", "cs", "css", "csv", "doc", "docx", "gif", "go", "html", "java", "jpeg", "jpg", "js", "json", "md", "pdf", "php",
	"pkl", "png", "pptx", "py", "rb", "sh", "tar", "tex", "ts", "txt", "webp", "xlsx", "xml", "zip",
}

// upload is what has arrived of the form that uploads a file.
type upload struct {
	file   *understudy.File
	stored bool // the bytes are in the folder of files
	fields map[string]string
}

func (s *server) uploadFile(w http.ResponseWriter, r *http.Request) (err error) {
	if r.ContentLength > understudy.MaxFileSize+1<<20 {
		return errTooLarge("file", understudy.MaxFileSize)
	}
	f, err := s.openForm(w, r)
	if err != nil {
		return err
	}
	now := time.Now()
	u := &upload{
		file: &understudy.File{
			Object: "file", ID: understudy.NewID(s.dialect.filePrefix), CreatedAt: now.Unix(), Status: "processed",
		},
		fields: make(map[string]string),
	}
	defer func() {
		if err != nil && u.stored {
			err = errors.Join(err, s.Files.Delete(u.file.ID))
		}
	}()
	if err := s.receive(r.Context(), f, u); err != nil {
		return err
	}
	if err := u.complete(now); err != nil {
		return err
	}
	if err := s.Store.CreateFile(r.Context(), u.file); err != nil {
		return err
	}
	return ok(w, u.file)
}

// form is a form that arrives.
type form struct {
	parts *multipart.Reader
	body  *idleReader
}

// openForm returns the form in the request's body.
func (s *server) openForm(w http.ResponseWriter, r *http.Request) (*form, error) {
	body := &idleReader{ReadCloser: r.Body, rc: http.NewResponseController(w)}
	r.Body = body
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, understudy.Invalid("Invalid Content-Type header. Expected multipart/form-data with a boundary.")
	}
	return &form{parts: parts, body: body}, nil
}

// broken tells why the form could not be read: the connection failed, or what
// came over it is no form.
func (f *form) broken() error {
	if f.body.err != nil {
		return bodyError(f.body.err)
	}
	return understudy.Invalid("We could not parse the multipart form in the body of your request.")
}

// receive reads the form: the file goes to the folder of files as it arrives,
// wherever in the form it is.
func (s *server) receive(ctx context.Context, f *form, u *upload) error {
	for n := 0; ; n++ {
		part, err := f.parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return f.broken()
		}
		if n == maxFields {
			return understudy.Invalid("The form has too many fields.")
		}
		name := part.FormName()
		if name != "file" {
			value, err := io.ReadAll(io.LimitReader(part, maxFieldSize+1))
			if err != nil {
				return f.broken()
			}
			if len(value) > maxFieldSize {
				return understudy.Invalid("The form's field '%s' is too long.", abbreviate(name))
			}
			u.fields[name] = string(value)
			continue
		}
		if u.stored {
			return understudy.Invalid("The form has more than one file.")
		}
		u.file.Filename = filename(part.Header.Get("Content-Disposition"))
		if err := u.check(); err != nil {
			return err // before the bytes are read for nothing
		}
		if u.file.Bytes, err = s.Files.Put(ctx, u.file.ID, &fileReader{
			part: part, form: f, left: understudy.MaxFileSize, tooLarge: errTooLarge("file", understudy.MaxFileSize),
		}); err != nil {
			return err
		}
		u.stored = true
	}
}

// check checks what is known so far of purpose and name.
func (u *upload) check() error {
	purpose, given := u.fields["purpose"]
	if !given {
		return nil
	}
	if !slices.Contains(purposes, understudy.Purpose(purpose)) {
		names := make([]string, len(purposes))
		for i, p := range purposes {
			names[i] = "'" + string(p) + "'"
		}
		return &understudy.Error{Kind: understudy.KindInvalid, Param: "purpose",
			Message: fmt.Sprintf("'%s' is not one of [%s] - 'purpose'", abbreviate(purpose), strings.Join(names, ", "))}
	}
	u.file.Purpose = understudy.Purpose(purpose)
	if u.file.Purpose == understudy.PurposeAssistants {
		return checkExtension(u.file.Filename)
	}
	return nil
}

// complete checks the whole form and fills in the file.
func (u *upload) complete(now time.Time) error {
	missing := ""
	switch {
	case !u.stored:
		missing = "file"
	case u.fields["purpose"] == "":
		missing = "purpose"
	}
	if missing != "" {
		return invalidParam(missing, "missing_required_parameter", "Missing required parameter: '"+missing+"'.")
	}
	if u.file.Filename == "" {
		u.file.Filename = cleanName(u.fields["filename"]) // sent by Azure's JavaScript client
	}
	if u.file.Filename == "" {
		u.file.Filename = "upload"
	}
	if err := u.check(); err != nil {
		return err
	}
	return u.expiry(now)
}

// expiry applies expires_after, if it was given.
func (u *upload) expiry(now time.Time) error {
	const param = "expires_after[seconds]"
	anchor, anchored := u.fields["expires_after[anchor]"]
	seconds, given := u.fields[param]
	if !anchored && !given {
		return nil
	}
	if anchored && anchor != understudy.AnchorCreatedAt {
		return invalidParam("expires_after[anchor]", "invalid_value", "Invalid value: '"+abbreviate(anchor)+"'. Supported values are: 'created_at'.")
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	switch {
	case err != nil:
		return invalidParam(param, "invalid_type", "Invalid type for '"+param+"': expected an integer.")
	case n > understudy.MaxFileExpiry:
		return invalidParam(param, "integer_above_max_value",
			fmt.Sprintf("Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", param, understudy.MaxFileExpiry, n))
	case n < understudy.MinFileExpiry:
		return invalidParam(param, "integer_below_min_value",
			fmt.Sprintf("Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", param, understudy.MinFileExpiry, n))
	}
	u.file.ExpiresAt = new(now.Unix() + n)
	return nil
}

// checkExtension refuses names with an extension that assistants cannot use.
// Names without any are accepted.
func checkExtension(name string) error {
	base := name[strings.LastIndexAny(name, `/\`)+1:]
	dot := strings.LastIndexByte(base, '.')
	if dot <= 0 {
		return nil // none, or a hidden file
	}
	if ext := base[dot+1:]; !slices.Contains(extensions, strings.ToLower(ext)) {
		return understudy.Invalid(`Invalid extension %s. Supported formats: "%s"`, abbreviate(ext), strings.Join(extensions, `", "`))
	}
	return nil
}

// filename returns the name in a Content-Disposition header, "" if there is
// none. Clients write names that are not ASCII as they are, as RFC 5987 has it
// (which wins), or as e-mail does.
func filename(header string) string {
	_, params, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	name := params["filename"]
	if strings.HasPrefix(name, "=?") {
		if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
			name = decoded
		}
	}
	return cleanName(name)
}

// cleanName makes a name safe to show: valid UTF-8 without characters that control
// or format text, of bounded length. It stays what the client called the file,
// slashes included: nothing may use it as a path.
func cleanName(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(name, "\uFFFD"))
	if len(name) > maxFilename {
		name = name[len(name)-maxFilename:] // the end has the extension
		for len(name) > 0 && !utf8.RuneStart(name[0]) {
			name = name[1:]
		}
	}
	return name
}

func errTooLarge(what string, limit int64) error {
	return &understudy.Error{Kind: understudy.KindTooLarge, Message: fmt.Sprintf("The %s is larger than the limit of %d bytes.", what, limit)}
}

// fileReader reads the file of a form. It fails with tooLarge once more than left
// bytes were read.
type fileReader struct {
	part     *multipart.Part
	form     *form
	left     int64
	tooLarge error
}

func (l *fileReader) Read(p []byte) (int, error) {
	n, err := l.part.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, l.tooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = l.form.broken()
	}
	return n, err
}

// idleReader reads a body of which some byte must arrive within [uploadIdle].
type idleReader struct {
	io.ReadCloser
	rc  *http.ResponseController
	set time.Time // when the deadline was last moved
	err error     // how the body failed, if it did
}

func (b *idleReader) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.set) > uploadIdle/10 {
		b.set = now
		_ = b.rc.SetReadDeadline(now.Add(uploadIdle)) // not supported by test recorders
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.rc.SetReadDeadline(time.Time{})
	case err != nil:
		b.err = err // the deadline stays: the server reads on to find the end of the body
	}
	return n, err
}
