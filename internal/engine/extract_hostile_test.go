package engine

import (
	"archive/zip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// mebibytes in the place of an entry's content stands for as many of spaces.
func mebibytes(n int) string { return fmt.Sprintf("\x00%d", n) }

// zipped returns a zip file of the entries, name and content in turns.
func zipped(t testing.TB, entries ...string) string {
	t.Helper()
	var b strings.Builder
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		f, err := w.Create(entries[i])
		content, times := entries[i+1], 1
		if n, ok := strings.CutPrefix(content, mebibytes(0)[:1]); ok {
			times, _ = strconv.Atoi(n)
			content = strings.Repeat(" ", 1<<20)
		}
		for ; err == nil && times > 0; times-- {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// word returns a Word document with the document part and what else is named.
func word(t testing.TB, document string, entries ...string) string {
	t.Helper()
	return zipped(t, append([]string{
		"[Content_Types].xml", `<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
		"_rels/.rels", `<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
		"word/document.xml", document,
	}, entries...)...)
}

const (
	wordStart = `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`
	wordEnd   = `</w:body></w:document>`
)

// compound returns a compound file, as Office wrote before 2007, with one stream.
func compound(name, content string) string {
	const sector = 512
	var header, table, directory, stream [sector]byte
	put := binary.LittleEndian
	copy(header[:], "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")
	put.PutUint32(header[24:], 0x3003E) // version
	copy(header[28:], "\xFE\xFF\x09\x00\x06\x00")
	put.PutUint32(header[44:], 1)       // sectors of the table
	put.PutUint32(header[48:], 1)       // first sector of the directory
	put.PutUint32(header[60:], 1<<32-2) // no short streams
	put.PutUint32(header[68:], 1<<32-2)
	for i := 76; i < sector; i += 4 {
		put.PutUint32(header[i:], 1<<32-1)
	}
	put.PutUint32(header[76:], 0)
	for i := 0; i < sector; i += 4 {
		put.PutUint32(table[i:], 1<<32-1)
	}
	put.PutUint32(table[0:], 1<<32-3)
	put.PutUint32(table[4:], 1<<32-2)
	put.PutUint32(table[8:], 1<<32-2)
	entry := func(i int, name string, kind byte, child, start, size uint32) {
		e := directory[128*i : 128*i+128]
		for at, c := range []byte(name) {
			e[2*at] = c
		}
		put.PutUint16(e[64:], uint16(2*len(name)+2))
		e[66], e[67] = kind, 1
		put.PutUint32(e[68:], 1<<32-1)
		put.PutUint32(e[72:], 1<<32-1)
		put.PutUint32(e[76:], child)
		put.PutUint32(e[116:], start)
		put.PutUint32(e[120:], size)
	}
	entry(0, "Root Entry", 5, 1, 1<<32-2, 0)
	entry(1, name, 2, 1<<32-1, 2, sector)
	copy(stream[:], content)
	return string(slices.Concat(header[:], table[:], directory[:], stream[:]))
}

// laughs declares an entity that expands to a billion others.
func laughs() string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE lolz [<!ENTITY lol0 \"lol\">")
	for i := range 9 {
		fmt.Fprintf(&b, "<!ENTITY lol%d %q>", i+1, strings.Repeat(fmt.Sprintf("&lol%d;", i), 10))
	}
	return b.String() + "]>"
}

// pdf returns a PDF of the objects, numbered from 1; the first is the catalogue.
func pdf(objects ...string) string {
	var b strings.Builder
	b.WriteString("%PDF-1.7\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, a := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", a)
	}
	fmt.Fprintf(&b, "trailer <</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.String()
}

const (
	notSupported = "Files with extensions [%s] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
	damaged      = "The file could not be parsed: it is damaged, or not what its extension says."
	encrypted    = "The file is encrypted or protected by a password."
	tooMuch      = "The file contains too much text: at most 64 MB can be read."
	tooHungry    = "The file could not be parsed: it needs too much memory."
	noText       = "No text was found in the file. Text in pictures and scanned pages is not read."
	notText      = "The file is not text in UTF-8, UTF-16 or ASCII."
)

// No document may do more than fail, whatever it is made for, nor for long; and
// nothing of it stays.
func TestExtractRefuses(t *testing.T) {
	made := writeDocuments(t)
	m := startParsers(t)
	paragraph := func(s string) string { return wordStart + "<w:p><w:r><w:t>" + s + "</w:t></w:r></w:p>" + wordEnd }
	tests := []struct {
		test, name, content string
		code, message       string
	}{
		{"picture", "plan.PNG", "\x89PNG\r\n\x1a\n\x00", understudy.VectorStoreFileUnsupported, fmt.Sprintf(notSupported, ".png")},
		{"archive", "scripts.tar", "x", understudy.VectorStoreFileUnsupported, fmt.Sprintf(notSupported, ".tar")},
		{"unknown binary", "data.xyz", "\x00\x01\x02", understudy.VectorStoreFileUnsupported, fmt.Sprintf(notSupported, ".xyz")},
		{"binary without extension", "data", "\x7fELF\x00\x01", understudy.VectorStoreFileUnsupported, fmt.Sprintf(notSupported, "none")},
		{"zip without extension", "data", zipped(t, "a.txt", "a"), understudy.VectorStoreFileUnsupported, fmt.Sprintf(notSupported, "none")},
		{"binary named text", "notes.txt", "a\x00b", understudy.VectorStoreFileInvalid, notText},
		{"empty text", "notes.txt", "", understudy.VectorStoreFileInvalid, noText},
		{"blank text", "notes.md", "\ufeff \r\n", understudy.VectorStoreFileInvalid, noText},
		{"empty pdf", "a.pdf", "", understudy.VectorStoreFileInvalid, damaged},
		{"empty docx", "a.docx", "", understudy.VectorStoreFileInvalid, damaged},
		{"empty html", "a.html", "", understudy.VectorStoreFileInvalid, noText},
		{"blank docx", "a.docx", word(t, wordStart+wordEnd), understudy.VectorStoreFileInvalid, noText},
		{"scanned pdf", "scan.pdf", made("scan.pdf"), understudy.VectorStoreFileInvalid, noText},
		{"encrypted pdf", "locked.pdf", made("locked.pdf"), understudy.VectorStoreFileInvalid, encrypted},
		{"text named pdf", "a.pdf", "Dear reader", understudy.VectorStoreFileInvalid, damaged},
		{"picture named docx", "a.docx", "\x89PNG\r\n\x1a\n\x00", understudy.VectorStoreFileInvalid, damaged},
		{"zip named docx", "a.docx", zipped(t, "a.txt", "a"), understudy.VectorStoreFileInvalid, damaged},
		{"cut pdf", "a.pdf", made("languages.pdf")[:300], understudy.VectorStoreFileInvalid, damaged},
		{"cut docx", "a.docx", made("contract.docx")[:9000], understudy.VectorStoreFileInvalid, damaged},
		{"malformed xml", "a.docx", word(t, wordStart), understudy.VectorStoreFileInvalid, damaged},
		{"damaged notebook", "a.ipynb", `{"cells":[`, understudy.VectorStoreFileInvalid, damaged},
		{"word 95", "a.doc", compound("WordDocument", "\xDC\xA5\x65\x00"), understudy.VectorStoreFileUnsupported, "Files of Word 95 and older are not supported: save the document as .docx."},
		{"encrypted docx", "a.docx", compound("EncryptedPackage", "x"), understudy.VectorStoreFileInvalid, encrypted},
		{"damaged doc", "a.doc", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + strings.Repeat("\xff", 2000), understudy.VectorStoreFileInvalid, damaged},

		{"zip bomb of spaces", "bomb.docx", word(t, mebibytes(600)), understudy.VectorStoreFileInvalid, tooMuch},
		{"zip bomb of text", "bomb.docx", word(t, paragraph(strings.Repeat("lol ", 20<<20))), understudy.VectorStoreFileInvalid, tooMuch},
		{"laughs", "lol.docx", word(t, laughs()+paragraph("&lol9;")), understudy.VectorStoreFileInvalid, damaged},
		{"external entity", "xxe.docx", word(t, `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>`+paragraph("&e;")), understudy.VectorStoreFileInvalid, damaged},
		{"external subset", "xxe.docx", word(t, `<!DOCTYPE x SYSTEM "file:///etc/passwd">`+paragraph("")), understudy.VectorStoreFileInvalid, noText},
		{"path in a relation", "path.docx", zipped(t,
			"[Content_Types].xml", "wordprocessingml",
			"_rels/.rels", `<Relationships><Relationship Type="x/officeDocument" Target="../../../../etc/passwd"/></Relationships>`), understudy.VectorStoreFileInvalid, damaged},
		{"pages that hold themselves", "a.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"), understudy.VectorStoreFileInvalid, damaged},
		{"a content stream that holds itself", "a.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>/Contents 5 0 R>>",
			"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 4 0 R>>>>/Length 11>>\nstream\n/X Do /X Do\nendstream",
			"<</Length 5>>\nstream\n/X Do\nendstream"), understudy.VectorStoreFileInvalid, tooHungry},
		{"two billion pages", "a.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 2000000000>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"), understudy.VectorStoreFileInvalid, noText},
		{"a million pages", "a.pdf", pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1000000>>",
			"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"), understudy.VectorStoreFileInvalid, damaged},
		{"deep rtf", "a.rtf", `{\rtf1` + strings.Repeat("{", 200_000), understudy.VectorStoreFileInvalid, noText},
		{"deep notebook", "a.ipynb", strings.Repeat("[", 1_000_000), understudy.VectorStoreFileInvalid, damaged},
		{"deep docx", "a.docx", word(t, wordStart+strings.Repeat("<w:tbl>", 300_000)), understudy.VectorStoreFileInvalid, damaged},
	}
	e := extractor(t, Sandbox(m))
	live := m.Stats().Live
	for _, test := range tests {
		t.Run(test.test, func(t *testing.T) {
			start := time.Now()
			text, err := e.extract(t.Context(), upload(t, e, test.name, test.content))
			t.Log(time.Since(start).Round(time.Millisecond))
			want := &extractError{Code: test.code, Message: test.message}
			got, ok := errors.AsType[*extractError](err)
			if !ok {
				t.Fatalf("got text %.100q and error %v, want %v", text, err, want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
	if got := m.Stats().Live; got != live {
		t.Errorf("%d sessions are left behind", got-live)
	}
}

// What is odd but no harm is read.
func TestExtractTakes(t *testing.T) {
	paragraph := wordStart + "<w:p><w:r><w:t>Who's there?</w:t></w:r></w:p>" + wordEnd
	tests := []struct {
		test, name, content, want string
	}{
		{"a name for a shell", "$(touch x); `rm -rf *` '\"\n.docx", word(t, paragraph), "Who's there?\n\n"},
		{"a name that leads out", "../../etc/passwd\x00.docx", word(t, paragraph), "Who's there?\n\n"},
		{"macros", "a.docm", word(t, paragraph, "word/vbaProject.bin", "\xD0\xCF\x11\xE0AutoOpen"), "Who's there?\n\n"},
		{"laughs as text", "lol.xml", laughs() + "<a>&lol9;</a>", laughs() + "<a>&lol9;</a>"},
		{"deep html", "deep.html", strings.Repeat("<div>", 100_000) + "Who's there?", "Who's there?\n\n"},
		{"deep tables", "deep.html", strings.Repeat("<table><tr><td>", 5_000) + "Who's there?", "Who's there?\n\n"},
		{"a megabyte without a space", "a.html", "<p>" + strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20) + "\n\n"},
	}
	e := extractor(t, Sandbox(startParsers(t)))
	for _, test := range tests {
		t.Run(test.test, func(t *testing.T) {
			got, err := e.extract(t.Context(), upload(t, e, test.name, test.content))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("text (-want +got):\n%.2000s", diff)
			}
		})
	}
}

// brokenSandbox answers as told.
type brokenSandbox struct {
	result sandbox.Result
	err    error
	files  map[string]string
	killed []string
}

func (b *brokenSandbox) Run(context.Context, string, sandbox.Cell) (sandbox.Result, error) {
	return b.result, b.err
}

func (b *brokenSandbox) Open(_, name string) (io.ReadCloser, error) {
	content, ok := b.files[name]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case content == "unsafe":
		return nil, sandbox.ErrUnsafe
	}
	return io.NopCloser(strings.NewReader(content)), nil
}

func (b *brokenSandbox) Files(string) []sandbox.FileInfo { return nil }

func (b *brokenSandbox) Kill(key string) { b.killed = append(b.killed, key) }

// The caller must know whether to try again.
func TestExtractBlames(t *testing.T) {
	ok := sandbox.Result{Status: sandbox.StatusOK}
	tests := []struct {
		name    string
		sandbox brokenSandbox
		want    string // code of the error; "" if it is not the document's fault
	}{
		{"busy", brokenSandbox{err: fmt.Errorf("%w: full", sandbox.ErrBusy)}, ""},
		{"closed", brokenSandbox{err: sandbox.ErrClosed}, ""},
		{"no isolation", brokenSandbox{err: sandbox.ErrIsolation}, understudy.VectorStoreFileServerError},
		{"a file too large", brokenSandbox{result: sandbox.Result{Status: sandbox.StatusOK, Unplaced: []string{"document"}}}, understudy.VectorStoreFileInvalid},
		{"a program that fails", brokenSandbox{result: sandbox.Result{Status: sandbox.StatusError}}, ""},
		{"a crash", brokenSandbox{result: sandbox.Result{Status: sandbox.StatusDied}}, understudy.VectorStoreFileInvalid},
		{"a hang", brokenSandbox{result: sandbox.Result{Status: sandbox.StatusTimeout}}, understudy.VectorStoreFileInvalid},
		{"no memory", brokenSandbox{result: sandbox.Result{Status: sandbox.StatusOutOfMemory}}, understudy.VectorStoreFileInvalid},
		{"no result", brokenSandbox{result: ok}, ""},
		{"a result that is a link", brokenSandbox{result: ok, files: map[string]string{extractedFile: "unsafe"}}, understudy.VectorStoreFileInvalid},
		{"a result that is no text", brokenSandbox{result: ok, files: map[string]string{extractedFile: "\xff"}}, understudy.VectorStoreFileInvalid},
		{"too much of a result", brokenSandbox{result: ok, files: map[string]string{extractedFile: strings.Repeat("a", maxText+1)}}, understudy.VectorStoreFileInvalid},
		{"packages not installed", brokenSandbox{result: ok, files: map[string]string{reasonFile: "missing"}}, understudy.VectorStoreFileServerError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := extractor(t, &test.sandbox)
			text, err := e.extract(t.Context(), upload(t, e, "a.pdf", "%PDF-1.7"))
			if err == nil {
				t.Fatalf("got text %.100q, want an error", text)
			}
			got := ""
			if x, ok := errors.AsType[*extractError](err); ok {
				got = x.Code
			}
			if got != test.want {
				t.Errorf("got code %q of error %v, want %q", got, err, test.want)
			}
			if len(test.sandbox.killed) != 1 {
				t.Errorf("killed sessions %q, want one", test.sandbox.killed)
			}
		})
	}
}

// TestExtractTooLarge reads a document that /mnt/data has no room for.
func TestExtractTooLarge(t *testing.T) {
	startParsers(t) // or skip
	m, err := sandbox.New(t.Context(), sandbox.Config{
		Python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), Packages: os.Getenv("UNDERSTUDY_TEST_PACKAGES"), Dir: t.TempDir(), Pool: -1,
		Limits: sandbox.Limits{DataBytes: 2 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e := extractor(t, Sandbox(m))
	text, err := e.extract(t.Context(), upload(t, e, "a.pdf", "%PDF-1.7"+strings.Repeat("\n", 3<<20)))
	if got, ok := errors.AsType[*extractError](err); !ok || got.Message != "The file is too large to be parsed." {
		t.Errorf("got text %.20q and error %v, want one that says that it is too large", text, err)
	}
}

func TestExtractIsOff(t *testing.T) {
	e := extractor(t, nil)
	if _, err := e.extract(t.Context(), upload(t, e, "a.txt", "text")); err != nil {
		t.Error(err)
	}
	_, err := e.extract(t.Context(), upload(t, e, "a.pdf", "%PDF-1.7"))
	if got, ok := errors.AsType[*extractError](err); !ok || got.Code != understudy.VectorStoreFileServerError {
		t.Errorf("got %v, want code %s", err, understudy.VectorStoreFileServerError)
	}
	_, err = e.extract(t.Context(), &understudy.File{ID: "file-gone", Filename: "a.txt"})
	if got, ok := errors.AsType[*extractError](err); !ok || got.Code != understudy.VectorStoreFileServerError {
		t.Errorf("a file that is gone: got %v, want code %s", err, understudy.VectorStoreFileServerError)
	}
}

func TestExtractStops(t *testing.T) {
	e := extractor(t, &brokenSandbox{result: sandbox.Result{Status: sandbox.StatusInterrupted}})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errShutdown)
	if _, err := e.extract(ctx, upload(t, e, "a.pdf", "%PDF-1.7")); !errors.Is(err, errShutdown) {
		t.Errorf("got %v, want %v", err, errShutdown)
	}
}
