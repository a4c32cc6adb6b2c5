package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Script is a list of scenes for the [Rehearsal] model, read from YAML by
// [ParseScript]. It is not changed after that.
//
// # The format
//
// A script has scenes. A scene says when it is played and what then happens:
//
//	scenes:
//	  - name: weather               # for error messages; may be left out
//	    when:                       # all conditions must hold
//	      user:
//	        matches: '(?i)weather in (?P<city>[\w ]+)'
//	      tool: get_weather
//	    then:                       # one entry per turn of the model
//	      - call:
//	          - name: get_weather
//	            args: {location: '{{.match.city}}', unit: c}
//	      - say: 'In {{.match.city}} it is {{.output}}.'
//
// Every turn is looked up anew, from the conversation alone: the first scene, in
// the order of the scripts, whose conditions hold and that has an entry for this
// turn. Turns are counted from the last user message, so the first answer to it
// is turn 1, the answer after the first tool outputs turn 2, and so on.
//
// Conditions, each of which may be left out:
//
//	user, instructions, model   the last user message, the system messages, the model's name
//	output                      the last tool output since the last user message; fails if there is none
//	tool                        a name, or a list of names, that must all be offered (with a tool_choice
//	                            of none nothing is offered; with a named function only that one)
//	mentions_tool: true         the last user message contains the name of an offered tool
//	forced: true | false        tool_choice is, or is not, required or a named function
//	json: true | false          response_format asks, or does not ask, for JSON
//	turn: 3                     the scene begins at this turn instead of 1
//
// The four texts are compared with a string, which they must contain, or with a
// mapping of contains, not_contains, matches (regular expressions of Go) and
// equals. The first three take a string or a list, all of which must hold. Only
// matches and equals heed upper and lower case. Named groups of matches can be
// used in templates.
//
// What happens in a turn:
//
//	say: text          words, streamed one by one
//	refuse: text       a refusal, streamed so
//	call: list         function calls, all in one turn: in parallel, if there are several and
//	                   parallel_tool_calls is not false; else each makes a turn of its own
//	  name: text       the function
//	  args: mapping    its arguments, or
//	  raw: text        its arguments letter by letter, right or wrong, or
//	  from_schema: true  arguments made up from the function's JSON schema
//	  id: text         the call's id; one is made up if it is left out
//	delay: 20ms        pause before every delta
//	finish: length     another finish reason than the natural one: stop, length, tool_calls, content_filter
//	error:             fails, after what is said: {status: 429, code: …, type: …, message: …, retry_after: 2s}
//	cut: true          ends, after what is said, without a finish reason
//	hang: true         says no more, after what is said, until the run is over
//
// and beside then, repeat: true plays the last turn again for every later one.
//
// All texts of a turn are templates of Go's text/template with these values:
// .user, .instructions, .model, .turn, .match (the named groups), .output (the
// last tool output), .outputs (those of the last round, in order), .results (the
// last output of each tool by name), .mentioned (the tool found by
// mentions_tool), and these functions: json (a value as JSON, which is also how
// a string is written in Python), trim, and head (head 100 .output is its first
// 100 characters). An unknown name is an error, and so is an unknown key in the
// file.
type Script struct {
	scenes []scene
}

type scene struct {
	Name   string     `yaml:"name"`
	When   conditions `yaml:"when"`
	Then   []action   `yaml:"then"`
	Repeat bool       `yaml:"repeat"`
}

type conditions struct {
	User         *matcher  `yaml:"user"`
	Instructions *matcher  `yaml:"instructions"`
	Output       *matcher  `yaml:"output"`
	Model        *matcher  `yaml:"model"`
	Tool         oneOrMore `yaml:"tool"`
	MentionsTool bool      `yaml:"mentions_tool"`
	Forced       *bool     `yaml:"forced"`
	JSON         *bool     `yaml:"json"`
	Turn         int       `yaml:"turn"`
}

// An action is what happens in one turn.
type action struct {
	Say    *text         `yaml:"say"`
	Refuse *text         `yaml:"refuse"`
	Call   []callAction  `yaml:"call"`
	Delay  time.Duration `yaml:"delay"`
	Finish string        `yaml:"finish"`
	Error  *errorAction  `yaml:"error"`
	Cut    bool          `yaml:"cut"`
	Hang   bool          `yaml:"hang"`
}

type callAction struct {
	Name       *text      `yaml:"name"`
	ID         *text      `yaml:"id"`
	Args       *arguments `yaml:"args"`
	Raw        *text      `yaml:"raw"`
	FromSchema bool       `yaml:"from_schema"`
}

type errorAction struct {
	Status     int           `yaml:"status"`
	Code       string        `yaml:"code"`
	Type       string        `yaml:"type"`
	Message    string        `yaml:"message"`
	RetryAfter time.Duration `yaml:"retry_after"`
}

// ParseScript reads a script. name is used in errors, which tell the line or the
// scene.
func ParseScript(name string, r io.Reader) (*Script, error) {
	var file struct {
		Scenes []scene `yaml:"scenes"`
	}
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		if err == io.EOF {
			err = errors.New("it is empty")
		} else if e, ok := errors.AsType[*yaml.TypeError](err); ok {
			first, _, _ := strings.Cut(e.Errors[0], " in type ") // which is one of Go's
			err = errors.New(first)
		}
		return nil, fmt.Errorf("script %s: %w", name, err)
	}
	if len(file.Scenes) == 0 {
		return nil, fmt.Errorf("script %s: it has no scenes", name)
	}
	for i := range file.Scenes {
		s := &file.Scenes[i]
		if s.Name == "" {
			s.Name = fmt.Sprintf("scene %d", i+1)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("script %s: %s: %w", name, s.Name, err)
		}
	}
	return &Script{scenes: file.Scenes}, nil
}

func (s *scene) check() error {
	if len(s.Then) == 0 {
		return errors.New("nothing happens: then is empty")
	}
	if s.When.Turn < 0 {
		return errors.New("turns are counted from 1")
	}
	for i := range s.Then {
		if err := s.Then[i].check(); err != nil {
			return fmt.Errorf("turn %d: %w", i+1, err)
		}
	}
	return nil
}

func (a *action) check() error {
	if a.Say == nil && a.Refuse == nil && len(a.Call) == 0 && a.Error == nil && a.Finish == "" && !a.Cut && !a.Hang {
		return errors.New("nothing happens")
	}
	switch a.Finish {
	case "", FinishStop, FinishLength, FinishToolCalls, FinishContentFilter:
	default:
		return fmt.Errorf("finish %q is not stop, length, tool_calls or content_filter", a.Finish)
	}
	if a.Error != nil && a.Error.Status != 0 && (a.Error.Status < 400 || http.StatusText(a.Error.Status) == "") {
		return fmt.Errorf("error status %d is not an HTTP error", a.Error.Status)
	}
	for i, c := range a.Call {
		ways := 0
		for _, given := range []bool{c.Args != nil, c.Raw != nil, c.FromSchema} {
			if given {
				ways++
			}
		}
		if c.Name == nil {
			return fmt.Errorf("call %d has no name", i+1)
		}
		if ways > 1 {
			return fmt.Errorf("call %d has more than one of args, raw and from_schema", i+1)
		}
	}
	return nil
}

// A text is a template.
type text struct{ t *template.Template }

func newText(s string) (*text, error) {
	t, err := template.New("text").Option("missingkey=error").Funcs(template.FuncMap{
		"json": toJSON,
		"trim": strings.TrimSpace,
		"head": head,
	}).Parse(s)
	if err != nil {
		return nil, err
	}
	return &text{t: t}, nil
}

// UnmarshalYAML reads and compiles the template.
func (t *text) UnmarshalYAML(node *yaml.Node) error {
	var s string
	if err := node.Decode(&s); err != nil {
		return err
	}
	compiled, err := newText(s)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*t = *compiled
	return nil
}

// render fills the template in; a nil text is empty.
func (t *text) render(values map[string]any) (string, error) {
	if t == nil {
		return "", nil
	}
	var b strings.Builder
	if err := t.t.Execute(&b, values); err != nil {
		return "", err
	}
	return b.String(), nil
}

func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// head is the first n characters of s.
func head(n int, s string) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// arguments is any value of YAML whose strings are templates.
type arguments struct{ value any }

// UnmarshalYAML reads the value and compiles its strings.
func (a *arguments) UnmarshalYAML(node *yaml.Node) error {
	var v map[string]any
	if err := node.Decode(&v); err != nil {
		return err
	}
	var err error
	if a.value, err = mapStrings(v, func(s string) (any, error) { return newText(s) }); err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	return nil
}

// render fills the templates in and writes the value as JSON.
func (a *arguments) render(values map[string]any) (string, error) {
	v, err := mapTexts(a.value, values)
	if err != nil {
		return "", err
	}
	return toJSON(v)
}

// mapStrings copies v with every string replaced by what f makes of it.
func mapStrings(v any, f func(string) (any, error)) (any, error) {
	return mapLeaves(v, func(leaf any) (any, error) {
		if s, ok := leaf.(string); ok {
			return f(s)
		}
		return leaf, nil
	})
}

// mapTexts copies v with every template filled in.
func mapTexts(v any, values map[string]any) (any, error) {
	return mapLeaves(v, func(leaf any) (any, error) {
		if t, ok := leaf.(*text); ok {
			return t.render(values)
		}
		return leaf, nil
	})
}

func mapLeaves(v any, f func(any) (any, error)) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, item := range v {
			if m[k], err = mapLeaves(item, f); err != nil {
				return nil, err
			}
		}
		return m, nil
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			if list[i], err = mapLeaves(item, f); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return f(v)
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

// UnmarshalYAML takes either form.
func (o *oneOrMore) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode {
		*o = []string{node.Value}
		return nil
	}
	return node.Decode((*[]string)(o))
}

// A matcher compares a text.
type matcher struct {
	contains, without []string // in lower case
	matches           []*regexp.Regexp
	equals            *string
}

// UnmarshalYAML reads a string, which is to be contained, or a mapping.
func (m *matcher) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.ScalarNode {
		m.contains = []string{strings.ToLower(node.Value)}
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a text or a mapping", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		var list oneOrMore
		if err := value.Decode(&list); err != nil {
			return err
		}
		switch key.Value {
		case "contains":
			m.contains = lower(list)
		case "not_contains":
			m.without = lower(list)
		case "equals":
			m.equals = &value.Value
		case "matches":
			for _, expr := range list {
				re, err := regexp.Compile(expr)
				if err != nil {
					return fmt.Errorf("line %d: %w", value.Line, err)
				}
				m.matches = append(m.matches, re)
			}
		default:
			return fmt.Errorf("line %d: %s is not contains, not_contains, matches or equals", key.Line, key.Value)
		}
	}
	return nil
}

func lower(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	return list
}

// holds reports whether s is what m wants, and adds the groups that are named in
// it to groups. A nil matcher wants nothing.
func (m *matcher) holds(s string, groups map[string]string) bool {
	if m == nil {
		return true
	}
	if m.equals != nil && *m.equals != s {
		return false
	}
	if len(m.contains)+len(m.without) > 0 {
		low := strings.ToLower(s)
		for _, c := range m.contains {
			if !strings.Contains(low, c) {
				return false
			}
		}
		for _, c := range m.without {
			if strings.Contains(low, c) {
				return false
			}
		}
	}
	for _, re := range m.matches {
		found := re.FindStringSubmatch(s)
		if found == nil {
			return false
		}
		for i, name := range re.SubexpNames() {
			if name != "" {
				groups[name] = strings.TrimSpace(found[i])
			}
		}
	}
	return true
}
