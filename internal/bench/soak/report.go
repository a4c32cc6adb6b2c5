package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// good reports whether everything was as it should be.
func (s *soak) good() bool {
	return !slices.ContainsFunc(s.judge(), func(f finding) bool { return !f.Good })
}

// verdict is the table of what was found.
func (s *soak) verdict() string {
	var b strings.Builder
	b.WriteString("| | found | |\n|---|---|---|\n")
	for _, f := range s.judge() {
		word := "good"
		if !f.Good {
			word = "**BAD**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.What, f.Said, word)
	}
	for _, what := range s.Surprises[:min(len(s.Surprises), 20)] {
		fmt.Fprintf(&b, "\n- %s", strings.ReplaceAll(what, "\n", " "))
	}
	return b.String() + "\n"
}

// write writes the report, and beside it the drawing and the samples.
func (s *soak) write(file string) error {
	name := strings.TrimSuffix(file, filepath.Ext(file))
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	for _, out := range []struct{ file, text string }{
		{name + ".json", string(text) + "\n"}, {name + ".svg", s.drawing()}, {file, s.markdown(filepath.Base(name) + ".svg")},
	} {
		if err := os.WriteFile(out.file, []byte(out.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// markdown is the report; drawing is the file to show in it.
func (s *soak) markdown(drawing string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Soak\n\n`make soak`, %s: %d sessions in %v, up to %d at once, driver %s. Harmless cells (data, plots, files), cells that take\n"+
		"all they can get, crash, hang and leave things behind, and the attacks of the threat model. One session in %d is not ended but left to expire.\n\n",
		s.Time.Format(time.DateOnly), s.Sessions, s.Duration, s.Workers, s.Driver, leaveOne)
	fmt.Fprintf(&b, "%s\n\n    %s\n\n## Verdict\n\n%s\n", strings.ReplaceAll(s.Machine.String(), "\n", "; "), s.Isolation, s.verdict())
	fmt.Fprintf(&b, "## Memory\n\n![Memory over time](%s)\n\n## Samples\n\n", drawing)
	b.WriteString("| min | sessions | live | descriptors | goroutines | processes | mounts | groups | server, MiB | maker, MiB | slab, MiB | available, MiB |\n" +
		"|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range rows {
		if len(s.Samples) < rows {
			break
		}
		x := s.Samples[(len(s.Samples)-1)*i/(rows-1)]
		fmt.Fprintf(&b, "| %.1f | %d | %d | %d | %d | %d | %d | %d | %.1f | %.1f | %.0f | %.0f |\n", x.Seconds/60, x.Sessions, x.Live,
			x.Descriptors, x.Goroutines, x.Processes, x.Mounts, x.Groups, x.Server, x.Maker, x.Slab, x.Available)
	}
	fmt.Fprintf(&b, "\nWithout sessions, before: %+v, after: %+v.\nWithout a sandbox, before: %+v, after: %+v.\n\n", s.Before, s.After, s.Clean, s.Closed)
	fmt.Fprintf(&b, "## What the sessions did\n\n%s\n\nThey ended, or lost their process and went on with a new one: %s.\n", counts(s.Lives), counts(s.Ended))
	return b.String()
}

// rows of the table of samples.
const rows = 13

func counts(of map[string]int) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		words = append(words, fmt.Sprintf("%s %d", name, of[name]))
	}
	return strings.Join(words, ", ")
}

// Sizes in the drawing, in pixels.
const (
	chartWidth, chartHeight = 720, 90
	chartGap                = 40
)

// drawing draws each kind of memory over time, from nothing to its peak.
func (s *soak) drawing() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		chartWidth+20, len(charts)*(chartHeight+chartGap)+10)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	for i, c := range charts {
		top := i*(chartHeight+chartGap) + 24
		peak, last := 1.0, 1.0
		for _, x := range s.Samples {
			peak, last = max(peak, c.of(x)), max(last, x.Seconds)
		}
		fmt.Fprintf(&b, `<text x="10" y="%d">%s, MiB (top: %.0f)</text>`+"\n", top-6, c.name, peak)
		fmt.Fprintf(&b, `<rect x="10" y="%d" width="%d" height="%d" fill="none" stroke="#bbb"/>`+"\n", top, chartWidth, chartHeight)
		var points []string
		for _, x := range s.Samples {
			points = append(points, fmt.Sprintf("%.1f,%.1f", 10+x.Seconds/last*chartWidth, float64(top)+chartHeight*(1-c.of(x)/peak)))
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="#1f77b4" points="%s"/>`+"\n", strings.Join(points, " "))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

var charts = []struct {
	name string
	of   func(sample) float64
}{
	{"server, resident", func(s sample) float64 { return s.Server }},
	{"maker of sessions, resident", func(s sample) float64 { return s.Maker }},
	{"unreclaimable slab", func(s sample) float64 { return s.Slab }},
	{"available on the machine", func(s sample) float64 { return s.Available }},
}
