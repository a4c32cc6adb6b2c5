package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindLinks(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string
	}{
		{"nothing here", nil},
		{"[data](sandbox:/mnt/data/a.csv) and [more](sandbox:/mnt/data/b c.csv).", []string{"sandbox:/mnt/data/a.csv", "sandbox:/mnt/data/b c.csv"}},
		{"see sandbox:/mnt/data/a.csv, please", []string{"sandbox:/mnt/data/a.csv,"}},
		{"`sandbox:/mnt/data/a.csv`", []string{"sandbox:/mnt/data/a.csv"}},
		{"(sandbox:/mnt/data/a(1).csv)", []string{"sandbox:/mnt/data/a(1).csv"}},
		{"(sandbox:/mnt/data/open\nnext", []string{"sandbox:/mnt/data/open"}},
		{"sandbox:/mnt/data/ and sandbox:/mnt/data/été.csv", []string{"sandbox:/mnt/data/été.csv"}},
		{"sandbox:/mnt/data/sub/x.png", []string{"sandbox:/mnt/data/sub/x.png"}},
	} {
		var got []string
		for _, l := range findLinks(test.in) {
			got = append(got, l.text)
			if !strings.HasPrefix(test.in[l.start:], l.text) {
				t.Errorf("%q: %q does not start at %d", test.in, l.text, l.start)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.in, diff)
		}
	}
}

func TestLinkCandidates(t *testing.T) {
	l := link{text: "sandbox:/mnt/data/a.csv.,"}
	want := []string{"sandbox:/mnt/data/a.csv.,", "sandbox:/mnt/data/a.csv"}
	if diff := cmp.Diff(want, l.candidates()); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

func FuzzFindLinks(f *testing.F) {
	f.Add("(sandbox:/mnt/data/a (b).csv) sandbox:/mnt/data/.")
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range findLinks(s) {
			if !strings.HasPrefix(s[l.start:], l.text) {
				t.Errorf("%q does not start at %d", l.text, l.start)
			}
			for _, c := range l.candidates() {
				if !strings.HasPrefix(l.text, c) || len(c) <= len(linkPrefix) {
					t.Errorf("candidate %q of %q", c, l.text)
				}
			}
		}
	})
}
