package understudy

import (
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewID(t *testing.T) {
	shape := regexp.MustCompile(`^run_[0-9A-Za-z]{24}$`)
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[string]bool)
		last := ""
		for range 100 {
			for range 10 {
				id := NewID(PrefixRun)
				if !shape.MatchString(id) || seen[id] {
					t.Fatalf("id %q is malformed or not new", id)
				}
				seen[id] = true
				if id[:12] < last {
					t.Errorf("%q does not grow with time: there was %q before", id, last)
				}
				last = id[:12]
			}
			time.Sleep(7 * time.Millisecond) // virtual
		}
	})
}
