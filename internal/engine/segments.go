package engine

import (
	"container/list"
	"sync"

	"github.com/understudy-dev/understudy/internal/search"
)

// segmentCache keeps the indexes that were used last, up to a number of bytes.
// The zero value keeps nothing; it is safe for concurrent use.
type segmentCache struct {
	capacity int64 // bytes

	mu     sync.Mutex
	size   int64
	recent list.List // of *cachedSegment, the last used first
	byKey  map[string]*list.Element
}

type cachedSegment struct {
	key  string
	load func() (*search.Segment, error) // once
	size int64                           // 0 until it is loaded
}

// get returns the index with the given key, which load reads if it is not here.
// Callers who ask for the same at the same time wait for one load.
func (c *segmentCache) get(key string, load func() (*search.Segment, error)) (*search.Segment, error) {
	c.mu.Lock()
	item, ok := c.byKey[key]
	if ok {
		c.recent.MoveToFront(item)
	} else {
		item = c.insert(&cachedSegment{key: key, load: sync.OnceValues(load)})
	}
	cached := item.Value.(*cachedSegment)
	c.mu.Unlock()
	s, err := cached.load()
	if err != nil {
		c.drop(item) // the next caller tries again
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] == item && cached.size == 0 {
		data, _ := s.MarshalBinary() // is what it consists of
		cached.size = int64(len(data))
		c.size += cached.size
		c.evict(item)
	}
	return s, nil
}

// add puts an index into the cache.
func (c *segmentCache) add(key string, s *search.Segment) {
	_, _ = c.get(key, func() (*search.Segment, error) { return s, nil }) // cannot fail
}

// remove forgets an index.
func (c *segmentCache) remove(key string) {
	c.mu.Lock()
	item := c.byKey[key]
	c.mu.Unlock()
	if item != nil {
		c.drop(item)
	}
}

// insert adds an item. c.mu is held.
func (c *segmentCache) insert(s *cachedSegment) *list.Element {
	if c.byKey == nil {
		c.byKey = make(map[string]*list.Element)
	}
	item := c.recent.PushFront(s)
	c.byKey[s.key] = item
	return item
}

// evict forgets what was not used for longest, but not keep, until the rest
// fits. c.mu is held.
func (c *segmentCache) evict(keep *list.Element) {
	for c.size > c.capacity {
		last := c.recent.Back()
		if last == keep {
			return
		}
		c.forget(last)
	}
}

func (c *segmentCache) drop(item *list.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[item.Value.(*cachedSegment).key] == item {
		c.forget(item)
	}
}

// forget removes an item that is there. c.mu is held.
func (c *segmentCache) forget(item *list.Element) {
	s := item.Value.(*cachedSegment)
	c.recent.Remove(item)
	delete(c.byKey, s.key)
	c.size -= s.size
}
