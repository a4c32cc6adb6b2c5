package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// summary are the rows of the README's table: what they are called there, and in
// which words they were measured.
var summary = []struct{ name, what string }{
	{"Session on demand", "start on demand, back to back"},
	{"The same, 100 ms after the last", "start on demand, 100 ms apart"},
	{"Hand-over of a session from the pool", "hand-over of a session that waits"},
	{"Session and first cell, `x = 1`", "first cell, `x = 1`, hand-over included"},
	{"Session and first cell, pandas `describe()`", "session and first cell, pandas `describe()`"},
	{"First plot after that", "first plot after it"},
	{"Round trip of `x = 1`", "round trip of `x = 1`"},
	{"Interrupt of an endless loop", "interrupt of an endless loop"},
	{"Memory of an idle session", "memory of a session, idle: its processes"},
	{"Memory after pandas and a plot", "memory of a session, after pandas and a plot: its processes"},
	{"32 sessions at once: start to end of the first cell", "start, cell and kill, 32 at once, to the end of the cell"},
	{"32 at once: started, used and killed", "start, cell and kill, 32 at once"},
}

// Marks around what is written into the README.
const (
	readmeBegin = "<!-- sandbox:begin -->\n"
	readmeEnd   = "<!-- sandbox:end -->\n"
)

// writeReadme puts the most telling rows between the marks in file.
func (r *report) writeReadme(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(text, []byte(readmeBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(readmeEnd))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks for the table", file)
	}
	return os.WriteFile(file, fmt.Appendf(nil, "%s%s%s%s%s", before, readmeBegin, r.summarize(), readmeEnd, after), 0o644)
}

func (r *report) summarize() string {
	var b strings.Builder
	names := r.names()
	fmt.Fprintf(&b, "| p50 / p99 | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, row := range summary {
		fmt.Fprintf(&b, "| %s |", row.name)
		for _, name := range names {
			s := r.find(row.what, name)
			if s == nil {
				b.WriteString(" – |")
				continue
			}
			fmt.Fprintf(&b, " %s %s |", s, s.Unit)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, p := range r.Products {
		fmt.Fprintf(&b, "- %s: %s.\n", p.Name, p.Note)
	}
	fmt.Fprintf(&b, "\nMeasured as %s in one run of %.0f s: %s; cgroups %s.\n", r.User, r.Seconds, strings.ReplaceAll(r.Machine.String(), "\n", "; "), r.Cgroups)
	return b.String()
}
