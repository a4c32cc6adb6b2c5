package engine

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

const (
	maxText        = 64 << 20 // bytes of text of one document
	sniffed        = 4096     // bytes of a document that are looked at to see what it is
	extractTimeout = 2 * time.Minute

	// extractKey begins the keys of the sessions in which documents are read. No
	// thread's id begins like that.
	extractKey = "extract:"
	// extractedFile is where extract.py puts the text, and reasonFile why there is none.
	extractedFile = "extracted.txt"
	reasonFile    = "reason.txt"
)

// extractError is the last word on a document: trying again would not help. Code
// and Message are for the client, as the last_error of the file.
type extractError struct {
	Code, Message string
}

func (e *extractError) Error() string { return e.Code + ": " + e.Message }

//go:embed extract.py
var extractProgram string

// format says who reads a document. All but formatPlain are keys of the READERS of
// extract.py.
type format string

const (
	formatPlain    format = "plain" // decoded here, not in the sandbox
	formatPDF      format = "pdf"
	formatZip      format = "zip"      // Office, OpenDocument, EPUB
	formatCompound format = "compound" // Office before 2007
	formatRTF      format = "rtf"
	formatHTML     format = "html"
	formatMail     format = "mail"
	formatNotebook format = "notebook"
)

// formats has the extensions that say more than a look at the bytes would.
var formats = map[string]format{
	".pdf": formatPDF, ".rtf": formatRTF,
	".docx": formatZip, ".docm": formatZip, ".dotx": formatZip, ".pptx": formatZip, ".pptm": formatZip, ".ppsx": formatZip,
	".xlsx": formatZip, ".xlsm": formatZip, ".odt": formatZip, ".ods": formatZip, ".odp": formatZip, ".epub": formatZip,
	".doc": formatCompound, ".dot": formatCompound, ".xls": formatCompound, ".ppt": formatCompound,
	".html": formatHTML, ".htm": formatHTML, ".xhtml": formatHTML,
	".eml": formatMail, ".mht": formatMail, ".mhtml": formatMail, ".ipynb": formatNotebook,

	".c": formatPlain, ".cpp": formatPlain, ".cs": formatPlain, ".css": formatPlain, ".csv": formatPlain, ".go": formatPlain,
	".java": formatPlain, ".js": formatPlain, ".json": formatPlain, ".jsonl": formatPlain, ".log": formatPlain, ".md": formatPlain,
	".php": formatPlain, ".py": formatPlain, ".rb": formatPlain, ".sh": formatPlain, ".tex": formatPlain, ".ts": formatPlain,
	".tsv": formatPlain, ".txt": formatPlain, ".xml": formatPlain, ".yaml": formatPlain, ".yml": formatPlain,
}

// unreadable are extensions of files that hold no text, whatever their bytes look like.
var unreadable = extensions(`
	.bmp .gif .heic .ico .jpeg .jpg .png .psd .tif .tiff .webp
	.aac .avi .flac .m4a .mkv .mov .mp3 .mp4 .mpeg .ogg .wav .webm
	.7z .bz2 .gz .jar .rar .tar .tgz .xz .zip .zst
	.bin .class .dll .dylib .exe .iso .o .so .wasm
	.db .feather .h5 .npy .npz .parquet .pickle .pkl .sqlite`)

func extensions(list string) map[string]bool {
	set := make(map[string]bool)
	for ext := range strings.FieldsSeq(list) {
		set[ext] = true
	}
	return set
}

// extract returns the text of a file: UTF-8 without NUL, with "\n" at the ends of
// lines and "\f" between pages, never blank, at most maxText bytes. An
// *[extractError] says that the file has none and never will; any other error is
// not the document's fault, and the caller may try again.
func (e *Engine) extract(ctx context.Context, f *understudy.File) (string, error) {
	ext := f.Extension()
	if unreadable[ext] {
		return "", unsupported(ext)
	}
	file, err := e.Files.Open(f.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &extractError{Code: understudy.VectorStoreFileServerError, Message: "The content of the file is gone."}
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", f.ID, err)
	}
	head, err := io.ReadAll(io.LimitReader(file, sniffed))
	if err != nil {
		return "", errors.Join(fmt.Errorf("read %s: %w", f.ID, err), file.Close())
	}
	defer file.Close()
	how := formatOf(ext, head)
	var text string
	if how == formatPlain {
		text, err = plainText(io.MultiReader(bytes.NewReader(head), file), ext)
	} else {
		text, err = e.parse(ctx, f.ID, how, ext)
	}
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(text) == "" {
		return "", invalid("No text was found in the file. Text in pictures and scanned pages is not read.")
	}
	return text, nil
}

// formatOf says how to read a file, of which head are the first bytes. What the
// bytes say goes before the extension, unless that is one of a plain text: people
// call web pages .doc, and attach documents without any extension.
func formatOf(ext string, head []byte) format {
	named := formats[ext]
	if named == formatPlain {
		return formatPlain
	}
	start := bytes.ToLower(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")), " \t\r\n"))
	begins := func(with string) bool { return bytes.HasPrefix(start, []byte(with)) }
	switch {
	case begins("%pdf-"), named == formatPDF:
		return formatPDF
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return formatZip
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")):
		return formatCompound
	case begins(`{\rtf`):
		return formatRTF
	case begins("<!doctype html"), begins("<html"):
		return formatHTML
	case named == formatCompound && begins("mime-version:"):
		return formatMail
	case named == formatCompound, named == formatRTF:
		return formatPlain
	}
	return cmp.Or(named, formatPlain)
}

// parse has a document read by the Python libraries in a session of its own, which
// is gone when it returns: nothing of an untrusted document is parsed in this process.
func (e *Engine) parse(ctx context.Context, fileID string, how format, ext string) (string, error) {
	if e.Sandbox == nil {
		return "", &extractError{Code: understudy.VectorStoreFileServerError, Message: "Documents of this type are read in the code interpreter's sandbox, which is not available on this server."}
	}
	key := extractKey + understudy.NewID("") // no thread's, and not that of another vector store with the same file
	defer e.Sandbox.Kill(key)
	result, err := e.Sandbox.Run(ctx, key, sandbox.Cell{
		// The names in the session are ours: neither the file's name nor its id gets there.
		Code: fmt.Sprintf("exec(compile(open('/mnt/data/program').read(), 'extract.py', 'exec'), {'KIND': %q, 'LIMIT': %d})", how, maxText),
		Inputs: []sandbox.Input{
			{ID: "program", Open: func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(extractProgram)), nil
			}},
			{ID: "document", Open: func(context.Context) (io.ReadCloser, error) { return e.Files.Open(fileID) }},
		},
		Timeout: extractTimeout,
	})
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, sandbox.ErrIsolation):
		return "", &extractError{Code: understudy.VectorStoreFileServerError, Message: "Documents of this type are read in a sandbox, and the isolation that this server is configured to require is not available."}
	case err != nil:
		return "", fmt.Errorf("parse %s: %w", fileID, err)
	case len(result.Unplaced) > 0:
		return "", invalid("The file is too large to be parsed.")
	}
	switch result.Status {
	case sandbox.StatusOK:
		return e.parsed(key, ext)
	case sandbox.StatusTimeout:
		return "", invalid("The file could not be parsed within %v.", extractTimeout)
	case sandbox.StatusOutOfMemory:
		return "", faultError("memory", ext)
	case sandbox.StatusInterrupted, sandbox.StatusError:
		return "", fmt.Errorf("parse %s: the session ended with status %s: %s", fileID, result.Status, traceback(result))
	}
	return "", invalid("The file could not be parsed: it made the parser crash.")
}

// traceback returns the end of what a session printed, for the log.
func traceback(r sandbox.Result) string {
	if len(r.Outputs) == 0 {
		return ""
	}
	logs := r.Outputs[len(r.Outputs)-1].Logs
	return logs[max(0, len(logs)-500):]
}

// parsed returns the text that a session left behind, or why there is none. The
// document may have taken over the session: nothing there is believed.
func (e *Engine) parsed(key, ext string) (string, error) {
	fault, err := e.readSession(key, reasonFile, 100)
	if err == nil {
		return "", faultError(string(fault), ext)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	text, err := e.readSession(key, extractedFile, maxText+1)
	switch {
	case err != nil:
		return "", err
	case len(text) > maxText:
		return "", faultError("large", ext)
	case !utf8.Valid(text):
		return "", faultError("damaged", ext)
	}
	return tidy(text), nil
}

// readSession reads at most limit bytes of a file of a session.
func (e *Engine) readSession(key, name string, limit int64) ([]byte, error) {
	file, err := e.Sandbox.Open(key, name)
	if errors.Is(err, sandbox.ErrUnsafe) {
		return nil, faultError("damaged", "")
	}
	if err != nil {
		return nil, fmt.Errorf("open %s of a session: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil, fmt.Errorf("read %s of a session: %w", name, err)
	}
	return data, nil
}

// faultError says what a fault of extract.py means.
func faultError(fault, ext string) *extractError {
	switch fault {
	case "encrypted":
		return invalid("The file is encrypted or protected by a password.")
	case "large":
		return invalid("The file contains too much text: at most %d MB can be read.", maxText>>20)
	case "memory":
		return invalid("The file could not be parsed: it needs too much memory.")
	case "missing":
		return &extractError{Code: understudy.VectorStoreFileServerError, Message: "Documents of this type are read by Python packages that are not installed on this server."}
	case "old":
		return &extractError{Code: understudy.VectorStoreFileUnsupported, Message: "Files of Word 95 and older are not supported: save the document as .docx."}
	case "unsupported":
		if formats[ext] == "" {
			return unsupported(ext)
		}
	}
	return invalid("The file could not be parsed: it is damaged, or not what its extension says.")
}

func invalid(format string, args ...any) *extractError {
	return &extractError{Code: understudy.VectorStoreFileInvalid, Message: fmt.Sprintf(format, args...)}
}

// unsupported says that files of a type are not read at all.
func unsupported(ext string) *extractError {
	return &extractError{Code: understudy.VectorStoreFileUnsupported, Message: understudy.UnsearchableFiles(cmp.Or(ext, "none"))}
}
