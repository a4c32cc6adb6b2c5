package contract

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy/internal/e2e/program"
)

var write = flag.Bool("write", false, "write what is proven to docs/compatibility.md and to the README")

// pageHead begins the page, before the tables.
const pageHead = `# Compatibility

<!-- Written by: go test ./internal/e2e/contract -write -->

Every answer of the server is checked against the OpenAPI files that OpenAI and Azure published: objects, lists, deletions, errors, and
the events of streams. A scenario walks through each route in each dialect; a cell names the one that proves the route, which
` + "`go test ./internal/e2e/contract -run 'TestContract/DIALECT/SCENARIO'`" + ` plays. A dash: the dialect has no such route. The test fails when
a route is not walked, when an answer differs from its schema in a way that
[differences.txt](../internal/e2e/contract/testdata/differences.txt) does not list with a reason, and when this page is out of date.

The answers of the real service are the other yardstick: [the replay](../internal/e2e/replay) plays recorded traffic and compares.
`

// sorted returns the routes by path, and by method in the usual order.
func (c coverage) sorted() []string {
	return slices.SortedFunc(maps.Keys(c), func(a, b string) int {
		rank := func(route string) string {
			method, path, _ := strings.Cut(route, " ")
			return path + " " + fmt.Sprint(strings.Index("GET POST DELETE", method))
		}
		return strings.Compare(rank(a), rank(b))
	})
}

// page returns the documentation of what is proven.
func (c coverage) page() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	b.WriteString("\n## Dialects\n\n| dialect | requests | specification |\n|---|---|---|\n")
	for _, d := range dialects {
		fmt.Fprintf(&b, "| %s (`%s`) | %s | %s |\n", d.title, d.name, d.requests(), d.specification())
	}
	b.WriteString("\n## Routes\n\n| |")
	for _, d := range dialects {
		b.WriteString(" " + d.title + " |")
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(dialects)) + "|\n")
	for _, route := range c.sorted() {
		fmt.Fprintf(&b, "| `%s` |", route)
		for _, d := range dialects {
			cell := "–"
			if scenario := c[route][d.name]; scenario != "" {
				cell = scenario
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// requests says what tells requests in the dialect from others.
func (d *dialect) requests() string {
	text := "`" + d.prefix + "/…`"
	if d.version != "" {
		text = "`" + d.prefix + "/…?api-version=" + d.version + "`"
	}
	if beta := d.header["OpenAI-Beta"]; beta != "" {
		text += ", `OpenAI-Beta: " + beta + "`"
	}
	return text
}

// specification names the files that answers are checked against.
func (d *dialect) specification() string {
	var names []string
	for _, group := range d.specs {
		for _, name := range group {
			if file := "`" + files[name] + "`"; !slices.Contains(names, file) {
				names = append(names, file)
			}
		}
	}
	return strings.Join(names, ", ")
}

// The README has a summary between these marks.
const (
	summaryBegin = "<!-- compatibility:begin -->\n"
	summaryEnd   = "<!-- compatibility:end -->"
)

// groups are the rows of the summary, and the paths that each has.
var groups = []struct{ title, path string }{
	{"Assistants", "/assistants"},
	{"Threads", "/threads"},
	{"Messages", "/threads/{thread_id}/messages"},
	{"Runs and run steps", "/threads/{thread_id}/runs"},
	{"Vector stores", "/vector_stores"},
	{"Files", "/files"},
	{"Uploads", "/uploads"},
	{"Models", "/models"},
}

// group returns the index of the group that a route belongs to.
func group(route string) int {
	_, path, _ := strings.Cut(route, " ")
	if path == "/threads/runs" {
		path = "/threads/{thread_id}/runs"
	}
	best := -1
	for i, g := range groups {
		if strings.HasPrefix(path, g.path) && (best < 0 || len(g.path) > len(groups[best].path)) {
			best = i
		}
	}
	return best
}

// summary returns how many routes of each group are proven.
func (c coverage) summary() []byte {
	var b bytes.Buffer
	b.WriteString("| routes of |")
	for _, d := range dialects {
		b.WriteString(" " + d.title + " |")
	}
	b.WriteString("\n|---" + strings.Repeat("|---", len(dialects)) + "|\n")
	for i, g := range groups {
		counts := make([]int, len(dialects))
		for route, proven := range c {
			for j, d := range dialects {
				if group(route) == i && proven[d.name] != "" {
					counts[j]++
				}
			}
		}
		if slices.Max(counts) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |", g.title)
		for _, n := range counts {
			if n == 0 {
				b.WriteString(" – |")
			} else {
				fmt.Fprintf(&b, " %d |", n)
			}
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// document compares the documentation with what is proven, or writes it.
func (c coverage) document(t *testing.T) {
	t.Helper()
	module, err := program.Module()
	if err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(module, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(summaryBegin))
	_, after, closed := bytes.Cut(rest, []byte(summaryEnd))
	if !ok || !closed {
		t.Fatal("the README has no marks for the summary")
	}
	compareOrWrite(t, readme, slices.Concat(before, []byte(summaryBegin), c.summary(), []byte(summaryEnd), after))
	compareOrWrite(t, filepath.Join(module, "docs", "compatibility.md"), c.page())
}

func compareOrWrite(t *testing.T, file string, want []byte) {
	t.Helper()
	switch {
	case *write && t.Failed():
		t.Errorf("%s is not written: the test fails", file)
		return
	case *write:
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (%v): go test ./internal/e2e/contract -write", file, err)
	}
}
