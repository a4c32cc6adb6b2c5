package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy/internal/bench/measure"
)

// series is what was measured of one thing with one product.
type series struct {
	What    string  `json:"what"`
	Product string  `json:"product"`
	Unit    string  `json:"unit"`
	Count   int     `json:"count"`
	Min     float64 `json:"min"`
	P50     float64 `json:"p50"`
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`

	values []float64
}

// report is everything that came out.
type report struct {
	Time     time.Time       `json:"time"`
	Seconds  float64         `json:"seconds"` // that it took
	Machine  measure.Machine `json:"machine"`
	Cgroups  string          `json:"cgroups"` // as a session found them
	User     string          `json:"user"`    // root, or not
	Products []product       `json:"products"`
	Series   []*series       `json:"series"`
	Goals    []goal          `json:"goals"`
	Notes    []string        `json:"notes"` // what is missing
}

// product is a column of the table.
type product struct {
	Name string `json:"name"`
	Note string `json:"note"` // version and isolation, or why it is missing
}

// goal is a bar that we set ourselves.
type goal struct {
	What  string  `json:"what"`
	Bound float64 `json:"bound"`
	Got   float64 `json:"got"`
	Unit  string  `json:"unit"`
	Met   bool    `json:"met"`
}

func (r *report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// add appends values to what has been measured of the same thing.
func (r *report) add(what string, c *column, unit string, values ...float64) {
	s := r.find(what, c.name)
	if s == nil {
		s = &series{What: what, Product: c.name, Unit: unit}
		r.Series = append(r.Series, s)
	}
	s.values = append(s.values, values...)
}

func (r *report) find(what, product string) *series {
	i := slices.IndexFunc(r.Series, func(s *series) bool { return s.What == what && s.Product == product })
	if i < 0 {
		return nil
	}
	return r.Series[i]
}

// bars are the goals, all of them upper bounds.
var bars = []struct {
	what, product string
	percentile    int
	bound         float64
}{
	{"hand-over of a session that waits", zygote, 50, 1},
	{"first cell, `x = 1`, hand-over included", zygote, 50, 10},
	{"round trip of `x = 1`", zygote, 50, 0.5},
	{"memory of a session, idle: its processes", zygote, 50, 5},
	{"memory of a session, after pandas and a plot: its processes", zygote, 50, 15},
	{"start, cell and kill, 32 at once, to the end of the cell", zygote, 99, 400},
	{"start on demand, back to back", gVisor, 50, 250},
}

// finish computes what is told of the values.
func (r *report) finish(began time.Time) {
	r.Seconds = time.Since(began).Seconds()
	for _, s := range r.Series {
		s.Count, s.Min = len(s.values), slices.Min(s.values)
		s.P50, s.P90, s.P99 = measure.Percentile(s.values, 50), measure.Percentile(s.values, 90), measure.Percentile(s.values, 99)
	}
	for _, b := range bars {
		if s := r.find(b.what, b.product); s != nil {
			got := measure.Percentile(s.values, b.percentile)
			r.Goals = append(r.Goals, goal{What: fmt.Sprintf("%s: %s, p%d", b.product, b.what, b.percentile), Bound: b.bound, Got: got, Unit: s.Unit, Met: got <= b.bound})
		}
	}
}

// writeJSON writes all that was measured.
func (r *report) writeJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// write writes the table in Markdown.
func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "%s, in %.0f s, as %s, cgroups %s\n%s\n\n", r.Time.Format(time.RFC3339), r.Seconds, r.User, r.Cgroups, r.Machine)
	names := r.names()
	fmt.Fprintf(w, "| p50 / p99 | %s |\n|---|%s\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	var seen []string
	for _, s := range r.Series {
		if slices.Contains(seen, s.What) {
			continue
		}
		seen = append(seen, s.What)
		fmt.Fprintf(w, "| %s, %s |", s.What, s.Unit)
		for _, name := range names {
			fmt.Fprintf(w, " %s |", r.find(s.What, name))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	for _, p := range r.Products {
		fmt.Fprintf(w, "- %s: %s\n", p.Name, p.Note)
	}
	for _, g := range r.Goals {
		fmt.Fprintf(w, "- goal %s: %s ≤ %s %s: %s\n", met(g.Met), g.What, number(g.Bound), g.Unit, number(g.Got))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "- missing: %s\n", n)
	}
}

// names are those of the columns.
func (r *report) names() []string {
	names := make([]string, len(r.Products))
	for i, p := range r.Products {
		names[i] = p.Name
	}
	return names
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

// String is what the table says of s: one value stands for itself.
func (s *series) String() string {
	switch {
	case s == nil:
		return "–"
	case s.Count == 1:
		return number(s.P50)
	default:
		return number(s.P50) + " / " + number(s.P99)
	}
}

// number returns v with as many digits as mean something.
func number(v float64) string {
	switch size := max(v, -v); {
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// product appends a column, or says why it is missing.
func (r *report) product(name, note string) {
	r.Products = append(r.Products, product{Name: name, Note: cmp.Or(note, "–")})
}
