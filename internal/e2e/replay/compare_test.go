package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kinds of differences.
const (
	extraKey   = "extra key"
	missingKey = "missing key"
	wrongType  = "type" // of JSON; null is one of its own
	wrongValue = "value"
	length     = "length"
	status     = "status" // of HTTP
	order      = "order"
)

var kinds = []string{extraKey, missingKey, wrongType, wrongValue, length, status, order}

// difference is a way in which our answer is not like the recorded one.
type difference struct {
	recording string
	where     string // route, [event] and path: "POST /threads/{id}/runs $.usage"
	kind      string
	detail    string
}

func (d difference) String() string {
	return fmt.Sprintf("%s | %s | %s (%s)", d.where, d.kind, d.detail, d.recording)
}

// stateKeys change with the state of a run, or of a vector store and its files.
var stateKeys = []string{
	"started_at", "expires_at", "cancelled_at", "failed_at", "completed_at",
	"incomplete_at", "status", "usage", "required_action", "last_error", "incomplete_details",
	"usage_bytes", "file_counts",
}

// comparison compares values of one answer with recorded ones, and learns the ids
// that ours has for the recorded ones.
type comparison struct {
	ids    map[string]string // recorded to ours
	model  func(string) string
	report func(where, kind, detail string)

	exact   bool // statuses are not a matter of when one asks
	growing bool // lists may already be longer than they were
	account bool // the list may have what others made

	shape  bool // texts are cut differently: only the types of values count
	others bool // the list has what others made: only what is known counts
}

// typeName returns the JSON type of v.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}

func (c *comparison) value(where string, want, got any) {
	if w, g := typeName(want), typeName(got); w != g {
		c.report(where, wrongType, fmt.Sprintf("%s instead of %s", g, w))
		return
	}
	switch want := want.(type) {
	case object:
		c.object(where, want, got.(object))
	case []any:
		c.array(where, want, got.([]any))
	case string:
		c.text(where, want, got.(string))
	case bool:
		if want != got {
			c.report(where, wrongValue, fmt.Sprintf("%v instead of %v", got, want))
		}
	case float64:
		if want != got && !measured(where) {
			c.report(where, wrongValue, fmt.Sprintf("%v instead of %v", got, want))
		}
	}
}

// measured tells whether the number at a place depends on clocks, tokenizers,
// the content of files, which recordings lack, or the way of searching.
func measured(where string) bool {
	return strings.HasSuffix(where, "_at") || strings.HasSuffix(where, "_tokens") ||
		strings.HasSuffix(where, ".bytes") || strings.HasSuffix(where, ".score")
}

func (c *comparison) object(where string, want, got object) {
	defer func(others bool) { c.others = others }(c.others)
	c.others = c.account && !c.knowsAll(want["data"])
	defer func(account bool) { c.others = account }(c.others)
	c.others = c.others || c.account && !c.knowsAll(want["data"])
	earlier := !c.exact && transient(want["status"]) && want["status"] != got["status"]
	for _, k := range sortedKeys(want) {
		g, ok := got[k]
		switch {
		case !ok:
			c.report(where+"."+k, missingKey, "recorded as "+typeName(want[k]))
		case earlier && slices.Contains(stateKeys, k): // ours has gone on
		case (c.others || c.growing) && (k == "first_id" || k == "last_id" || k == "has_more"):
		default:
			c.value(where+"."+k, want[k], g)
		}
	}
	for _, k := range sortedKeys(got) {
		if _, ok := want[k]; !ok {
			c.report(where+"."+k, extraKey, typeName(got[k]))
		}
	}
}

// knowsAll tells whether all elements of a list have ids that are known.
func (c *comparison) knowsAll(list any) bool {
	elements, _ := list.([]any)
	return !slices.ContainsFunc(elements, func(e any) bool {
		id, _ := dig(e, "id").(string)
		_, ok := c.ids[id]
		return !ok
	})
}

// array compares the elements in turn, but those with an id that is known with
// the one that has ours.
func (c *comparison) array(where string, want, got []any) {
	if len(want) != len(got) && !c.shape && !c.others && (!c.growing || len(got) < len(want)) {
		c.report(where, length, fmt.Sprintf("%d instead of %d", len(got), len(want)))
	}
	where += "[]"
	taken := make([]bool, len(got))
	pairs := make([]int, len(want)) // index in got, or -1
	last := -1
	for i, w := range want {
		pairs[i] = -1
		id, _ := dig(w, "id").(string)
		ours, ok := c.ids[id]
		if !ok {
			continue
		}
		at := slices.IndexFunc(got, func(g any) bool { return dig(g, "id") == ours })
		if at < 0 {
			c.report(where, order, id+" is not here")
			return
		}
		if at < last {
			c.report(where, order, id+" comes earlier")
		}
		pairs[i], taken[at], last = at, true, at
	}
	next := 0
	for i, w := range want {
		for !c.others && pairs[i] < 0 && next < len(got) {
			if !taken[next] {
				pairs[i] = next
			}
			next++
		}
		if pairs[i] >= 0 {
			c.value(where, w, got[pairs[i]])
		}
	}
}

func (c *comparison) text(where, want, got string) {
	if idPattern.FindString(want) == want && want != "" {
		if ours, ok := c.ids[want]; !ok {
			c.ids[want] = got
		} else if ours != got {
			c.report(where, wrongValue, fmt.Sprintf("%q instead of %q, which is %s", got, ours, want))
		}
		return
	}
	if strings.HasSuffix(where, ".model") {
		want = c.model(want)
	}
	if want := replaceIDs(want, c.ids); want != got && !c.shape {
		c.report(where, wrongValue, fmt.Sprintf("%q instead of %q", got, want))
	}
}

// replaceIDs puts our ids in the place of the recorded ones.
func replaceIDs(s string, ids map[string]string) string {
	return idPattern.ReplaceAllStringFunc(s, func(id string) string {
		if ours, ok := ids[id]; ok {
			return ours
		}
		return id
	})
}

func sortedKeys(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// group is an event, or consecutive deltas of one object.
type group struct {
	name   string
	id     any
	events []any
}

func groups(events []event) []group {
	var all []group
	for _, e := range events {
		id := dig(e.data, "id")
		if n := len(all); n > 0 && strings.HasSuffix(e.name, ".delta") && all[n-1].name == e.name && all[n-1].id == id {
			all[n-1].events = append(all[n-1].events, e.data)
			continue
		}
		all = append(all, group{name: e.name, id: id, events: []any{e.data}})
	}
	return all
}

func names(all []group) []string {
	list := make([]string, len(all))
	for i, g := range all {
		list[i] = g.name
	}
	return list
}

// stream compares two streams: the order of their events, and the data of the
// first, second, … of each name.
func (c *comparison) stream(where string, want, got []event) {
	w, g := groups(want), groups(got)
	if !slices.Equal(names(w), names(g)) {
		c.report(where+" [*]", order, fmt.Sprintf("\n got %s\nwant %s\n", strings.Join(names(g), " "), strings.Join(names(w), " ")))
	}
	for _, w := range w {
		at := slices.IndexFunc(g, func(g group) bool { return g.name == w.name })
		if at < 0 {
			continue // the order tells
		}
		where := where + " [" + w.name + "] $"
		c.shape = len(w.events) > 1 || len(g[at].events) > 1 || strings.HasSuffix(w.name, ".delta")
		c.value(where, w.events[0], g[at].events[0])
		for _, e := range g[at].events[1:] { // the first delta tells more than the others
			if len(w.events) > 1 {
				c.value(where, c.alike(w.events[1:], e), e)
			}
		}
		c.shape = false
		g = slices.Delete(g, at, at+1)
	}
}

// alike returns the first of the recorded deltas that is like ours, or just the
// first: some add a citation, and most do not.
func (c *comparison) alike(recorded []any, ours any) any {
	for _, r := range recorded {
		same := true
		trial := *c
		trial.ids = maps.Clone(c.ids)
		trial.report = func(string, string, string) { same = false }
		trial.value("$", r, ours)
		if same {
			return r
		}
	}
	return recorded[0]
}
