package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	const words = "Ação, 日本 😀\n"
	utf16 := func(order string) string {
		b := strings.Builder{}
		for _, c := range []uint16{'A', 0xE7, 0xE3, 'o', ',', ' ', 0x65E5, 0x672C, ' ', 0xD83D, 0xDE00, '\n'} {
			if order == "le" {
				b.Write([]byte{byte(c), byte(c >> 8)})
			} else {
				b.Write([]byte{byte(c >> 8), byte(c)})
			}
		}
		return b.String()
	}
	tests := []struct {
		name, data, want string
		ok               bool
	}{
		{"empty", "", "", true},
		{"utf-8", words, words, true},
		{"utf-8 with mark", "\xEF\xBB\xBF" + words, words, true},
		{"utf-16 le with mark", "\xFF\xFE" + utf16("le"), words, true},
		{"utf-16 be with mark", "\xFE\xFF" + utf16("be"), words, true},
		{"utf-16 le", utf16("le"), words, true},
		{"utf-16 be", utf16("be"), words, true},
		{"half of a pair", "\xFE\xFF\xD8\x3D\x00a\xDE\x00", "\uFFFDa\uFFFD", true},
		{"odd utf-16", "\xFE\xFF\x00a\x00", "a", true},
		{"windows-1252", "Caf\xe9 \x8cuvre \x80", "Café Œuvre €", true},
		{"ends of lines", "a\r\nb\rc\n\r\nd", "a\nb\nc\n\nd", true},
		{"windows-1251", "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0", "", false},
		{"shift-jis", "\x93\xfa\x96{\x8c\xea\x82\xcc", "", false},
		{"byte that nothing means", "a\x81", "", false},
		{"nul", "a\x00b", "", false},
		{"utf-32", "\xFF\xFE\x00\x00a\x00\x00\x00", "", false},
		{"compressed", "\x1f\x8b\x08\x01\x02\x03\x04\x05\xff", "", false},
		{"control characters", strings.Repeat("\x01\x02\xe9", 100), "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := decode([]byte(test.data))
			if ok != test.ok || ok && got != test.want {
				t.Errorf("got %q, %t, want %q, %t", got, ok, test.want, test.ok)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xFF\xFEa\x00\r\x00"))
	f.Add([]byte("Caf\xe9\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, ok := decode(data)
		if ok && (!utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r")) {
			t.Errorf("decode(%q) = %q", data, text)
		}
	})
}

func TestUnescapeJSON(t *testing.T) {
	tests := []struct{ text, want string }{
		{`{"a": "A\u00e7\u00E3o"}`, `{"a": "Ação"}`},
		{`"\ud83d\ude00"`, `"😀"`},
		{`"\\u00e7 \\\u00e7"`, `"\\u00e7 \\ç"`},
		{`"\u0022\u005c\n\u000a"`, `"\u0022\u005c\n\u000a"`},
		{`"\ud83d \u200b \u12"`, `"\ud83d \u200b \u12"`},
		{`\u00e`, `\u00e`},
		{`\u00e7\`, `ç\`},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, unescapeJSON(test.text)); diff != "" {
			t.Errorf("unescapeJSON(%s) (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestFormatOf(t *testing.T) {
	const compound = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"
	tests := []struct {
		ext, head string
		want      format
	}{
		{".txt", "%PDF-1.7", formatPlain},
		{".py", "<html>", formatPlain},
		{"", "%PDF-1.7", formatPDF},
		{".pdf", "junk before\n%PDF-1.7", formatPDF},
		{".pdf", "PK\x03\x04", formatPDF},
		{".docx", "%PDF-1.7", formatPDF},
		{".docx", compound, formatCompound},
		{".doc", "PK\x03\x04", formatZip},
		{".doc", `{\rtf1`, formatRTF},
		{".doc", "\ufeff\r\n<HTML>", formatHTML},
		{".doc", "MIME-Version: 1.0", formatMail},
		{".doc", "Dear reader", formatPlain},
		{".xls", "a\tb", formatPlain},
		{".rtf", "Dear reader", formatPlain},
		{".docx", "Dear reader", formatZip},
		{".html", "no tags", formatHTML},
		{".unknown", "no tags", formatPlain},
		{"", "", formatPlain},
	}
	for _, test := range tests {
		if got := formatOf(test.ext, []byte(test.head)); got != test.want {
			t.Errorf("formatOf(%q, %q) = %s, want %s", test.ext, test.head, got, test.want)
		}
	}
}

// Every type that the hosted API's file search takes is taken here.
func TestDocumentedTypesAreRead(t *testing.T) {
	for ext := range strings.FieldsSeq(".c .cs .cpp .css .doc .docx .go .html .java .js .json .md .pdf .php .pptx .py .rb .sh .tex .ts .txt") {
		if formats[ext] == "" || unreadable[ext] {
			t.Errorf("%s is not read", ext)
		}
	}
}
