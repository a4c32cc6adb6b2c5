package store

import "sync"

// watches tell those who wait for an object that it has settled, so that nobody
// has to ask the database again and again. They cost an entry per object that
// somebody waits for, and no goroutine.
type watches struct {
	mu   sync.Mutex
	byID map[string]*watch
}

type watch struct {
	settled chan struct{}
	waiting int // callers of Watch that have not left
}

// Watch returns a channel that is closed once the object with the given id
// settles: when a commit leaves it in a state that it does not leave by itself,
// or deletes it. What settled before the call is not told, so the caller watches
// first and reads the object then. leave must be called in the end.
//
// Runs settle when they are over or wait for their client. A vector store settles
// whenever a file of it does, so those who wait for all of its files, for a batch
// or for one of them, look and wait again.
func (db *DB) Watch(id string) (settled <-chan struct{}, leave func()) {
	ws := &db.watches
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := ws.byID[id]
	if w == nil {
		w = &watch{settled: make(chan struct{})}
		ws.byID[id] = w
	}
	w.waiting++
	return w.settled, func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		if w.waiting--; w.waiting == 0 && ws.byID[id] == w {
			delete(ws.byID, id)
		}
	}
}

// settles wakes those who wait for an object once t is committed.
func (t *tx) settles(db *DB, ids ...string) {
	t.effects = append(t.effects, effect{
		committed: func() {
			for _, id := range ids {
				db.watches.settle(id)
			}
		},
		rolledBack: func() {},
	})
}

// settle wakes those who wait for an object. It must follow the commit.
func (ws *watches) settle(id string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.byID[id]; w != nil {
		delete(ws.byID, id)
		close(w.settled)
	}
}
