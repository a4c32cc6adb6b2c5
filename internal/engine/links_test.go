package engine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/sandbox"
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
		{"[a](/mnt/data/a.csv), [b](mnt/data/b.csv), [c](file:///mnt/data/c.csv)", []string{"/mnt/data/a.csv", "mnt/data/b.csv", "file:///mnt/data/c.csv"}},
		{"[a](<sandbox:/mnt/data/a b.csv>) [a](</mnt/data/b c.csv>)", []string{"sandbox:/mnt/data/a b.csv", "/mnt/data/b c.csv"}},
		{"[a](sandbox:a.csv) sandbox: sandbox:/", []string{"sandbox:a.csv"}},
		{"saved as /mnt/data/a.csv (/mnt/data/b.csv)", nil},
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
	for text, want := range map[string][]string{
		"sandbox:/mnt/data/a.csv.,":      {"sandbox:/mnt/data/a.csv.,", "sandbox:/mnt/data/a.csv"},
		`sandbox:/mnt/data/a.csv "data"`: {`sandbox:/mnt/data/a.csv "data"`, "sandbox:/mnt/data/a.csv"},
		"/mnt/data/.":                    {"/mnt/data/."},
	} {
		l := link{text: text}
		if diff := cmp.Diff(want, l.candidates()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestClosest(t *testing.T) {
	var files []sandbox.FileInfo
	for _, name := range []string{"Sales Report.CSV", "out/plot.png", "out/plot_2.png", "a/x.txt", "b/x.txt", "C.txt", "c.TXT", "été.csv", "file-1"} {
		files = append(files, sandbox.FileInfo{Path: name})
	}
	lists := 0
	have := folder{list: func() []sandbox.FileInfo { lists++; return files }}
	for name, want := range map[string]string{
		"sales_report.csv":       "Sales Report.CSV",
		"Sales%20Report.csv":     "Sales Report.CSV",
		"sales-report.csv":       "Sales Report.CSV",
		"sub/sales_report.csv":   "Sales Report.CSV",
		"plot.png":               "out/plot.png",
		"PLOT.PNG":               "out/plot.png",
		"data/plot 2.png":        "out/plot_2.png",
		"x.txt":                  "", // two of the name
		"A/X.txt":                "a/x.txt",
		"c.txt":                  "", // two that differ in case
		"e\u0301te\u0301.csv":    "été.csv",
		"plot_3.png":             "", // another file, not another spelling
		"sales_report.xlsx":      "",
		"../../etc/passwd":       "",
		"":                       "",
		"%zz":                    "",
		"out/../out/../plot.png": "out/plot.png",
	} {
		if got := have.closest(name); got != want {
			t.Errorf("closest(%q) = %q, want %q", name, got, want)
		}
	}
	if lists != 1 {
		t.Errorf("the files were listed %d times, want once for all links", lists)
	}
}

// TestWithoutTwins is about a cell that wrote to its inputs.
func TestWithoutTwins(t *testing.T) {
	files := []sandbox.FileInfo{{Path: "a.csv"}, {Path: "file-1"}, {Path: "file-2"}, {Path: "file-3"}, {Path: "new"}}
	inputs := []sandbox.Input{{ID: "file-1", Name: "a.csv"}, {ID: "file-2", Name: "b.csv"}, {ID: "file-3", Name: "file-3"}}
	var got []string
	for _, f := range withoutTwins(files, inputs) {
		got = append(got, f.Path)
	}
	if diff := cmp.Diff([]string{"a.csv", "file-2", "file-3", "new"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
				if !strings.HasPrefix(l.text, c) || linkName(c) == "" {
					t.Errorf("candidate %q of %q", c, l.text)
				}
			}
		}
	})
}

// TestNewestMade is about which of too many files a message gets.
func TestNewestMade(t *testing.T) {
	files := func(names ...string) (all []sandbox.FileInfo) {
		for _, name := range names {
			all = append(all, sandbox.FileInfo{Path: name})
		}
		return all
	}
	var x execution
	x.noteMade(files("first", "changed", ".hidden", "a/__pycache__/x"))
	x.noteMade(files("second", "changed"))
	x.noteMadeBy(earlierCell, files("before"))
	if diff := cmp.Diff([]string{"changed", "second", "first", "before"}, x.newestMade()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
