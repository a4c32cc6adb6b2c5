// Package differences reads lists of differences that are meant, or known, and
// tells which of them are there.
package differences

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A List is what a file lists, one difference a line:
//
//	PLACE | KIND | REASON
//
// In a place, * stands for anything. Empty lines and lines that begin with # say
// nothing. A list must not be used by several goroutines at once.
type List struct {
	file    string
	entries []*entry
}

type entry struct {
	line    int
	pattern *regexp.Regexp
	kind    string
	used    bool
}

// Read reads the list in a file, whose kinds are among those given.
func Read(file string, kinds []string) (*List, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := &List{file: file}
	line := 0
	for text := range strings.Lines(string(b)) {
		line++
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		fields := strings.Split(text, " | ")
		if len(fields) != 3 || !slices.Contains(kinds, fields[1]) {
			return nil, fmt.Errorf("%s:%d: want PLACE | KIND | REASON with a kind of %q", file, line, kinds)
		}
		re, err := regexp.Compile("^" + strings.ReplaceAll(regexp.QuoteMeta(fields[0]), `\*`, `.*`) + "$")
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
		list.entries = append(list.entries, &entry{line: line, pattern: re, kind: fields[1]})
	}
	return list, nil
}

// Has tells whether a difference is listed, and marks the lines that list it as
// needed.
func (l *List) Has(place, kind string) bool {
	found := false
	for _, e := range l.entries {
		if e.kind == kind && e.pattern.MatchString(place) {
			e.used, found = true, true
		}
	}
	return found
}

// Stale returns the places in the file of the lines that no difference needed.
func (l *List) Stale() []string {
	var stale []string
	for _, e := range l.entries {
		if !e.used {
			stale = append(stale, fmt.Sprintf("%s:%d", l.file, e.line))
		}
	}
	return stale
}
