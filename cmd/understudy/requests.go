package main

import (
	"net/http"
	"sync"
)

// requests counts those being answered, so that what they use is not closed
// under them.
type requests struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil: nobody waits
}

func (r *requests) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.add(1)
		defer r.add(-1)
		h.ServeHTTP(w, req)
	})
}

func (r *requests) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n += n; r.n == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

func (r *requests) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// wait returns when no request is being answered.
func (r *requests) wait() {
	r.mu.Lock()
	if r.n == 0 {
		r.mu.Unlock()
		return
	}
	r.idle = make(chan struct{})
	idle := r.idle
	r.mu.Unlock()
	<-idle
}
