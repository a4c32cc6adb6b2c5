package api

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	// pollAfter is the interval, in milliseconds, that pollers are asked for while
	// an object is under way.
	pollAfter = "100"
	// maxHold is how long the answer to a poll may be held. Proxies commonly allow
	// for 30 seconds of silence.
	maxHold = 25 * time.Second
)

// poll reads, for a GET, an object that settles with the given id ([store.DB.Watch]).
// If an SDK's poll helper asks, and the object is under way, it waits until the
// object has settled, and for no longer than the client does: so a client that
// polls learns of the end as soon as one that streams. It costs nothing but the
// request that waits.
func poll[T any](s *server, r *http.Request, id string, read func(context.Context) (T, error), underWay func(T) bool) (T, error) {
	hold := holdTime(r.Header)
	if hold == 0 {
		return read(r.Context())
	}
	timeout := time.NewTimer(hold)
	defer timeout.Stop()
	for {
		settled, leave := s.Store.Watch(id) // before it is read, or its end could pass in between
		v, err := read(r.Context())
		if err != nil || !underWay(v) {
			leave()
			return v, err
		}
		select {
		case <-settled:
			leave()
			continue // a vector store settles with each of its files
		case <-timeout.C:
		case <-s.Stopping:
		case <-r.Context().Done():
		}
		leave()
		return read(r.Context())
	}
}

// pollLater asks pollers to come back soon for an object that is under way.
func pollLater(w http.ResponseWriter, underWay bool) {
	if underWay {
		w.Header().Set("Openai-Poll-After-Ms", pollAfter)
	}
}

// holdTime returns how long the answer to a request may be held: 0 unless the
// poll helper of an SDK makes it, and otherwise at most three quarters of the time
// after which the client gives up. Python says so in the first of the headers,
// Node.js in the second.
func holdTime(h http.Header) time.Duration {
	if h.Get("X-Stainless-Poll-Helper") != "true" {
		return 0
	}
	hold := maxHold
	for _, name := range []string{"X-Stainless-Read-Timeout", "X-Stainless-Timeout"} {
		if seconds, err := strconv.ParseFloat(h.Get(name), 64); err == nil && seconds < maxHold.Seconds()*4/3 {
			hold = min(hold, max(0, time.Duration(seconds*3/4*float64(time.Second))))
		}
	}
	return hold
}
