package model

import (
	"crypto/rand"
	"encoding/json"
)

// maxCalls bounds the tool calls of one turn; a model stuck in a loop writes
// calls until something stops it.
const maxCalls = 128

// A callTracker turns the tool-call pieces of a stream, as servers send them,
// into deltas that keep the promise of [ToolCallDelta].
type callTracker struct {
	calls []trackedCall
	count int             // calls already announced
	taken map[string]bool // ids in use in the conversation
	out   []ToolCallDelta
}

type trackedCall struct {
	index     int    // as the server numbers it, -1 if it does not
	id        string // as the server calls it, may be empty
	name      string
	announced int    // our index, -1 while the name is not known
	arguments []byte // everything so far
}

// add takes the pieces of one chunk and returns the deltas they make. The slice
// is used again by the next call.
func (t *callTracker) add(pieces []callChunk, history []Message) ([]ToolCallDelta, error) {
	t.out = t.out[:0]
	for i := range pieces {
		p := &pieces[i]
		c := t.find(p)
		if c == nil {
			if len(t.calls) == maxCalls {
				return nil, &Error{Code: "too_many_tool_calls", Message: "the model called more tools in one turn than is allowed"}
			}
			t.calls = append(t.calls, trackedCall{index: p.index, id: p.id, announced: -1})
			c = &t.calls[len(t.calls)-1]
		}
		t.extend(c, p, history)
	}
	return t.out, nil
}

// find returns the call that p continues, nil if p begins one.
//
// Servers agree on little: some number every call 0 and tell them apart by id,
// some send no index, some no id, some a fresh id with every piece, and some
// repeat the name with every piece. The rules, in order: a known id continues
// its call; a number not seen before begins one; a piece without a name
// continues the call of its number (without number: the last call); a named
// piece does so only if that call has no other id, has the same name, and its
// arguments are not complete.
func (t *callTracker) find(p *callChunk) *trackedCall {
	if len(t.calls) == 0 {
		return nil
	}
	last := &t.calls[len(t.calls)-1]
	numbered := t.numbered(p.index)
	if p.id != "" {
		for i := range t.calls {
			c := &t.calls[i]
			if c.id == p.id && (p.name == "" || p.index < 0 || c.index < 0 || c.index == p.index) {
				return c
			}
		}
	}
	candidate := last
	if p.index >= 0 {
		candidate = numbered
	}
	switch {
	case candidate == nil:
		return nil
	case p.name == "" && p.id != "" && p.index < 0 && json.Valid(candidate.arguments):
		return nil // the last call is complete: a new one, whose name is still to come
	case p.name == "":
		return candidate
	case candidate.name == "" && (p.id == "" || candidate.id == ""):
		return candidate // the name comes after the rest
	case p.id != "" && candidate.id != "":
		return nil
	case candidate.name == p.name && p.arguments != "" && !json.Valid(candidate.arguments):
		return candidate
	}
	return nil
}

// numbered returns the latest call with the server's index n.
func (t *callTracker) numbered(n int) *trackedCall {
	for i := len(t.calls) - 1; i >= 0 && n >= 0; i-- {
		if t.calls[i].index == n {
			return &t.calls[i]
		}
	}
	return nil
}

// extend adds p to c and appends the delta, once the call has a name.
func (t *callTracker) extend(c *trackedCall, p *callChunk, history []Message) {
	c.arguments = append(c.arguments, p.arguments...)
	if c.id == "" {
		c.id = p.id
	}
	if c.announced >= 0 {
		if p.arguments != "" {
			t.out = append(t.out, ToolCallDelta{Index: c.announced, Arguments: p.arguments})
		}
		return
	}
	if c.name = p.name; c.name == "" {
		return
	}
	c.announced = t.count
	t.count++
	t.out = append(t.out, ToolCallDelta{Index: c.announced, ID: t.claim(c.id, history), Name: c.name, Arguments: string(c.arguments)})
}

// claim returns id if no call of the conversation has it yet, else a new one:
// some servers call the first call of every turn call_0.
func (t *callTracker) claim(id string, history []Message) string {
	if t.taken == nil {
		t.taken = map[string]bool{}
		for i := range history {
			for _, c := range history[i].ToolCalls {
				t.taken[c.ID] = true
			}
		}
	}
	for id == "" || t.taken[id] {
		id = "call_" + rand.Text()[:24]
	}
	t.taken[id] = true
	return id
}

// finish checks that every call got its name.
func (t *callTracker) finish() error {
	if t.count < len(t.calls) {
		return &Error{Code: "invalid_tool_call", Message: "the model called a tool without naming it"}
	}
	return nil
}
