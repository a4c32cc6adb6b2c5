package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Kinds of differences.
const (
	extraKey   = "extra key"
	missingKey = "missing key"
	wrongType  = "type"
	null       = "null" // where the schema has no null
	wrongValue = "value"
	bound      = "bound"       // of a length, a number, a format
	ambiguous  = "ambiguous"   // several schemas of a oneOf match
	invalid    = "invalid"     // in a way that no other kind names
	noSchema   = "no schema"   // the specification lacks the route, the schema of the answer, or this kind of object in a union
	noBody     = "not as JSON" // the specification has the answer in another media type
)

var kinds = []string{extraKey, missingKey, wrongType, null, wrongValue, bound, ambiguous, invalid, noSchema, noBody}

// difference is a way in which an answer is not as its schema wants it.
type difference struct {
	spec   string // short name of the specification
	place  string // the schema's name and a path in it: RunObject.tools[].type
	kind   string
	detail string
	depth  int // of the place below the value that was checked
}

func (d difference) String() string {
	return fmt.Sprintf("%s %s | %s | %s", d.spec, d.place, d.kind, d.detail)
}

// checker finds the differences between values and schemas. The schemas of one
// level are checked by the library, with its own schemas cut off from the levels
// below. The checker descends by itself, so that it can tell each difference at
// its place, and in the one schema of a union that the value is nearest to. What
// it lets pass must pass the library's check of all levels as well.
type checker struct {
	spec   string
	report func(difference)
	depth  int // below the value that is checked
}

// check compares v with a schema, named where if it has no name.
func (c *checker) check(where string, ref *openapi3.SchemaRef, v any) {
	clean := true
	inner := checker{spec: c.spec, report: func(d difference) {
		clean = clean && d.kind == extraKey
		c.report(d)
	}}
	inner.value(where, ref, v)
	if !clean {
		return
	}
	if err := ref.Value.VisitJSON(v); err != nil {
		c.add(name(where, ref), invalid, err.Error())
	}
}

func (c *checker) add(place, kind, detail string) {
	c.report(difference{spec: c.spec, place: place, kind: kind, detail: detail, depth: c.depth})
}

// name returns the name of a schema in the specification, with a capital as OpenAI
// writes it, or where it is.
func name(where string, ref *openapi3.SchemaRef) string {
	if component, ok := strings.CutPrefix(ref.Ref, "#/components/schemas/"); ok {
		return strings.ToUpper(component[:1]) + component[1:]
	}
	return where
}

// part is one of the schemas that a value has to satisfy.
type part struct {
	place  string
	schema *openapi3.Schema
}

func (c *checker) value(where string, ref *openapi3.SchemaRef, v any) {
	if v == nil {
		if ref.Value.VisitJSON(nil) != nil {
			c.add(where, null, "the schema has no null")
		}
		return
	}
	place := name(where, ref)
	parts := c.parts(place, ref.Value, v)
	before := 0
	for _, p := range parts {
		before += c.level(p, v)
	}
	if before > 0 && !isContainer(v) {
		return
	}
	c.depth++
	defer func() { c.depth-- }()
	switch v := v.(type) {
	case map[string]any:
		c.object(parts, v)
	case []any:
		for _, p := range parts {
			if p.schema.Items == nil {
				continue
			}
			for _, e := range v {
				c.value(p.place+"[]", p.schema.Items, e)
			}
		}
	}
}

func isContainer(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// parts returns s, and what it is composed of.
func (c *checker) parts(place string, s *openapi3.Schema, v any) []part {
	parts := []part{{place, s}}
	for _, ref := range s.AllOf {
		parts = append(parts, c.parts(name(place, ref), ref.Value, v)...)
	}
	for _, union := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf} {
		if nearest := c.nearest(place, union, v); nearest != nil {
			parts = append(parts, c.parts(name(place, nearest), nearest.Value, v)...)
		}
	}
	matching := 0
	for _, ref := range s.OneOf {
		if ref.Value.VisitJSON(v) == nil {
			matching++
		}
	}
	if matching > 1 {
		c.add(place, ambiguous, fmt.Sprintf("%d of %d match", matching, len(s.OneOf)))
	}
	return parts
}

// labels are the keys whose literals tell which schema of a union is meant.
var labels = []string{"event", "object", "type"}

// nearest returns the schema of a union from which v differs least. If there is
// none with the literals of v, it tells so and returns nil, and so it does if the
// union is empty.
func (c *checker) nearest(place string, union openapi3.SchemaRefs, v any) *openapi3.SchemaRef {
	const otherType, otherLabel = 1_000_000, 1_000
	var nearest *openapi3.SchemaRef
	var least int
	for _, ref := range union {
		weight := 0
		trial := checker{spec: c.spec, report: func(d difference) {
			_, key, _ := strings.Cut(d.place, ".")
			switch {
			case d.depth == 0 && d.kind == wrongType:
				weight += otherType
			case d.depth == 1 && d.kind == wrongValue && slices.Contains(labels, key), d.depth == 0 && d.kind == noSchema:
				weight += otherLabel
			default:
				weight++
			}
		}}
		trial.value("", &openapi3.SchemaRef{Value: ref.Value}, v)
		if nearest == nil || weight < least {
			nearest, least = ref, weight
		}
	}
	if o, ok := v.(map[string]any); ok && len(union) > 1 && least >= otherLabel {
		for _, key := range labels {
			if label, ok := o[key]; ok {
				c.add(fmt.Sprintf("%s(%v)", place, label), noSchema, "no schema of the union has this "+key)
				return nil
			}
		}
	}
	return nearest
}

// level checks v against the schema without what is below it, and returns how
// many differences there are.
func (c *checker) level(p part, v any) int {
	s := *p.schema
	s.Properties, s.Items, s.Discriminator = nil, nil, nil
	s.AdditionalProperties = openapi3.BoolSchema{}
	s.AllOf, s.AnyOf, s.OneOf = nil, nil, nil
	return c.errors(p.place, s.VisitJSON(v, openapi3.MultiErrors()))
}

func (c *checker) errors(place string, err error) int {
	if err == nil {
		return 0
	}
	if all, ok := errors.AsType[openapi3.MultiError](err); ok {
		n := 0
		for _, e := range all {
			n += c.errors(place, e)
		}
		return n
	}
	se, ok := errors.AsType[*openapi3.SchemaError](err)
	if !ok {
		c.add(place, invalid, err.Error())
		return 1
	}
	for _, key := range se.JSONPointer() {
		place += "." + key
	}
	switch se.SchemaField {
	case "required":
		c.add(place, missingKey, "the schema requires it")
	case "type":
		c.add(place, wrongType, se.Reason)
	case "enum", "const":
		c.add(place, wrongValue, fmt.Sprintf("%v: %s", se.Value, se.Reason))
	default:
		c.add(place, bound, fmt.Sprintf("%s: %s", se.SchemaField, se.Reason))
	}
	return 1
}

// object checks the values of v, and tells the keys that no schema has.
func (c *checker) object(parts []part, v map[string]any) {
	for _, key := range sortedKeys(v) {
		found, open := false, true
		for _, p := range parts {
			if ref := p.schema.Properties[key]; ref != nil {
				found = true
				c.value(p.place+"."+key, ref, v[key])
			}
		}
		if found {
			continue
		}
		place := parts[0].place
		for _, p := range parts {
			if rest := p.schema.AdditionalProperties; rest.Schema != nil {
				c.value(p.place+".*", rest.Schema, v[key])
				found = true
			} else if rest.Has != nil && *rest.Has {
				found = true
			}
			if len(p.schema.Properties) > 0 || p.schema.AdditionalProperties.Has != nil {
				open, place = false, p.place
			}
		}
		if !found && !open {
			c.add(place+"."+key, extraKey, fmt.Sprintf("%T", v[key]))
		}
	}
}
