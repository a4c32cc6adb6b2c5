package model

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds on what is made for a schema, which comes from whoever uses the API: how
// deep, for one that contains itself; how many values in all; how long a text.
const (
	maxSchemaDepth  = 16
	maxSchemaValues = 1000
	maxSchemaText   = 1000
)

// madeUpArguments returns arguments that fit the tool's schema: required
// properties only, texts taken from what the user said.
func madeUpArguments(t *Tool, said string) string {
	if t.Name == "code_interpreter" {
		quoted, _ := toJSON(said) // a string always encodes
		args, _ := toJSON(map[string]string{"code": "print(" + quoted + ")"})
		return args
	}
	if len(t.Parameters) == 0 {
		return "{}"
	}
	return instanceOf(t.Parameters, phrase(said))
}

// phrase is the beginning of s, in whole words, as one line.
func phrase(s string) string {
	const limit = 60
	var b strings.Builder
	for word := range strings.FieldsSeq(s) {
		if b.Len() > 0 && b.Len()+1+len(word) > limit {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return cmp.Or(strings.ToValidUTF8(b.String(), ""), "rehearsal")
}

// instanceOf returns a small JSON value that fits a JSON schema as far as it is
// understood: types, required, enum, const, default, examples, bounds, $ref
// within the document, and the first way of anyOf and oneOf. Patterns are not.
// Texts are made of text.
func instanceOf(schema json.RawMessage, text string) string {
	var root any
	if json.Unmarshal(schema, &root) != nil {
		return "{}"
	}
	m := schemaMaker{root: root, text: text, left: maxSchemaValues}
	v := m.make(root, 0)
	if v == nil {
		v = map[string]any{}
	}
	s, err := toJSON(v)
	if err != nil {
		return "{}"
	}
	return s
}

type schemaMaker struct {
	root any
	text string
	left int // steps that may still be made
}

// spend counts one step and reports whether it may be made.
func (m *schemaMaker) spend() bool {
	m.left--
	return m.left >= 0
}

func (m *schemaMaker) make(schema any, depth int) any {
	s, ok := schema.(map[string]any)
	if !m.spend() || !ok || depth > maxSchemaDepth {
		return nil
	}
	s = m.resolve(s, depth)
	if v, ok := given(s); ok {
		return v
	}
	switch m.kind(s) {
	case "object":
		return m.object(s, depth)
	case "array":
		list := []any{}
		for least := number(s["minItems"], 0); float64(len(list)) < least && m.left > 0; {
			list = append(list, m.make(s["items"], depth+1))
		}
		return list
	case "string":
		return m.string(s)
	case "integer", "number":
		return m.number(s)
	case "boolean":
		return true
	}
	return nil
}

// given returns a value that the schema itself contains.
func given(s map[string]any) (any, bool) {
	if v, ok := s["const"]; ok {
		return v, true
	}
	for _, key := range []string{"enum", "examples"} {
		if list, ok := s[key].([]any); ok && len(list) > 0 {
			return list[0], true
		}
	}
	v, ok := s["default"]
	return v, ok && v != nil
}

// resolve follows references and takes the first way of a choice.
func (m *schemaMaker) resolve(s map[string]any, depth int) map[string]any {
	for range maxSchemaDepth {
		if ref, ok := s["$ref"].(string); ok {
			s = m.lookUp(ref)
			continue
		}
		way := firstWay(s)
		if way == nil {
			return m.mergeAll(s, depth)
		}
		s = way
	}
	return map[string]any{}
}

// firstWay is the first schema of anyOf or oneOf that is not null.
func firstWay(s map[string]any) map[string]any {
	for _, key := range []string{"anyOf", "oneOf"} {
		list, _ := s[key].([]any)
		for _, item := range list {
			if way, ok := item.(map[string]any); ok && way["type"] != "null" && s["properties"] == nil {
				return way
			}
		}
	}
	return nil
}

// mergeAll adds to s the properties of the schemas in its allOf.
func (m *schemaMaker) mergeAll(s map[string]any, depth int) map[string]any {
	list, _ := s["allOf"].([]any)
	if len(list) == 0 || !m.spend() || depth > maxSchemaDepth {
		return s
	}
	merged := map[string]any{}
	properties, required := map[string]any{}, []any{}
	for _, item := range append(slices.Clone(list), s) {
		part, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if _, self := part["allOf"]; !self {
			part = m.resolve(part, depth+1)
		}
		for k, v := range part {
			if k != "allOf" {
				merged[k] = v
			}
		}
		p, _ := part["properties"].(map[string]any)
		maps.Copy(properties, p)
		r, _ := part["required"].([]any)
		required = append(required, r...)
	}
	if len(properties) > 0 {
		merged["properties"], merged["required"] = properties, required
	}
	return merged
}

// lookUp finds #/$defs/name and the like.
func (m *schemaMaker) lookUp(ref string) map[string]any {
	path, ok := strings.CutPrefix(ref, "#")
	at := m.root
	for key := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if !ok || path == "" {
			break
		}
		object, _ := at.(map[string]any)
		at = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(key)]
	}
	found, _ := at.(map[string]any)
	return found
}

// kind is the type of s, guessed from its other keys if it has none.
func (m *schemaMaker) kind(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		for _, item := range t {
			if name, ok := item.(string); ok && name != "null" {
				return name
			}
		}
	}
	switch {
	case s["properties"] != nil:
		return "object"
	case s["items"] != nil:
		return "array"
	}
	return "string"
}

func (m *schemaMaker) object(s map[string]any, depth int) any {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	object := map[string]any{}
	for _, item := range required {
		if name, ok := item.(string); ok {
			object[name] = m.make(properties[name], depth+1)
		}
	}
	return object
}

// formats has an example of each format of texts that is commonly checked.
var formats = map[string]string{
	"date": "2026-01-31", "time": "12:00:00Z", "date-time": "2026-01-31T12:00:00Z", "duration": "PT1H",
	"email": "rehearsal@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"uri": "https://example.com/", "uuid": "00000000-0000-4000-8000-000000000000",
}

func (m *schemaMaker) string(s map[string]any) string {
	format, _ := s["format"].(string)
	text := cmp.Or(formats[format], m.text)
	if least := int(min(number(s["minLength"], 0), maxSchemaText)); utf8.RuneCountInString(text) < least {
		text += strings.Repeat(".", least-utf8.RuneCountInString(text))
	}
	if most := int(min(number(s["maxLength"], math.MaxInt32), math.MaxInt32)); utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:max(most, 0)])
	}
	return text
}

func (m *schemaMaker) number(s map[string]any) float64 {
	v := number(s["minimum"], math.Inf(-1))
	if least := number(s["exclusiveMinimum"], math.Inf(-1)); least >= v && !math.IsInf(least, -1) {
		v = math.Floor(least) + 1
	}
	if math.IsInf(v, -1) {
		v = min(1, number(s["maximum"], 1), number(s["exclusiveMaximum"], 2)-1)
	}
	if step := number(s["multipleOf"], 0); step > 0 {
		v = math.Ceil(v/step) * step
	} else if s["type"] == "integer" {
		v = math.Ceil(v)
	}
	return v
}

// number is v if it is a number, else otherwise.
func number(v any, otherwise float64) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return otherwise
}
