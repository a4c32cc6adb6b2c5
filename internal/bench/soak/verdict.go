package main

import (
	"fmt"
	"math"
)

// finding is one line of the verdict.
type finding struct {
	What string `json:"what"`
	Said string `json:"said"`
	Good bool   `json:"good"`
}

// The fewest samples from whose second half a growth can be told.
const enoughSamples = 60

// curves are the kinds of memory that must be flat, and how many MiB each may grow in
// the second half. What the rest of the machine does shows in the last two: of the
// one without limit it is only told.
var curves = []struct {
	name  string
	of    func(sample) float64
	limit float64
}{
	{"server, resident", func(s sample) float64 { return s.Server }, 8},
	{"maker of sessions, resident", func(s sample) float64 { return s.Maker }, 4},
	{"unreclaimable slab of the kernel", func(s sample) float64 { return s.Slab }, 48},
	{"memory in use on the machine", func(s sample) float64 { return -s.Available }, 0},
}

// growth fits a line through the second half of the samples, and returns by how much
// it rises from its beginning to its end.
func growth(samples []sample, of func(sample) float64) float64 {
	half := samples[len(samples)/2:]
	n := float64(len(half))
	var sx, sy, sxx, sxy float64
	for _, s := range half {
		x, y := s.Seconds, of(s)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	below := n*sxx - sx*sx
	if math.Abs(below) < 1e-9 {
		return 0
	}
	slope := (n*sxy - sx*sy) / below
	return slope * (half[len(half)-1].Seconds - half[0].Seconds)
}

// judge says of everything that was to be shown whether it was.
func (s *soak) judge() []finding {
	found := []finding{
		{What: "sessions", Said: fmt.Sprintf("%d of %d", s.Sessions, s.Wanted), Good: s.Sessions >= s.Wanted},
		{What: "lives and attacks that went otherwise than they should", Said: fmt.Sprint(len(s.Surprises)), Good: len(s.Surprises) == 0},
		{What: "left behind by sessions", Said: compare(s.Before, s.After), Good: s.Before == s.After},
		{What: "left behind by the sandbox", Said: compare(s.Clean, s.Closed), Good: s.Clean == s.Closed},
	}
	if s.Attacks > 0 {
		found = append(found, finding{What: "attacks that held", Said: fmt.Sprint(s.Attacks), Good: true})
	}
	for _, c := range curves {
		f := finding{What: "growth: " + c.name, Said: "too short to tell", Good: true}
		if len(s.Samples) >= enoughSamples {
			grown := growth(s.Samples, c.of)
			f.Said = fmt.Sprintf("%+.1f MiB in the second half", grown)
			if c.limit > 0 {
				f.Said, f.Good = fmt.Sprintf("%s, at most %+.0f", f.Said, c.limit), grown <= c.limit
			}
		}
		found = append(found, f)
	}
	return found
}

func compare(before, after residue) string {
	if before == after {
		return "nothing"
	}
	return fmt.Sprintf("had %+v, have %+v", before, after)
}
