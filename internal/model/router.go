package model

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// RehearsalName is the name under which routes reach the rehearsal model.
const RehearsalName = "rehearsal"

// A Config is the whole of what is behind the models that assistants name.
type Config struct {
	Upstreams []Upstream `json:"upstreams"`
	Routes    Routes     `json:"routes"`
	// Default names the upstream of models that no route matches. "": the
	// first upstream, or the rehearsal model if there is none.
	Default string `json:"default"`
}

// A Route sends a model name, or all that match a pattern, to an upstream.
type Route struct {
	Match    string `json:"match"`    // a model name; * stands for any characters
	Upstream string `json:"upstream"` // name of an upstream or RehearsalName; "": the default
	Model    string `json:"model"`    // name to use there; "": the name asked for
}

// Routes are looked through for the name exactly, then for the first pattern
// that matches.
type Routes []Route

// Find returns the route for a model name.
func (r Routes) Find(name string) (Route, bool) {
	for _, route := range r {
		if route.Match == name {
			return route, true
		}
	}
	for _, route := range r {
		if matches(route.Match, name) {
			return route, true
		}
	}
	return Route{}, false
}

// matches reports whether name has the form of pattern, in which * stands for
// any characters. Names contain slashes and brackets, so path.Match will not do.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

// A Router is the [Model] in front of all others: it sends each request where
// its model name leads.
type Router struct {
	routes   Routes
	fallback string
	behind   map[string]Model
	log      *slog.Logger

	mu     sync.Mutex
	listed map[string][]Info // by upstream, as last heard
	all    []Info            // what Models returns until fresh
	fresh  time.Time
}

// NewRouter returns a router for cfg with the rehearsal model behind it too. hc
// is as for [NewClient].
func NewRouter(cfg Config, rehearsal Model, hc *http.Client, log *slog.Logger) (*Router, error) {
	r := &Router{
		routes:   cfg.Routes,
		fallback: cfg.Default,
		behind:   map[string]Model{RehearsalName: rehearsal},
		log:      log,
		listed:   map[string][]Info{},
	}
	for _, u := range cfg.Upstreams {
		if r.behind[u.Name] != nil {
			return nil, fmt.Errorf("two upstreams are called %q", u.Name)
		}
		c, err := NewClient(u, hc, log)
		if err != nil {
			return nil, err
		}
		r.behind[u.Name] = c
		r.fallback = cmp.Or(r.fallback, u.Name)
	}
	r.fallback = cmp.Or(r.fallback, RehearsalName)
	if r.behind[r.fallback] == nil {
		return nil, fmt.Errorf("the default upstream %q is not configured", r.fallback)
	}
	for i, route := range cfg.Routes {
		if route.Match == "" {
			return nil, fmt.Errorf("route %d matches no model name", i+1)
		}
		if name := cmp.Or(route.Upstream, r.fallback); r.behind[name] == nil {
			return nil, fmt.Errorf("route %q leads to upstream %q, which is not configured", route.Match, name)
		}
	}
	return r, nil
}

// Resolve returns the upstream that a model name leads to and the name it is
// asked for there.
func (r *Router) Resolve(name string) (upstream, model string) {
	route, _ := r.routes.Find(name)
	return cmp.Or(route.Upstream, r.fallback), cmp.Or(route.Model, name)
}

// Stream asks the upstream that req.Model leads to.
func (r *Router) Stream(ctx context.Context, req *Request) iter.Seq2[Delta, error] {
	upstream, model := r.Resolve(req.Model)
	if model != req.Model {
		renamed := *req
		renamed.Model = model
		req = &renamed
	}
	return r.behind[upstream].Stream(ctx, req)
}

// An Info describes a model that can be asked for.
type Info struct {
	ID      string
	Created int64 // Unix seconds, 0 if unknown
	OwnedBy string
}

const (
	listTime  = 2 * time.Second  // how long upstreams may take to list their models
	listFresh = 30 * time.Second // how long a list is used
	maxList   = 4 << 20          // bytes
)

// Models lists the names that lead somewhere: those of routes without a pattern
// and those the upstreams list, sorted and without repetition. An upstream that
// does not answer within two seconds counts with what it listed last. The list
// is kept for half a minute.
func (r *Router) Models(ctx context.Context) []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.fresh) {
		return slices.Clone(r.all)
	}
	// Others wait for this list too: it is not this caller's to give up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listTime)
	defer cancel()
	var (
		wg sync.WaitGroup
		mu sync.Mutex // guards r.listed among the goroutines below
	)
	for name, m := range r.behind {
		c, ok := m.(*Client)
		if !ok {
			continue
		}
		wg.Go(func() {
			list, err := c.models(ctx)
			if err != nil {
				r.log.Warn("model upstream did not list its models", "upstream", name, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			r.listed[name] = list
		})
	}
	wg.Wait()
	r.all, r.fresh = r.merge(), time.Now().Add(listFresh)
	return slices.Clone(r.all)
}

// merge makes one list of the routes and of what the upstreams listed.
func (r *Router) merge() []Info {
	byID := map[string]Info{}
	if r.fallback == RehearsalName {
		byID[RehearsalName] = Info{ID: RehearsalName, OwnedBy: "understudy"}
	}
	for _, upstream := range slices.Sorted(maps.Keys(r.listed)) {
		for _, m := range r.listed[upstream] {
			byID[m.ID] = m
		}
	}
	for _, route := range r.routes {
		if !strings.Contains(route.Match, "*") {
			byID[route.Match] = Info{ID: route.Match, OwnedBy: cmp.Or(route.Upstream, r.fallback)}
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
}

// models asks the upstream for its models.
func (c *Client) models(ctx context.Context) ([]Info, error) {
	address := c.up.modelsURL()
	if address == "" {
		if d := c.up.Azure.Deployment; d != "" {
			return []Info{{ID: d, OwnedBy: c.up.Name}}, nil
		}
		return nil, nil
	}
	body, err := get(ctx, c.http, address, &c.up)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data []struct {
			ID      string          `json:"id"`
			Created json.RawMessage `json:"created"`
			OwnedBy string          `json:"owned_by"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the list of models: %w", err)
	}
	var list []Info
	for _, m := range answer.Data {
		if m.ID == "" {
			continue
		}
		created, _ := (&scanner{b: m.Created}).integer() // 0 if it is something else
		list = append(list, Info{ID: m.ID, Created: int64(created), OwnedBy: cmp.Or(m.OwnedBy, c.up.Name)})
	}
	return list, nil
}

// get fetches a small document.
func get(ctx context.Context, hc *http.Client, address string, u *Upstream) ([]byte, error) {
	hr, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	u.authorize(hr.Header)
	resp, err := hc.Do(hr)
	if err != nil {
		return nil, connectionError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, responseError(resp, u.APIKey)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return nil, connectionError(err)
	}
	if len(body) > maxList {
		return nil, errors.New("the list of models is too long")
	}
	return body, nil
}
