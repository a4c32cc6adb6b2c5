package engine

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

func TestDecodeText(t *testing.T) {
	for _, test := range []struct {
		name, raw, want string
		binary          bool
	}{
		{name: "empty"},
		{name: "UTF-8", raw: "Ação\r\nb\rc\n", want: "Ação\nb\nc\n"},
		{name: "UTF-8 with mark", raw: "\xef\xbb\xbfa", want: "a"},
		{name: "UTF-16 LE with mark", raw: "\xff\xfea\x00\xe7\x00", want: "aç"},
		{name: "UTF-16 BE with mark", raw: "\xfe\xff\x00a\x00\xe7", want: "aç"},
		{name: "UTF-16 LE", raw: "a\x00b\x00c\x00d\x00", want: "abcd"},
		{name: "UTF-16 BE", raw: "\x00a\x00b\x00c\x00d", want: "abcd"},
		{name: "half a UTF-16 character", raw: "\xff\xfea\x00\xe7", want: "a"},
		{name: "Windows-1252", raw: "A\xe7\xe3o \x80 5", want: "Ação € 5"},
		{name: "zero bytes", raw: "a\x00\x00\x00b", binary: true},
		{name: "compressed", raw: "\x1f\x8b\x08\x01\x02\x03\x04\x05\xff", binary: true},
	} {
		got, ok := decodeText([]byte(test.raw))
		if got != test.want || ok == test.binary {
			t.Errorf("%s: got %q, %t, want %q", test.name, got, ok, test.want)
		}
	}
}

func FuzzDecodeText(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00\x00\xd8"))
	f.Add([]byte("A\xe7\xe3o\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := decodeText(raw)
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r") {
			t.Errorf("%q became %q", raw, text)
		}
	})
}

func TestUnsupportedFiles(t *testing.T) {
	e := New(Config{})
	for _, name := range []string{"a.png", "a.ZIP", "a.doc", "a.pkl"} {
		_, err := e.extract(t.Context(), &understudy.File{ID: "file-x", Filename: name})
		if fault, ok := err.(*extractError); !ok || fault.Code != understudy.VectorStoreFileUnsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCleanReason(t *testing.T) {
	for _, test := range []struct{ reason, want string }{
		{"The file is damaged.", "The file is damaged."},
		{"a/b\n  c\x00\u202e", "a\u2215b c"},
		{strings.Repeat("é", 300), strings.Repeat("é", 100)},
	} {
		if got := cleanReason(test.reason); got != test.want {
			t.Errorf("%q became %q, want %q", test.reason, got, test.want)
		}
	}
}
