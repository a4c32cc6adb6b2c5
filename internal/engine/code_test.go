package engine

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCodeReader(t *testing.T) {
	for _, test := range []struct {
		name   string
		pieces []string
		shown  string // while it arrives
		code   string
	}{
		{"at once", []string{`{"code":"print(1)"}`}, "print(1)", "print(1)"},
		{"by the byte", strings.Split(`{"code": "a\n\"b\"\u00e9\ud83d\ude00"}`, ""), "a\n\"b\"é😀", "a\n\"b\"é😀"},
		{"utf-8 cut in two", []string{"{\"code\":\"\xc3", "\xa9\"}"}, "é", "é"},
		{"white space", []string{" {\n \"code\" : \"x\" }"}, "x", "x"},
		{"another key first", []string{`{"lang":"python","code":"x"}`}, "", "x"},
		{"bare code", []string{"print(", "1)"}, "", "print(1)"},
		{"cut off", []string{`{"code":"print(1`}, "print(1", "print(1"},
		{"half a surrogate", []string{`{"code":"\ud83d`, `x"}`}, "\uFFFDx", "\uFFFDx"},
		{"no code", []string{`{"source":"x"}`}, "", `{"source":"x"}`},
		{"empty", nil, "", ""},
		{"empty code", []string{`{"code":""}`}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c codeReader
			var shown strings.Builder
			for _, p := range test.pieces {
				shown.WriteString(c.read(p))
			}
			code, rest := c.finish()
			if shown.String() != test.shown || code != test.code {
				t.Errorf("shown %q and then the code %q, want %q and %q", shown.String(), code, test.shown, test.code)
			}
			if shown.String()+rest != code {
				t.Errorf("shown %q and rest %q do not make the code %q", shown.String(), rest, code)
			}
		})
	}
}

// FuzzCodeReader checks that what is shown while well-formed arguments arrive,
// cut anywhere, adds up to what they mean.
func FuzzCodeReader(f *testing.F) {
	f.Add("print('é😀')\n", uint8(3))
	f.Add(`"\`, uint8(1))
	f.Fuzz(func(t *testing.T, code string, size uint8) {
		if !utf8.ValidString(code) {
			t.Skip()
		}
		arguments, err := json.Marshal(map[string]string{"code": code})
		if err != nil {
			t.Fatal(err)
		}
		var c codeReader
		var shown strings.Builder
		for rest := string(arguments); rest != ""; {
			n := min(int(size)+1, len(rest))
			shown.WriteString(c.read(rest[:n]))
			rest = rest[n:]
		}
		got, rest := c.finish()
		if got != code || shown.String()+rest != code {
			t.Errorf("got %q, shown %q and rest %q, want %q", got, shown.String(), rest, code)
		}
	})
}

// FuzzCodeReaderAnything feeds it what no model should write.
func FuzzCodeReaderAnything(f *testing.F) {
	f.Add(`{"code":"\ud83d\u`, `zz"}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var c codeReader
		shown := c.read(a) + c.read(b)
		if code, rest := c.finish(); rest != "" && shown+rest != code {
			t.Errorf("shown %q and rest %q do not make %q", shown, rest, code)
		}
	})
}
