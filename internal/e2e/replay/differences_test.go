package replay

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// listed is a line of the list of differences that are meant, or known.
type listed struct {
	line    int
	pattern *regexp.Regexp
	kind    string
	used    bool
}

// readList reads the list of differences: a pattern of the place in which *
// stands for anything, the kind, and the reason, separated by bars.
func readList(file string) ([]*listed, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var list []*listed
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
		pattern := strings.ReplaceAll(regexp.QuoteMeta(fields[0]), `\*`, `.*`)
		re, err := regexp.Compile("^" + pattern + "$")
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
		list = append(list, &listed{line: line, pattern: re, kind: fields[1]})
	}
	return list, nil
}

// find marks the lines that list d as used, and tells whether there are any.
func find(list []*listed, d difference) bool {
	found := false
	for _, l := range list {
		if l.kind == d.kind && l.pattern.MatchString(d.where) {
			l.used, found = true, true
		}
	}
	return found
}
