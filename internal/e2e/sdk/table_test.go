package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A miss is a group of tests that fail, for a reason that we know and tell.
type miss struct {
	sdk   string // as sdk.String says
	tests []string
	why   string // its line below the table
}

// misses lists all tests of generated suites that do not pass. A test that fails
// and is not here fails ours, and so does one that is here and passes.
var misses = []miss{}

// results is what the tests found, for the table, by the name of the SDK.
var results = struct {
	mu       sync.Mutex
	suites   map[string]score
	programs map[string]map[string]bool
}{suites: map[string]score{}, programs: map[string]map[string]bool{}}

type score struct{ passed, all int }

func (s score) String() string { return fmt.Sprintf("%d of %d", s.passed, s.all) }

func recordProgram(s sdk, p program, ok bool) {
	results.mu.Lock()
	defer results.mu.Unlock()
	if results.programs[s.String()] == nil {
		results.programs[s.String()] = map[string]bool{}
	}
	results.programs[s.String()][p.name] = ok
}

// recordSuite compares what a suite found with what is known, and records it.
func recordSuite(t *testing.T, s sdk, tests []suiteTest) {
	t.Helper()
	if len(tests) == 0 {
		t.Fatal("the suite has no tests")
	}
	var known []string
	for _, m := range misses {
		if m.sdk == s.String() {
			known = append(known, m.tests...)
		}
	}
	var total score
	for _, test := range tests {
		isKnown := slices.Contains(known, test.name)
		switch total.all++; {
		case test.failed == "":
			total.passed++
			if isKnown {
				t.Errorf("%s passes: it is no miss any more", test.name)
			}
		case !isKnown:
			t.Errorf("%s %s", test.name, tail(test.failed, 2000))
		}
	}
	for _, name := range known {
		if !slices.ContainsFunc(tests, func(test suiteTest) bool { return test.name == name }) {
			t.Errorf("the suite has no test %s, which is listed as a miss", name)
		}
	}
	t.Logf("%s: %v", s, total)
	results.mu.Lock()
	defer results.mu.Unlock()
	results.suites[s.String()] = total
}

// table writes the table and what explains it, in Markdown, once everything ran.
func table() (string, error) {
	var b strings.Builder
	b.WriteString("| SDK | generated suite | programs |\n|---|---|---|\n")
	for _, s := range sdks {
		suite := "–"
		if s.suite {
			suite = "not yet"
			if got, ok := results.suites[s.String()]; ok {
				suite = got.String()
			}
		}
		var programs score
		for _, p := range s.programs {
			ok, ran := results.programs[s.String()][p.name]
			if !ran {
				return "", fmt.Errorf("%s did not run program %s", s, p.name)
			}
			if programs.all++; ok {
				programs.passed++
			}
		}
		fmt.Fprintf(&b, "| %s `%s` %s | %s | %v |\n", s.language, s.pkg, s.version, suite, programs)
	}
	if len(misses) > 0 {
		b.WriteString("\nWhat does not pass:\n\n")
	}
	for _, m := range misses {
		fmt.Fprintf(&b, "- %s: %s: %s\n", m.sdk, strings.Join(m.tests, ", "), m.why)
	}
	b.WriteString("\nThe programs, each with the dialect it speaks:\n\n")
	for _, language := range []struct {
		name     string
		programs []program
	}{
		{"Python", slices.Concat(pythonPrograms, pythonV1Programs)},
		{"Node", slices.Concat(nodePrograms, nodeV1Programs, azureNodePrograms)},
		{"Go", goPrograms},
	} {
		var items []string
		for _, p := range language.programs {
			items = append(items, fmt.Sprintf("%s (%s)", p.what, p.dialect))
		}
		fmt.Fprintf(&b, "- %s: %s.\n", language.name, strings.Join(items, "; "))
	}
	return b.String(), nil
}

// updateReadme writes the table between its marks in the README.
func updateReadme() error {
	text, err := table()
	if err != nil {
		return err
	}
	dir, err := root()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "README.md")
	readme, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	const begin, end = "<!-- sdks:begin -->\n", "<!-- sdks:end -->"
	head, rest, ok := strings.Cut(string(readme), begin)
	_, foot, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("the README has no %s … %s", strings.TrimSpace(begin), end)
	}
	return os.WriteFile(name, []byte(head+begin+text+"\n"+end+foot), 0o644)
}
