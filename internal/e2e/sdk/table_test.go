package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	harness "github.com/understudy-dev/understudy/internal/e2e/program"
)

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

// recordSuite records what a suite found. Whatever fails, fails our test.
func recordSuite(t *testing.T, s sdk, tests []suiteTest) {
	t.Helper()
	if len(tests) == 0 {
		t.Fatal("the suite has no tests")
	}
	total := score{all: len(tests)}
	for _, test := range tests {
		if test.failed == "" {
			total.passed++
		} else {
			t.Errorf("%s %s", test.name, tail(test.failed, 2000))
		}
	}
	t.Logf("%s: %v", s, total)
	results.mu.Lock()
	defer results.mu.Unlock()
	results.suites[s.String()] = total
}

// table returns the table and a list of the programs in Markdown, once everything
// ran. It has no misses to explain: they fail the tests, and then it is not written.
func table() (string, error) {
	var b strings.Builder
	b.WriteString("| SDK | generated suite | programs |\n|---|---|---|\n")
	for _, s := range sdks {
		suite := "–"
		if s.suite {
			got, ok := results.suites[s.String()]
			if !ok {
				return "", fmt.Errorf("the suite of %s did not run", s)
			}
			suite = got.String()
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
	b.WriteString("\n–: no package index carries the suite of this version. The programs:\n\n| | dialect | in |\n|---|---|---|\n")
	var programs []program
	languages := map[program][]string{}
	for _, s := range sdks {
		for _, p := range s.programs {
			p.name = "" // the same in several languages
			if !slices.Contains(programs, p) {
				programs = append(programs, p)
			}
			if !slices.Contains(languages[p], s.language) {
				languages[p] = append(languages[p], s.language)
			}
		}
	}
	for _, p := range programs {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.what, p.dialect, strings.Join(languages[p], ", "))
	}
	return b.String(), nil
}

// compareReadme says whether the README has the table, or writes it there.
func compareReadme(text string, write bool) error {
	dir, err := harness.Module()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "README.md")
	readme, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	const begin, end = "<!-- sdks:begin -->\n", "\n<!-- sdks:end -->"
	head, rest, ok := strings.Cut(string(readme), begin)
	old, foot, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		return fmt.Errorf("the README has no %s … %s", strings.TrimSpace(begin), strings.TrimSpace(end))
	case write:
		return os.WriteFile(name, []byte(head+begin+text+end+foot), 0o644)
	case old != text:
		return fmt.Errorf("the README's table of SDKs is out of date (make sdks); it should be\n%s", text)
	}
	return nil
}
