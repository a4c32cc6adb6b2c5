package engine

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// parsers is the sandbox of the tests of extraction: each would spend a second on
// a zygote of its own.
var parsers struct {
	sync.Once
	manager *sandbox.Manager
	dir     string
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if parsers.manager != nil {
		if err := parsers.manager.Close(); err != nil {
			println(err.Error())
			code = 1
		}
		os.RemoveAll(parsers.dir)
	}
	os.Exit(code)
}

// startParsers returns the sandbox on the interpreter that UNDERSTUDY_TEST_PYTHON
// and UNDERSTUDY_TEST_PACKAGES name. Without them the test is skipped, but not in CI.
func startParsers(t testing.TB) *sandbox.Manager {
	t.Helper()
	packages := os.Getenv("UNDERSTUDY_TEST_PACKAGES")
	if packages == "" {
		unavailable(t, "UNDERSTUDY_TEST_PACKAGES names no folder of Python packages")
	}
	parsers.Do(func() {
		if parsers.dir, parsers.err = os.MkdirTemp("", "parsers"); parsers.err != nil {
			return
		}
		parsers.manager, parsers.err = sandbox.New(context.Background(), sandbox.Config{
			Python: os.Getenv("UNDERSTUDY_TEST_PYTHON"), Packages: packages, Dir: parsers.dir, Pool: 2,
		})
	})
	if parsers.err != nil {
		t.Fatal(parsers.err)
	}
	if r := parsers.manager.Report(); r.Level < sandbox.LevelNamespaces {
		unavailable(t, r.Problem)
	}
	return parsers.manager
}

func unavailable(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot run in CI: %s", why)
	}
	t.Skipf("SKIPPED, this machine lacks what the test needs: %s", why)
}

// extractor returns an engine that can extract and nothing else.
func extractor(t testing.TB, s Interpreter) *Engine {
	t.Helper()
	files, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Files: files, Sandbox: s})
}

// upload keeps a file.
func upload(t testing.TB, e *Engine, name, content string) *understudy.File {
	t.Helper()
	f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Filename: name, Bytes: int64(len(content))}
	if _, err := e.Files.Put(t.Context(), f.ID, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return f
}

// writeDocuments returns the documents that testdata/extract/make.py writes.
func writeDocuments(t testing.TB) func(name string) string {
	t.Helper()
	m := startParsers(t)
	program, err := os.ReadFile("testdata/extract/make.py")
	if err != nil {
		t.Fatal(err)
	}
	key := understudy.NewID("make_")
	t.Cleanup(func() { m.Kill(key) })
	result, err := m.Run(t.Context(), key, sandbox.Cell{Code: string(program)})
	if err != nil || result.Status != sandbox.StatusOK {
		t.Fatalf("make documents: status %q, %v, output %v", result.Status, err, result.Outputs)
	}
	return func(name string) string {
		f, err := m.Open(key, name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		content, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
}

// fixture returns a document that LibreOffice wrote, or a sample of another test.
func fixture(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		content, err := os.ReadFile(filepath.FromSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".gz") {
			return string(content)
		}
		z, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if content, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
}

const (
	samples   = "../e2e/filetypes/samples/"
	documents = "testdata/extract/"
	// What the documents of LibreOffice say.
	contractBody = "A sentença conhecida: ação, coração, não. Œuvre – 日本語の文章。 مرحبا بالعالم"
)

func TestExtract(t *testing.T) {
	made := writeDocuments(t)
	write := func(name string) func(testing.TB) string { return func(testing.TB) string { return made(name) } }
	text := func(s string) func(testing.TB) string { return func(testing.TB) string { return s } }
	tests := []struct {
		name    string // what the file is called
		content func(testing.TB) string
		want    string
	}{
		{"languages.pdf", write("languages.pdf"), "A ação começa às três; não há coração que não entenda.\nThe office staff finds the floor.\nПривет, мир\nلا سلام مرحبا\n日本語の文章です。\nThe representation was sold out.\n\fThe second page.\n"},
		{"form.pdf", write("form.pdf"), "Name of the understudy:\nOphelia Filledin\n"},
		{"unlocked.pdf", write("unlocked.pdf"), "Name of the understudy:\nOphelia Filledin\n"},
		{"invoice", fixture(samples + "invoice.pdf"), "Invoice 2024-017\nItem Amount\nCostumes 1,250.00\nWigs 310.50\nTotal 1,560.50\n\fPayable within 30 days. Merci à tous!\n"},
		{"contract.docx", write("contract.docx"), "Contract No. 4711\n\nContrato de locação\n\nA ação começa às três. 日本語の文章です。 مرحبا بالعالم\n\nfirst point\n\nNight | Fee\nPremière | 310 | €\n\nleft\tright\f\n\nin a box\n\ninserted\n\n"},
		{"no extension", fixture(samples + "contract.docx"), "Contract of Engagement\n\nThe understudy knows the lead’s part and steps in when the lead is gone.\n\nFees\n\nNight | Fee in €\nPreview | 120\nPremière | 310\n\n"},
		{"slides.pptx", write("slides.pptx"), "Título\nseats | 120\n\nin a group\nNotes:\nThank the sponsors.\n\fTakings | Hamlet | Faust | 84.5 | 61.0\n"},
		{"season.pptx", fixture(samples + "season.pptx"), "Season 2024\nThree plays, one house\nNotes:\nThank the sponsors.\n\fTakings\nk€ | Hamlet | Faust | 84.5 | 61.0\n"},
		{"sheets.xlsx", write("sheets.xlsx"), "Sheet: Março\nplay | night | seats\nHamlet | 2024-03-01 | 120\nFaust | 2024-03-02 19:30:00 | 0.3 |  | TRUE | 19:30:00\nComment: sold out\n\fSheet: 日本\n文章\n"},
		{"contract.odt", fixture(documents + "contract.odt"), "Contrato de locação\n\n" + contractBody + "\n\nNight | Fee\nPremière | 310 €\n\nThe efficient office staff waffles.\n\nSecond page.\n\n"},
		{"slides.odp", fixture(documents + "slides.odp"), "Título da ação\nPoint one\nPoint two 日本\nNotes:\nThank the sponsors.\n"},
		{"sheets.ods", fixture(documents + "sheets.ods"), "Sheet: Sheet\nação | 1.5 | 2024-03-01 0:00:00 | TRUE\n\n\fSheet: Zwei\n日本 | 2\n\n"},
		{"booklet.epub", fixture(documents + "booklet.epub"), "Contrato de locação\n\n" + contractBody + "\n\nNight | Fee\nPremière | 310 €\n\nThe efficient office staff waffles.\n\nSecond page.\n\n"},
		{"contract.doc", fixture(documents + "contract.doc.gz"), "Contrato de locação\n\n" + contractBody + "\n\nNight | Fee\nPremière | 310 €\nThe efficient office staff waffles.\n\nSecond page.\n\n"},
		{"slides.ppt", fixture(documents + "slides.ppt.gz"), "Título da ação\nPoint one\nPoint two 日本\nThank the sponsors.\n"},
		{"sheets.xls", fixture(documents + "sheets.xls.gz"), "Sheet: Sheet\nação | 1.5 | 2024-03-01 | TRUE\n\fSheet: Zwei\n日本 | 2\n"},
		{"contract.rtf", fixture(documents + "contract.rtf.gz"), "Contrato de locação\n" + contractBody + "\nNight|Fee|\nPremière|310 €|\nThe efficient office staff waffles.\n\nSecond page.\n"},
		{"programme.html", fixture(samples + "programme.html"), "Tonight — The Understudy\n\nTonight\n\nAct | Minutes\nI | 55\nII | 48\n\nSee the cast and the tickets.\n\n"},
		{"page.html", text("<meta charset=iso-8859-1><script>alert(1)</script><style>p{}</style><p>A\xe7\xe3o &amp; paz<ul><li>one<li>two</ul><pre>a\n  b</pre>tail <img alt='a lamp'>"), "Ação & paz\n\n- one\n- two\n\na\n  b\n\ntail a lamp\n\n"},
		{"page.doc", text("<html><body>Saved as a Word file.</body></html>"), "Saved as a Word file.\n\n"},
		{"letter.eml", text("From: Ana <ana@example.org>\r\nSubject: =?utf-8?q?A=C3=A7=C3=A3o?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>At=E9 amanh=E3</p>\r\n--b\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nx\r\n--b--\r\n"), "From: Ana <ana@example.org>\nSubject: Ação\n\nAté amanhã\n\nAttachment: a.pdf\n"},
		{"book.ipynb", text(`{"cells":[{"cell_type":"markdown","source":["# Title\n","Ação"]},{"cell_type":"code","source":"1+1","outputs":[{"data":{"text/plain":["2"],"image/png":"aaaa"}}]}]}`), "# Title\nAção\n\n1+1\n\n2\n\n"},
		{"bill.xml", fixture(samples + "bill.xml"), "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<bill>\n  <item price=\"12.50\">Café</item>\n  <item price=\"3.20\">Croûton</item>\n</bill>\n"},
	}
	e := extractor(t, Sandbox(startParsers(t)))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := e.extract(t.Context(), upload(t, e, test.name, test.content(t)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkExtract reads small documents, one at a time and as many at once as
// there are processors.
func BenchmarkExtract(b *testing.B) {
	e := extractor(b, Sandbox(startParsers(b)))
	for _, name := range []string{
		samples + "notes.txt", samples + "invoice.pdf", samples + "contract.docx", samples + "season.pptx", samples + "takings.xlsx",
		samples + "programme.html", documents + "contract.odt", documents + "booklet.epub", documents + "contract.doc.gz", documents + "contract.rtf.gz",
	} {
		f := upload(b, e, strings.TrimSuffix(filepath.Base(name), ".gz"), fixture(name)(b))
		extract := func() {
			if _, err := e.extract(b.Context(), f); err != nil {
				b.Error(err)
			}
		}
		b.Run(strings.TrimPrefix(filepath.Ext(f.Filename), "."), func(b *testing.B) {
			for b.Loop() {
				extract()
			}
		})
		b.Run(strings.TrimPrefix(filepath.Ext(f.Filename), ".")+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					extract()
				}
			})
		})
	}
}
