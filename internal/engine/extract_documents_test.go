package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// sentence must come back from every document: accents, Greek, Arabic, Chinese.
const sentence = "Ação número 7: λόγος, سلام, 語言."

// makeDocuments writes a document of every kind, and some that are meant to harm
// their reader.
const makeDocuments = `
import email.message, io, json, zipfile
import docx, openpyxl, pptx
from fpdf import FPDF

def save(name, data):
    open("/mnt/data/" + name, "wb").write(data if isinstance(data, bytes) else data.encode())

def archive(name, members):
    with zipfile.ZipFile("/mnt/data/" + name, "w", zipfile.ZIP_DEFLATED) as out:
        for member, data in members.items():
            out.writestr(member, data)

d = docx.Document()
d.add_heading("Heading")
d.add_paragraph(S)
t = d.add_table(1, 2)
t.cell(0, 0).text, t.cell(0, 1).text = "left", "right"
d.save("/mnt/data/good.docx")

p = pptx.Presentation()
slide = p.slides.add_slide(p.slide_layouts[5])
slide.shapes.title.text = S
slide.notes_slide.notes_text_frame.text = "spoken words"
p.save("/mnt/data/good.pptx")

book = openpyxl.Workbook()
book.active.title = "Prices"
book.active.append([S, 12.5, None])
book.save("/mnt/data/good.xlsx")

def pdf(protect=None, pages=1):
    document = FPDF()
    document.set_font("helvetica", size=12)
    if protect:
        document.set_encryption(owner_password="o", user_password=protect)
    for number in range(pages):
        document.add_page()
        document.cell(text=f"Ação número {number}")
    return bytes(document.output())

save("good.pdf", pdf(pages=2))
save("locked.pdf", pdf(protect="secret"))
save("cut.pdf", pdf()[:300])
save("liar.pdf", "this is no PDF")

html = f"<html><head><title>t</title><style>p {{}}</style><script>hidden()</script></head><body><p>{S}</p><table><tr><td>a</td><td>b</td></tr></table></body></html>"
save("good.html", html)
save("deep.html", "<div>" * 200_000 + S)
save("latin.html", '<meta charset="iso-8859-1"><p>Ação</p>'.encode("latin-1"))
save("good.rtf", r"{\rtf1\ansi A\'e7\'e3o n\'famero 7\par}")
text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
office = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
content = f'<o:document-content xmlns:o="{office}" xmlns:t="{text}"><o:body><t:h>Heading</t:h><t:p>{S}</t:p></o:body></o:document-content>'
archive("good.odt", {"content.xml": content})
laughs = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98+i)} "{("&"+chr(97+i)+";")*10}">' for i in range(9)) + "]>"
archive("laughs.odt", {"content.xml": laughs + content.replace(S, "&j;")})
archive("entity.odt", {"content.xml": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + content.replace(S, S + "&e;")})
archive("bomb.odt", {"content.xml": b" " * (3 << 30 >> 4)})
archive("good.epub", {
    "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="b/p.opf"/></rootfiles></container>',
    "b/p.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="c" href="c.xhtml"/></manifest><spine><itemref idref="c"/></spine></package>',
    "b/c.xhtml": html})
save("good.ipynb", json.dumps({"cells": [{"cell_type": "markdown", "source": [S]}, {"cell_type": "code", "source": "1+1", "outputs": [{"data": {"text/plain": "2"}}]}]}))
mail = email.message.EmailMessage()
mail["Subject"] = "Olá"
mail.set_content(S)
save("good.eml", bytes(mail))
archive("empty.docx", {})
save("empty.pdf", b"")
`

func TestExtractDocuments(t *testing.T) {
	m := startParsers(t)
	live := m.Stats().Live
	defer m.Kill("maker")
	result, err := m.Run(t.Context(), "maker", sandbox.Cell{Code: "S = " + `"""` + sentence + `"""` + makeDocuments})
	if err != nil || result.Status != sandbox.StatusOK {
		t.Fatalf("documents were not made: %v %+v", err, result)
	}
	files, err := blob.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	e := New(Config{Files: files, Sandbox: Sandbox(m)})
	for _, test := range []struct {
		name string
		want []string // in this order
		err  string
	}{
		{name: "good.docx", want: []string{"Heading\n", sentence + "\n", "left | right\n"}},
		{name: "good.pptx", want: []string{sentence + "\n", "spoken words\n"}},
		{name: "good.xlsx", want: []string{"Prices\n", sentence + " | 12.5\n"}},
		{name: "good.pdf", want: []string{"Ação número 0", "\f", "Ação número 1"}},
		{name: "good.html", want: []string{"t\n\n" + sentence + "\n\n", "a | b\n"}},
		{name: "good.rtf", want: []string{"Ação número 7"}},
		{name: "good.odt", want: []string{"Heading\n\n" + sentence + "\n"}},
		{name: "good.epub", want: []string{sentence}},
		{name: "good.ipynb", want: []string{sentence, "1+1", "2"}},
		{name: "good.eml", want: []string{"Subject: Olá", sentence}},
		{name: "latin.html", want: []string{"Ação"}},
		{name: "deep.html", want: []string{sentence}},
		{name: "entity.odt", err: "damaged"},
		{name: "locked.pdf", err: "protected by a password"},
		{name: "cut.pdf", err: "damaged"},
		{name: "liar.pdf", err: "damaged"},
		{name: "laughs.odt", err: "damaged"},
		{name: "bomb.odt", err: "damaged"},
		{name: "empty.docx", err: "damaged"},
		{name: "empty.pdf", err: "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := m.Open("maker", test.name)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f := &understudy.File{ID: understudy.NewID(understudy.PrefixFile), Filename: test.name}
			if f.Bytes, err = files.Put(t.Context(), f.ID, r); err != nil {
				t.Fatal(err)
			}
			text, err := e.extract(t.Context(), f)
			if test.err != "" {
				fault, ok := errors.AsType[*extractError](err)
				if !ok || fault.Code != understudy.VectorStoreFileInvalid || !strings.Contains(fault.Message, test.err) {
					t.Fatalf("got %q, %v; want the fault %q", text[:min(len(text), 200)], err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rest := text
			for _, want := range test.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is not in %q", want, text[:min(len(text), 500)])
				}
				rest = after
			}
			for _, hidden := range []string{"hidden()", "root:"} {
				if strings.Contains(text, hidden) {
					t.Errorf("%q is in the text", hidden)
				}
			}
		})
	}
	if got := m.Stats().Live; got != live+1 {
		t.Errorf("%d sessions are alive, want the maker's and the %d from before", got, live)
	}
}
