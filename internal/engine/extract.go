package engine

import (
	"bytes"
	"context"
	_ "embed" // extract.py
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

const (
	maxText        = 64 << 20 // bytes of text of one file
	extractTimeout = 2 * time.Minute
	// extractKey begins the keys of the sessions in which documents are read. No
	// thread's id begins like that.
	extractKey = "extract:"
	// extractedFile is where extract.py puts the text, and reasonFile why there is none.
	extractedFile = "extracted.txt"
	reasonFile    = "reason.txt"
)

// extractProgram reads a document in the sandbox: parsers of untrusted files do
// not run in the server.
//
//go:embed extract.py
var extractProgram string

// documents are the endings of files that need a parser. Any other file is text,
// unless its bytes or its ending say that it is not.
var documents = map[string]bool{
	".pdf": true, ".docx": true, ".pptx": true, ".xlsx": true, ".xlsm": true, ".html": true, ".htm": true, ".xhtml": true,
	".rtf": true, ".odt": true, ".odp": true, ".ods": true, ".epub": true, ".ipynb": true, ".eml": true,
}

// notText are the endings of files in which there is no text to find, by what
// they are.
var notText = map[string]string{
	".gif": "an image", ".jpeg": "an image", ".jpg": "an image", ".png": "an image", ".webp": "an image", ".bmp": "an image", ".tiff": "an image",
	".tar": "an archive", ".zip": "an archive", ".gz": "an archive", ".7z": "an archive", ".rar": "an archive",
	".pkl": "a Python pickle", ".exe": "a program", ".so": "a program", ".dll": "a program",
	".mp3": "a recording", ".mp4": "a recording", ".wav": "a recording", ".mov": "a recording",
	".doc": "in the old format of Word; save it as .docx", ".ppt": "in the old format of PowerPoint; save it as .pptx", ".xls": "in the old format of Excel; save it as .xlsx",
}

// extractError says what is wrong with a file of which no text can be had, in
// words for its owner. Any other error of extract is not the file's fault.
type extractError struct {
	Code    string // of a [understudy.VectorStoreFileError]
	Message string
}

func (e *extractError) Error() string { return e.Message }

func invalidFile(format string, args ...any) error {
	return &extractError{Code: understudy.VectorStoreFileInvalid, Message: fmt.Sprintf(format, args...)}
}

// extract returns the text of a file: UTF-8, without NUL and carriage returns. A
// form feed stands where a page ends. It fails with an [extractError] if that is
// the file's own fault.
func (e *Engine) extract(ctx context.Context, f *understudy.File) (string, error) {
	ext := strings.ToLower(path.Ext(f.Filename))
	if what, ok := notText[ext]; ok {
		return "", &extractError{Code: understudy.VectorStoreFileUnsupported, Message: fmt.Sprintf(
			"Files with extensions [%s] are not supported for retrieval: the file is %s.", ext, what)}
	}
	if documents[ext] {
		return e.extractDocument(ctx, f, ext)
	}
	if f.Bytes > maxText {
		return "", tooMuchText()
	}
	r, err := e.Files.Open(f.ID)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.ID, err)
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.ID, err)
	}
	text, ok := decodeText(raw)
	if !ok {
		return "", &extractError{Code: understudy.VectorStoreFileUnsupported, Message: "The file is neither text nor a document of a known type."}
	}
	return text, nil
}

func tooMuchText() error {
	return invalidFile("The file has more than %d MB of text.", maxText>>20)
}

// extractDocument reads a document in a session of its own.
func (e *Engine) extractDocument(ctx context.Context, f *understudy.File, ext string) (string, error) {
	if e.Sandbox == nil {
		return "", &extractError{Code: understudy.VectorStoreFileServerError, Message: "This server cannot read documents: its code interpreter is off."}
	}
	key := extractKey + understudy.NewID("")
	defer e.Sandbox.Kill(key)
	arguments, err := json.Marshal(map[string]any{"path": "/mnt/data/" + f.ID, "kind": ext, "limit": maxText})
	if err != nil {
		return "", err
	}
	result, err := e.Sandbox.Run(ctx, key, sandbox.Cell{
		Code:    extractProgram + "\nmain(" + string(arguments) + ")\n",
		Timeout: extractTimeout,
		Inputs: []sandbox.Input{{
			ID:   f.ID,
			Open: func(context.Context) (io.ReadCloser, error) { return e.Files.Open(f.ID) },
		}},
	})
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, sandbox.ErrIsolation):
		return "", &extractError{Code: understudy.VectorStoreFileServerError, Message: "This server cannot read documents: " + publicReason(err)}
	case errors.Is(err, sandbox.ErrTooLarge):
		return "", invalidFile("The file is too large to be read.")
	case err != nil:
		return "", fmt.Errorf("read %s in the sandbox: %w", f.ID, err)
	}
	switch result.Status {
	case sandbox.StatusOK:
	case sandbox.StatusTimeout:
		return "", invalidFile("Reading the file took more than %d seconds.", int(extractTimeout.Seconds()))
	case sandbox.StatusOutOfMemory:
		return "", invalidFile("Reading the file takes more memory than there is.")
	default:
		return "", invalidFile("The file is damaged, or not what its name says.")
	}
	if reason, err := e.readText(key, reasonFile); err == nil {
		return "", invalidFile("%s", cleanReason(reason))
	}
	return e.readText(key, extractedFile)
}

// readText reads a text that the session has written.
func (e *Engine) readText(key, name string) (string, error) {
	r, err := e.Sandbox.Open(key, name)
	if err != nil {
		return "", fmt.Errorf("text of a document: %w", err)
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("text of a document: %w", err)
	case len(raw) > maxText:
		return "", tooMuchText()
	}
	return tidy(strings.ToValidUTF8(string(raw), "\uFFFD")), nil
}

// cleanReason makes one short line of what the session says, which is untrusted.
func cleanReason(s string) string {
	s = strings.Join(strings.Fields(cleanName(strings.ReplaceAll(s, "/", "\u2215"))), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "")
	}
	return s
}

// decodeText returns the text that a file consists of. It reports false for one
// that is no text.
func decodeText(raw []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		raw = raw[3:]
	case bytes.HasPrefix(raw, []byte("\xff\xfe")):
		return decodeUTF16(raw[2:], binary.LittleEndian), true
	case bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return decodeUTF16(raw[2:], binary.BigEndian), true
	}
	if bytes.IndexByte(raw, 0) >= 0 {
		switch order := utf16Order(raw); {
		case order != nil:
			return decodeUTF16(raw, order), true
		default:
			return "", false
		}
	}
	if utf8.Valid(raw) {
		return tidy(string(raw)), true
	}
	controls := 0
	for _, c := range raw {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' {
			controls++
		}
	}
	if controls*100 > len(raw) {
		return "", false
	}
	text, err := charmap.Windows1252.NewDecoder().Bytes(raw)
	return tidy(string(text)), err == nil
}

// utf16Order guesses the byte order of text in UTF-16 without a mark: in the
// scripts of Europe every other byte is zero. nil: it is something else.
func utf16Order(raw []byte) binary.ByteOrder {
	var zeros [2]int
	for i, c := range raw[:min(len(raw), 4096)] {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := min(len(raw), 4096) / 2
	switch {
	case len(raw)%2 != 0:
		return nil
	case zeros[1] > half/2 && zeros[0] == 0:
		return binary.LittleEndian
	case zeros[0] > half/2 && zeros[1] == 0:
		return binary.BigEndian
	}
	return nil
}

func decodeUTF16(raw []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return tidy(string(utf16.Decode(units)))
}

// tidy makes all line ends alike and drops NUL.
func tidy(s string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(s)
}
