package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed demo.yaml
var demoYAML []byte

// Demo returns the embedded script: what `understudy demo` shows, and what a
// fresh server without a model can do. It solves a linear equation, draws a
// chart of a CSV file, asks for the weather and nicknames of cities, runs a
// fenced Python block, repairs a failing cell, searches files.
func Demo() (*Script, error) { return ParseScript("demo.yaml", bytes.NewReader(demoYAML)) }

// Unscripted is the answer for which there is no script.
const Unscripted = "This is Understudy's rehearsal model. It is not a language model: it plays scripts, and has none for this message. " +
	"For real answers give the server a model: set OPENAI_API_KEY, or OPENAI_BASE_URL for any server that speaks chat completions, " +
	"or AZURE_OPENAI_ENDPOINT, or start Ollama, and start the server again."

// A Rehearsal is a [Model] that plays scripts. It is deterministic: the same
// conversation gets the same deltas, ids of calls included. It keeps no state.
//
// For what no script covers it has four answers, in this order: if a tool must
// be called, it calls it with arguments made up from the tool's schema; if JSON
// is wanted, it gives the smallest object that the schema allows; if tools have
// answered, it quotes them; else it is [Unscripted]. All but the first two say
// so.
//
// Usage is counted as a quarter of the bytes, rounded up: of all texts, calls
// and tools of the request, and of what is said and called in return. MaxTokens
// is held to by the same count.
type Rehearsal struct {
	scenes []*scene
}

// NewRehearsal returns a model that plays the scripts, of which earlier ones
// have precedence.
func NewRehearsal(scripts ...*Script) *Rehearsal {
	r := &Rehearsal{}
	for _, s := range scripts {
		for i := range s.scenes {
			r.scenes = append(r.scenes, &s.scenes[i])
		}
	}
	return r
}

// Stream plays the scene that fits.
func (r *Rehearsal) Stream(ctx context.Context, req *Request) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		p := &player{ctx: ctx, req: req, yield: yield, left: -1}
		if req.MaxTokens > 0 {
			p.left = req.MaxTokens * bytesPerToken
		}
		m := newMoment(req)
		var err error
		if s, a, groups := r.find(m); s != nil {
			if err = p.play(a, m, groups); err != nil && !p.known(err) {
				err = &Error{Status: 500, Code: "script_error", Message: fmt.Sprintf("rehearsal: %s: %v", s.Name, err)}
			}
		} else {
			err = p.improvise(m)
		}
		if err != nil && err != errEnd {
			yield(Delta{}, err)
		}
	}
}

// find returns the first scene that has something for m.
func (r *Rehearsal) find(m *moment) (*scene, *action, map[string]string) {
	for _, s := range r.scenes {
		i := m.turn - max(s.When.Turn, 1)
		if i < 0 {
			continue
		}
		groups := map[string]string{}
		if a := s.turn(i, m.serial); a != nil && s.When.hold(m, groups) {
			return s, a, groups
		}
	}
	return nil, nil, nil
}

// turn returns what happens in the i-th turn of s, nil if nothing does. If calls
// may not be made in parallel, each makes a turn of its own.
func (s *scene) turn(i int, serial bool) *action {
	for n := range s.Then {
		a := &s.Then[n]
		span := 1
		if serial && len(a.Call) > 1 {
			span = len(a.Call)
		}
		if i >= span && s.Repeat && n == len(s.Then)-1 {
			i %= span
		}
		if i >= span {
			i -= span
			continue
		}
		if span == 1 {
			return a
		}
		one := *a
		one.Call = a.Call[i : i+1]
		if i > 0 {
			one.Say, one.Refuse = nil, nil
		}
		return &one
	}
	return nil
}

func (c *conditions) hold(m *moment, groups map[string]string) bool {
	switch {
	case c.Output != nil && len(m.all) == 0,
		c.Forced != nil && *c.Forced != m.forced,
		c.JSON != nil && *c.JSON != m.json,
		c.MentionsTool && m.mentioned == "":
		return false
	}
	for _, name := range c.Tool {
		if m.tool(name) == nil {
			return false
		}
	}
	return c.User.holds(m.user, groups) && c.Instructions.holds(m.instructions, groups) &&
		c.Model.holds(m.req.Model, groups) && c.Output.holds(m.output(), groups)
}

// A moment is what scripts can see of a conversation.
type moment struct {
	req          *Request
	user         string
	instructions string
	turn         int
	all          []string          // tool outputs since the last user message
	outputs      []string          // those of the last round
	results      map[string]string // the last output of each tool
	offered      []*Tool
	forced, json bool
	serial       bool // calls may not be made in parallel
	mentioned    string
}

func newMoment(req *Request) *moment {
	m := &moment{req: req, turn: 1, results: map[string]string{}, json: responseFormat(req.ResponseFormat) != nil}
	names := map[string]string{} // of tools by call id
	for i := range req.Messages {
		msg := &req.Messages[i]
		switch msg.Role {
		case "system", "developer":
			m.instructions = strings.TrimPrefix(m.instructions+"\n"+msg.Text(), "\n")
		case "user":
			m.user, m.turn, m.all, m.outputs = msg.Text(), 1, nil, nil
			clear(m.results)
		case "assistant":
			m.turn++
			m.outputs = nil
			for _, c := range msg.ToolCalls {
				names[c.ID] = c.Name
			}
		case "tool":
			out := msg.Text()
			m.all = append(m.all, out)
			m.outputs = append(m.outputs, out)
			m.results[names[msg.ToolCallID]] = out
		}
	}
	m.serial = req.ParallelToolCalls != nil && !*req.ParallelToolCalls
	m.forced = req.ToolChoice.Mode == ToolsRequired || req.ToolChoice.Mode == ToolsFunction
	for i := range req.Tools {
		t := &req.Tools[i]
		if req.ToolChoice.Mode == ToolsNone || req.ToolChoice.Mode == ToolsFunction && t.Name != req.ToolChoice.Name {
			continue
		}
		m.offered = append(m.offered, t)
		if m.mentioned == "" && strings.Contains(m.user, t.Name) {
			m.mentioned = t.Name
		}
	}
	return m
}

func (m *moment) output() string {
	if len(m.all) == 0 {
		return ""
	}
	return m.all[len(m.all)-1]
}

func (m *moment) tool(name string) *Tool {
	i := slices.IndexFunc(m.offered, func(t *Tool) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return m.offered[i]
}

func (m *moment) values(groups map[string]string) map[string]any {
	return map[string]any{
		"user": m.user, "instructions": m.instructions, "model": m.req.Model, "turn": m.turn, "match": groups,
		"output": m.output(), "outputs": m.outputs, "results": m.results, "mentioned": m.mentioned,
	}
}

const bytesPerToken = 4

// A player streams one turn.
type player struct {
	ctx   context.Context
	req   *Request
	yield func(Delta, error) bool
	delay time.Duration
	said  int // bytes
	left  int // bytes that may still be said, -1: any number
	calls int
}

// errSpent ends a turn that has said as much as it may.
var errSpent = errors.New("token limit reached")

// known reports whether err is meant for the consumer as it is.
func (p *player) known(err error) bool {
	_, typed := errors.AsType[*Error](err)
	return typed || err == errEnd || p.ctx.Err() != nil
}

// play does what a says. It returns errEnd after the last delta.
func (p *player) play(a *action, m *moment, groups map[string]string) error {
	p.delay = a.Delay
	err := p.perform(a, m, m.values(groups))
	switch {
	case err == errSpent:
		return p.finish(FinishLength)
	case err != nil:
		return err
	case a.Hang:
		<-p.ctx.Done()
		return context.Cause(p.ctx)
	case a.Error != nil:
		return &Error{Status: a.Error.Status, Code: a.Error.Code, Type: a.Error.Type, Message: a.Error.Message, RetryAfter: a.Error.RetryAfter}
	case a.Cut:
		return truncated(nil)
	}
	return p.finish(a.Finish)
}

// perform streams what is said and called.
func (p *player) perform(a *action, m *moment, values map[string]any) error {
	said, err := a.Say.render(values)
	if err == nil {
		err = p.say(said, func(s string) Delta { return Delta{Text: s} })
	}
	if err != nil {
		return err
	}
	if said, err = a.Refuse.render(values); err == nil {
		err = p.say(said, func(s string) Delta { return Delta{Refusal: s} })
	}
	if err != nil {
		return err
	}
	for i := range a.Call {
		c, err := a.Call[i].render(m, values)
		if err == nil {
			err = p.call(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *callAction) render(m *moment, values map[string]any) (call ToolCall, err error) {
	if call.Name, err = c.Name.render(values); err != nil {
		return call, err
	}
	if call.ID, err = c.ID.render(values); err != nil {
		return call, err
	}
	switch {
	case c.Args != nil:
		call.Arguments, err = c.Args.render(values)
	case c.Raw != nil:
		call.Arguments, err = c.Raw.render(values)
	case c.FromSchema:
		t := m.tool(call.Name)
		if t == nil {
			return call, fmt.Errorf("the tool %q, whose schema is wanted, is not offered", call.Name)
		}
		call.Arguments = madeUpArguments(t, m.user)
	default:
		call.Arguments = "{}"
	}
	return call, err
}

// improvise answers where no script does.
func (p *player) improvise(m *moment) error {
	var err error
	switch {
	case m.forced && len(m.offered) > 0:
		t := m.offered[0]
		err = p.call(ToolCall{Name: t.Name, Arguments: madeUpArguments(t, m.user)})
	case m.json:
		err = p.sayText(smallestAnswer(p.req.ResponseFormat))
	case len(m.outputs) > 0:
		err = p.sayText("This is Understudy's rehearsal model, which is not a language model and has no script for this. The tools answered:\n\n" + strings.Join(m.outputs, "\n\n"))
	default:
		err = p.sayText(Unscripted)
	}
	if err == errSpent {
		return p.finish(FinishLength)
	}
	if err != nil {
		return err
	}
	return p.finish("")
}

func (p *player) sayText(s string) error {
	return p.say(s, func(s string) Delta { return Delta{Text: s} })
}

// say streams s word by word.
func (p *player) say(s string, delta func(string) Delta) error {
	for word := range words(s) {
		kept := p.keep(word)
		if kept != "" {
			if err := p.send(delta(kept)); err != nil {
				return err
			}
		}
		if kept != word {
			return errSpent
		}
	}
	return nil
}

// call streams a call: who is called, then the arguments in pieces.
func (p *player) call(c ToolCall) error {
	if c.ID == "" {
		c.ID = p.callID(c)
	}
	first := Delta{ToolCalls: []ToolCallDelta{{Index: p.calls, ID: c.ID, Name: c.Name}}}
	index := p.calls
	p.calls++
	if err := p.send(first); err != nil {
		return err
	}
	return p.say(c.Arguments, func(s string) Delta {
		return Delta{ToolCalls: []ToolCallDelta{{Index: index, Arguments: s}}}
	})
}

// callID makes an id that is the same whenever the conversation is the same, and
// another for every call in it.
func (p *player) callID(c ToolCall) string {
	h := sha256.New()
	for i := range p.req.Messages {
		fmt.Fprintf(h, "%q", p.req.Messages[i].Text())
	}
	fmt.Fprintf(h, "%d %d %q", len(p.req.Messages), p.calls, c.Name)
	return "call_" + hex.EncodeToString(h.Sum(nil))[:24]
}

// keep returns as much of s as may still be said, and counts it.
func (p *player) keep(s string) string {
	if p.left >= 0 && len(s) > p.left {
		cut := p.left
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
		p.left = 0
	} else if p.left >= 0 {
		p.left -= len(s)
	}
	p.said += len(s)
	return s
}

func (p *player) send(d Delta) error {
	if p.delay > 0 {
		if err := sleep(p.ctx, p.delay); err != nil {
			return err
		}
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if !p.yield(d, nil) {
		return errEnd
	}
	return nil
}

// finish sends the last delta.
func (p *player) finish(reason string) error {
	if reason == "" {
		reason = finishReason(FinishStop, p.calls > 0)
	}
	usage := &Usage{PromptTokens: tokens(promptBytes(p.req)), CompletionTokens: tokens(p.said)}
	if err := p.send(Delta{FinishReason: reason, Usage: usage}); err != nil {
		return err
	}
	return errEnd
}

func tokens(bytes int) int { return (bytes + bytesPerToken - 1) / bytesPerToken }

func promptBytes(req *Request) (n int) {
	for i := range req.Messages {
		m := &req.Messages[i]
		n += len(m.Text())
		for _, c := range m.ToolCalls {
			n += len(c.Name) + len(c.Arguments)
		}
	}
	for i := range req.Tools {
		n += len(req.Tools[i].Name) + len(req.Tools[i].Description) + len(req.Tools[i].Parameters)
	}
	return n
}

// words cuts s after every run of white space.
func words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			end := strings.IndexFunc(s, unicode.IsSpace)
			if end < 0 {
				end = len(s)
			}
			if rest := strings.TrimLeftFunc(s[end:], unicode.IsSpace); !yield(s[:len(s)-len(rest)]) {
				return
			} else {
				s = rest
			}
		}
	}
}

// smallestAnswer is JSON of the given response_format.
func smallestAnswer(format json.RawMessage) string {
	var f struct {
		Schema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	}
	_ = json.Unmarshal(format, &f) // without a schema any object will do
	if len(f.Schema.Schema) == 0 {
		s, _ := toJSON(map[string]string{"rehearsal": Unscripted}) // strings always encode
		return s
	}
	return instanceOf(f.Schema.Schema, "rehearsal")
}
