package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// marked renders fragments with markers in square brackets.
func marked(all []fragment) (out []string) {
	for _, p := range all {
		if p.marker {
			p.text = "[" + p.text + "]"
		}
		out = append(out, p.text)
	}
	return out
}

func TestCitations(t *testing.T) {
	long := "【" + strings.Repeat("x", maxMarker)
	for _, test := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"no marker", []string{"a", "b"}, []string{"a", "b"}},
		{"whole", []string{"is cake【4:0†a.txt】."}, []string{"is cake", "[【4:0†a.txt】]", "."}},
		{"in pieces", []string{"x【", "4:", "0†a", ".txt", "】y"}, []string{"x", "[【4:0†a.txt】]", "y"}},
		{"two", []string{"【4:0†a】【4:1†b】"}, []string{"[【4:0†a】]", "[【4:1†b】]"}},
		{"nested", []string{"【x【4:0†a】"}, []string{"【x", "[【4:0†a】]"}},
		{"never closed", []string{"x【4:0†a", " and so on"}, []string{"x", "【4:0†a and so on"}},
		{"line end", []string{"【4:0", "\nnext"}, []string{"【4:0\nnext"}},
		{"too long", []string{long}, []string{long}},
		{"end without start", []string{"a】b"}, []string{"a】b"}},
		{"ordinary brackets", []string{"【注】"}, []string{"[【注】]"}},
		{"half a character", []string{"a\xe3\x80", "\x90b"}, []string{"a\xe3\x80", "\x90b"}}, // the model client never cuts characters
	} {
		t.Run(test.name, func(t *testing.T) {
			var c citations
			var got []fragment
			for _, p := range test.pieces {
				got = append(got, c.read(p)...)
			}
			if rest := c.rest(); rest != "" {
				got = append(got, fragment{text: rest})
			}
			if diff := cmp.Diff(test.want, marked(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzCitations(f *testing.F) {
	f.Add("is cake【4:0†a.txt】.【", uint8(3))
	f.Add("【【】】\n", uint8(1))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		var c citations
		var b strings.Builder
		for rest := s; rest != ""; {
			n := min(int(size)+1, len(rest))
			for _, p := range c.read(rest[:n]) {
				if p.marker && (!strings.HasPrefix(p.text, markerStart) || !strings.HasSuffix(p.text, markerEnd)) {
					t.Errorf("%q is no marker", p.text)
				}
				b.WriteString(p.text)
			}
			if len(c.held) > maxMarker {
				t.Errorf("%d bytes are held back", len(c.held))
			}
			rest = rest[n:]
		}
		b.WriteString(c.rest())
		if b.String() != s {
			t.Errorf("%q became %q", s, b.String())
		}
	})
}

func TestParseMarker(t *testing.T) {
	for _, test := range []struct {
		marker       string
		call, result int
		ok           bool
	}{
		{"【4:0†a.txt】", 4, 0, true},
		{"【12:3†source】", 12, 3, true},
		{"【4:0†】", 4, 0, true},
		{"【4:0】", 0, 0, false},
		{"【13†source】", 0, 0, false},
		{"【-4:0†a】", 0, 0, false},
		{"【99999999999999999999:0†a】", 0, 0, false},
		{"【注】", 0, 0, false},
		{"【】", 0, 0, false},
	} {
		call, result, ok := parseMarker(test.marker)
		if ok != test.ok || ok && (call != test.call || result != test.result) {
			t.Errorf("%s: %d, %d, %t; want %d, %d, %t", test.marker, call, result, ok, test.call, test.result, test.ok)
		}
	}
}

func TestSearchQueries(t *testing.T) {
	for _, test := range []struct {
		arguments string
		want      []string
	}{
		{`{"queries":["a","b","a"," ",""]}`, []string{"a", "b"}},
		{`{"queries":"a"}`, []string{"a"}},
		{`{"query":"a"}`, []string{"a"}},
		{`{"query":["a"],"queries":["b"]}`, []string{"b", "a"}},
		{`what is it`, []string{"what is it"}},
		{`{"queries":[1]}`, nil},
		{`{}`, nil},
		{``, nil},
	} {
		if diff := cmp.Diff(test.want, searchQueries(test.arguments)); diff != "" {
			t.Errorf("%s: %s", test.arguments, diff)
		}
	}
	many := searchQueries(`{"queries":["1","2","3","4","5","6","7","8","9"]}`)
	long := searchQueries(strings.Repeat("é", maxQueryLength))
	if len(many) != maxQueries || len(long) != 1 || len(long[0]) > maxQueryLength {
		t.Errorf("%d queries, one of %d bytes", len(many), len(long[0]))
	}
}
