package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTruncate(t *testing.T) {
	for _, test := range []struct {
		name   string
		tokens []int
		limit  int
		want   []int // the tokens of what is kept
		fits   bool
	}{
		{"all fits", []int{1, 2, 3}, 6, []int{1, 2, 3}, true},
		{"the middle goes", []int{1, 20, 20, 4, 3}, 10, []int{1, 4, 3}, true},
		{"a first message too long to keep", []int{30, 2, 3}, 10, []int{2, 3}, true},
		{"only the last", []int{9, 9, 9}, 10, []int{9}, true},
		{"not even the last", []int{1, 20}, 10, []int{20}, false},
		{"nothing", nil, 10, nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var entries []entry
			for _, n := range test.tokens {
				entries = append(entries, entry{tokens: n})
			}
			kept, fits := truncate(entries, test.limit, true)
			var got []int
			for _, e := range kept {
				got = append(got, e.tokens)
			}
			if diff := cmp.Diff(test.want, got); diff != "" || fits != test.fits {
				t.Errorf("fits %v, want %v (-want +got):\n%s", fits, test.fits, diff)
			}
		})
	}
}
