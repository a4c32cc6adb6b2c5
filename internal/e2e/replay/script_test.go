package replay

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// model is the name under which the script of the recording is played, in place
// of the recorded one: all recordings share a server.
func (r *recording) model(recorded string) string {
	return recorded + "." + r.name
}

// models returns the names of the models that the recording asks for.
func (r *recording) models() []string {
	var names []string
	for _, x := range r.exchanges {
		if body, ok := x.RequestBody.(map[string]any); ok {
			if name, ok := body["model"].(string); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// object is a JSON object.
type object = map[string]any

// traces is what a recording tells about what its assistant did.
type traces struct {
	steps    map[string]object // the last of each
	messages map[string]object
	required [][]any // calls that a run waited for
	order    map[string]int
}

// see notes the objects in v, in the order of their making.
func (tr *traces) see(v any, descending bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			tr.see(e, descending)
		}
	case object:
		id, _ := v["id"].(string)
		switch v["object"] {
		case "list":
			data, _ := v["data"].([]any)
			if descending {
				data = slices.Clone(data)
				slices.Reverse(data)
			}
			tr.see(data, descending)
			return
		case "thread.run.step":
			tr.steps[id] = v
		case "thread.message":
			if v["run_id"] != nil {
				tr.messages[id] = v
			}
		case "thread.run":
			if calls, ok := dig(v, "required_action", "submit_tool_outputs", "tool_calls").([]any); ok {
				tr.required = append(tr.required, calls)
			}
		default:
			return
		}
		if _, ok := tr.order[id]; !ok {
			tr.order[id] = len(tr.order)
		}
	}
}

// dig returns the value at the end of a path of keys, or nil.
func dig(v any, keys ...string) any {
	for _, k := range keys {
		o, _ := v.(object)
		v = o[k]
	}
	return v
}

// sorted returns objects in the order of their making.
func (tr *traces) sorted(objects map[string]object) []object {
	return slices.SortedFunc(maps.Values(objects), func(a, b object) int {
		at, _ := a["created_at"].(float64)
		bt, _ := b["created_at"].(float64)
		return cmp.Or(cmp.Compare(at, bt), cmp.Compare(tr.order[a["id"].(string)], tr.order[b["id"].(string)]))
	})
}

func (r *recording) traces() (*traces, error) {
	tr := &traces{steps: map[string]object{}, messages: map[string]object{}, order: map[string]int{}}
	for _, x := range r.exchanges {
		events, ok, err := x.stream()
		if err != nil {
			return nil, err
		}
		if !ok {
			tr.see(x.Body, x.descending())
		}
		for _, e := range events {
			tr.see(e.data, false)
		}
	}
	return tr, nil
}

// turn is a turn of the model in a script.
type turn struct {
	Say  string `json:"say,omitempty"`
	Call []call `json:"call,omitempty"`
}

type call struct {
	Name string `json:"name"`
	Args object `json:"args,omitempty"`
	Raw  string `json:"raw,omitempty"`
}

// turns returns what the recorded assistant did, turn by turn.
func (tr *traces) turns() ([]turn, error) {
	var turns []turn
	played := map[string]bool{} // ids of calls and messages
	say := func(id string) {
		played[id] = true
		text := messageText(tr.messages[id])
		if text == "" {
			text = fmt.Sprintf("The words of turn %d were not recorded.", len(turns)+1)
		}
		turns = append(turns, turn{Say: escape(text)})
	}
	call := func(recorded []any) error {
		calls, err := newCalls(recorded, played)
		if err != nil || len(calls) == 0 {
			return err
		}
		if n := len(turns); n > 0 && len(turns[n-1].Call) == 0 { // words before a call belong to its turn
			turns[n-1].Call = calls
		} else {
			turns = append(turns, turn{Call: calls})
		}
		return nil
	}
	for _, step := range tr.sorted(tr.steps) {
		if id, ok := dig(step, "step_details", "message_creation", "message_id").(string); ok {
			say(id)
			continue
		}
		calls, _ := dig(step, "step_details", "tool_calls").([]any)
		if err := call(calls); err != nil {
			return nil, err
		}
	}
	for _, calls := range tr.required {
		if err := call(calls); err != nil {
			return nil, err
		}
	}
	for _, m := range tr.sorted(tr.messages) {
		if id := m["id"].(string); !played[id] {
			say(id)
		}
	}
	if len(turns) == 0 || len(turns[len(turns)-1].Call) > 0 {
		say("")
	}
	return turns, nil
}

func newCalls(recorded []any, played map[string]bool) ([]call, error) {
	var calls []call
	for _, c := range recorded {
		id, _ := dig(c, "id").(string)
		if played[id] {
			continue
		}
		played[id] = true
		switch kind := dig(c, "type"); kind {
		case "function":
			name, _ := dig(c, "function", "name").(string)
			arguments, _ := dig(c, "function", "arguments").(string)
			calls = append(calls, call{Name: name, Raw: escape(arguments)})
		case "code_interpreter":
			code, _ := dig(c, "code_interpreter", "input").(string)
			calls = append(calls, call{Name: "code_interpreter", Args: object{"code": escape(code)}})
		case "file_search":
			queries := []string{"Filip favorite foods"} // recordings do not tell what was searched for
			calls = append(calls, call{Name: "file_search", Args: object{"queries": queries}})
		default:
			return nil, fmt.Errorf("cannot play a call of %v", kind)
		}
	}
	return calls, nil
}

// messageText returns the text of a message.
func messageText(m object) string {
	var all []string
	content, _ := m["content"].([]any)
	for _, part := range content {
		if s, ok := dig(part, "text", "value").(string); ok {
			all = append(all, s)
		}
	}
	return strings.Join(all, "\n\n")
}

// fileID stands for the id of the recorded file, whose new id nobody knows
// before it is uploaded.
const fileID = "{{.match.file}}"

// escape makes s a template that yields s, with the new ids of files.
func escape(s string) string {
	return idPattern.ReplaceAllStringFunc(strings.ReplaceAll(s, "{{", `{{"{{"}}`), func(id string) string {
		if strings.HasPrefix(id, "file-") {
			return fileID
		}
		return id
	})
}

// script returns a script in which the model does what the recorded assistant
// did. JSON is YAML, too.
func (r *recording) script() ([]byte, error) {
	tr, err := r.traces()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	turns, err := tr.turns()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	then, err := json.Marshal(turns)
	if err != nil {
		return nil, err
	}
	var scenes []object
	for _, name := range r.models() {
		when := object{"model": object{"equals": r.model(name)}}
		if strings.Contains(string(then), fileID) {
			when["instructions"] = object{"matches": `the same file: /mnt/data/(?P<file>[\w-]+)`}
		}
		scenes = append(scenes, object{"name": r.name, "when": when, "then": json.RawMessage(then)})
	}
	return json.Marshal(object{"scenes": scenes})
}
