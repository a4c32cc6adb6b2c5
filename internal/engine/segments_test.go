package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/understudy-dev/understudy/internal/search"
)

func TestSegmentCache(t *testing.T) {
	s := search.Build("one two three", search.Split("one two three", 100, 0))
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	c := &segmentCache{capacity: int64(2*len(data)) + 1} // room for two
	loads := 0
	get := func(key string) {
		t.Helper()
		got, err := c.get(key, func() (*search.Segment, error) { loads++; return s, nil })
		if err != nil || got != s {
			t.Errorf("%s: %v, %v", key, got, err)
		}
	}
	c.add("a", s)
	for _, step := range []struct {
		key   string
		loads int // so far
	}{{"a", 0}, {"b", 1}, {"a", 1}, {"c", 2}, {"a", 2}, {"b", 3}, {"c", 4}} { // c took the place of b, then b that of c
		if get(step.key); loads != step.loads {
			t.Fatalf("after %s: %d loads, want %d", step.key, loads, step.loads)
		}
	}
	c.remove("c")
	c.remove("nothing")
	if get("c"); loads != 5 || c.size > c.capacity || c.recent.Len() != len(c.byKey) {
		t.Errorf("%d loads, %d bytes of %d, %d items, %d keys", loads, c.size, c.capacity, c.recent.Len(), len(c.byKey))
	}
}

func TestSegmentCacheForgetsErrors(t *testing.T) {
	c := &segmentCache{capacity: 1 << 20}
	broken := errors.New("broken")
	if _, err := c.get("a", func() (*search.Segment, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	s := search.Build("", nil)
	if got, err := c.get("a", func() (*search.Segment, error) { return s, nil }); got != s || err != nil {
		t.Errorf("the second attempt: %v, %v", got, err)
	}
}

func TestSegmentCacheLoadsOnce(t *testing.T) {
	c := &segmentCache{capacity: 1} // less than one segment: it is kept until the next comes
	s := search.Build("text", search.Split("text", 100, 0))
	var loads atomic.Int64
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			<-begin
			if got, err := c.get("a", func() (*search.Segment, error) { loads.Add(1); return s, nil }); got != s || err != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}
