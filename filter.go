package understudy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FilterType says what a [Filter] does.
type FilterType string

// The comparisons of an attribute, and the two ways to combine filters.
const (
	FilterEq  FilterType = "eq"
	FilterNe  FilterType = "ne"
	FilterGt  FilterType = "gt"
	FilterGte FilterType = "gte"
	FilterLt  FilterType = "lt"
	FilterLte FilterType = "lte"
	FilterIn  FilterType = "in"
	FilterNin FilterType = "nin"
	FilterAnd FilterType = "and"
	FilterOr  FilterType = "or"
)

// filterTypes are all types, in the order in which messages list them.
var filterTypes = []FilterType{FilterEq, FilterNe, FilterGt, FilterGte, FilterLt, FilterLte, FilterIn, FilterNin, FilterAnd, FilterOr}

// Limits of filters. The published description has none; these keep a filter
// that a client sends from costing more than the search.
const (
	MaxFilterDepth = 16    // levels, the outermost counted
	MaxFilterSize  = 1_000 // comparisons, combinations and items of lists, together
)

// Filter selects files by their [Attributes]. It either compares the attribute
// Key with Value, or combines Filters with "and" or "or". Combining none is
// allowed: "and" of none matches everything, "or" of none nothing. The zero
// Filter is no filter: it matches everything and is null in JSON.
type Filter struct {
	Type    FilterType
	Key     string
	Value   any      // string, float64 or bool; for "in" and "nin" a []any of strings and float64s
	Filters []Filter // of combinations only
}

// Match reports whether a file with attributes a is selected; a nil filter
// selects every file.
//
// Values of different types are different, and have no order. So eq and in match
// only a value of the same type; ne and nin are their exact opposites, and hence
// match an attribute of another type. An attribute that is missing is unlike any
// value: ne and nin match it, the others do not. Strings are ordered by their
// UTF-8 bytes, which puts ISO dates in the order of time; booleans have no order,
// and gt, gte, lt and lte never match them. Numbers are compared as float64s.
func (f *Filter) Match(a Attributes) bool {
	if f == nil {
		return true
	}
	matches := func(g Filter) bool { return g.Match(a) }
	switch f.Type {
	case "":
		return true
	case FilterAnd:
		return !slices.ContainsFunc(f.Filters, func(g Filter) bool { return !matches(g) })
	case FilterOr:
		return slices.ContainsFunc(f.Filters, matches)
	}
	return f.compare(a[f.Key])
}

// compare applies a comparison to the value of an attribute, nil if it is missing.
func (f *Filter) compare(value any) bool {
	switch f.Type {
	case FilterEq:
		return same(value, f.Value)
	case FilterNe:
		return !same(value, f.Value)
	case FilterIn, FilterNin:
		list, _ := f.Value.([]any)
		in := slices.ContainsFunc(list, func(v any) bool { return same(value, v) })
		return in == (f.Type == FilterIn)
	}
	order, ok := compareValues(value, f.Value)
	if !ok {
		return false
	}
	switch f.Type {
	case FilterGt:
		return order > 0
	case FilterGte:
		return order >= 0
	case FilterLt:
		return order < 0
	case FilterLte:
		return order <= 0
	}
	return false
}

// same reports whether two values are of the same type and equal.
func same(a, b any) bool {
	if x, ok := a.(bool); ok {
		y, ok := b.(bool)
		return ok && x == y
	}
	order, ok := compareValues(a, b)
	return ok && order == 0
}

// compareValues orders two strings or two numbers; anything else has no order.
func compareValues(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case float64:
		b, ok := b.(float64)
		return cmp.Compare(a, b), ok
	}
	return 0, false
}

// MarshalJSON writes what UnmarshalJSON reads.
func (f Filter) MarshalJSON() ([]byte, error) {
	switch f.Type {
	case "":
		return []byte("null"), nil
	case FilterAnd, FilterOr:
		if f.Filters == nil {
			f.Filters = []Filter{}
		}
		return marshal(struct {
			Type    FilterType `json:"type"`
			Filters []Filter   `json:"filters"`
		}{Type: f.Type, Filters: f.Filters})
	}
	return marshal(struct {
		Type  FilterType `json:"type"`
		Key   string     `json:"key"`
		Value any        `json:"value"`
	}{Type: f.Type, Key: f.Key, Value: f.Value})
}

// UnmarshalJSON reads a comparison or a combination of filters; null changes
// nothing. The error for JSON that is no such filter, or exceeds a limit, is an
// [*Error] whose Param is the path to the first offender from the request's field
// "filters"; it is another for what is not JSON.
func (f *Filter) UnmarshalJSON(b []byte) error {
	d := filterDecoder{dec: json.NewDecoder(bytes.NewReader(b))}
	d.dec.UseNumber()
	t, err := d.dec.Token()
	if err != nil {
		return fmt.Errorf("filters: %w", err)
	}
	var g Filter
	if t == nil {
		g = *f
	} else if err := d.filter(&g, t, "filters", 1); err != nil {
		return err
	}
	if _, err := d.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("filters: more than one JSON value")
	}
	*f = g
	return nil
}

// filterDecoder reads a filter in one pass.
type filterDecoder struct {
	dec  *json.Decoder
	size int // of what was read
}

// filter reads the filter that begins with t. Path is where it stands.
func (d *filterDecoder) filter(f *Filter, t json.Token, path string, depth int) error {
	if t != json.Delim('{') {
		return wrongType(path, "an object", t)
	}
	if depth > MaxFilterDepth {
		return refuse("invalid_value", path, "Invalid '%s': nested too deeply. Expected at most %d levels of filters.", path, MaxFilterDepth)
	}
	if err := d.count(path); err != nil {
		return err
	}
	var seen []string
	for d.dec.More() {
		t, err := d.dec.Token()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		name, _ := t.(string)
		if slices.Contains(seen, name) {
			return fmt.Errorf("%s: key %q occurs twice", path, name)
		}
		seen = append(seen, name) // at most the four that there are
		if err := d.field(f, name, path, depth); err != nil {
			return err
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.check(seen, path)
}

// field reads the value of the field name of f.
func (d *filterDecoder) field(f *Filter, name, path string, depth int) error {
	path += "." + abbreviate(name)
	switch name {
	case "type", "key", "value", "filters":
	default:
		return refuse("unknown_parameter", path, "Unknown parameter: '%s'.", path)
	}
	t, err := d.dec.Token()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch name {
	case "type":
		s, ok := t.(string)
		if !ok {
			return wrongType(path, "a string", t)
		}
		f.Type = FilterType(s)
		if !slices.Contains(filterTypes, f.Type) {
			return refuse("invalid_value", path, "Invalid value: '%s'. Supported values are: %s.", abbreviate(s), listTypes())
		}
	case "key":
		s, ok := t.(string)
		if !ok {
			return wrongType(path, "a string", t)
		}
		f.Key = s
		return checkLength(path, s, MaxAttributeKeyLength)
	case "value":
		f.Value, err = d.value(t, path)
		return err
	case "filters":
		f.Filters, err = d.filters(t, path, depth+1)
		return err
	}
	return nil
}

// filters reads the array of filters that begins with t.
func (d *filterDecoder) filters(t json.Token, path string, depth int) ([]Filter, error) {
	if t != json.Delim('[') {
		return nil, wrongType(path, "an array of objects", t)
	}
	filters := []Filter{}
	for d.dec.More() {
		path := path + "[" + strconv.Itoa(len(filters)) + "]"
		t, err := d.dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var f Filter
		if err := d.filter(&f, t, path, depth); err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return filters, d.end(path)
}

// value reads the value, or list of values, that begins with t.
func (d *filterDecoder) value(t json.Token, path string) (any, error) {
	if t != json.Delim('[') {
		return d.scalar(t, path, "a string, number, boolean, or array")
	}
	list := []any{}
	for d.dec.More() {
		path := path + "[" + strconv.Itoa(len(list)) + "]"
		if err := d.count(path); err != nil {
			return nil, err
		}
		t, err := d.dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		v, err := d.scalar(t, path, "a string or number")
		if err != nil {
			return nil, err
		}
		if _, ok := v.(bool); ok {
			return nil, wrongType(path, "a string or number", t)
		}
		list = append(list, v)
	}
	return list, d.end(path)
}

func (d *filterDecoder) scalar(t json.Token, path, expected string) (any, error) {
	switch t := t.(type) {
	case bool:
		return t, nil
	case string:
		return t, checkLength(path, t, MaxAttributeValueLength)
	case json.Number:
		n, err := t.Float64()
		if err != nil {
			return nil, outOfRange(path)
		}
		return n, nil
	}
	return nil, wrongType(path, expected, t)
}

// end reads the bracket after the last item of an array.
func (d *filterDecoder) end(path string) error {
	if _, err := d.dec.Token(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// count counts one more part of the filter, at path.
func (d *filterDecoder) count(path string) error {
	if d.size++; d.size > MaxFilterSize {
		return refuse("invalid_value", path, "Invalid '%s': filter too large. Expected at most %d comparisons and values.", path, MaxFilterSize)
	}
	return nil
}

// check reports what is wrong with a filter at path that has the fields seen.
func (f *Filter) check(seen []string, path string) error {
	want, other := []string{"type", "key", "value"}, []string{"filters"}
	if f.Type == FilterAnd || f.Type == FilterOr {
		want, other = []string{"type", "filters"}, []string{"key", "value"}
	}
	for _, name := range want {
		if !slices.Contains(seen, name) {
			return refuse("missing_required_parameter", path+"."+name, "Missing required parameter: '%s.%s'.", path, name)
		}
	}
	for _, name := range other {
		if slices.Contains(seen, name) {
			return refuse("unknown_parameter", path+"."+name, "Unknown parameter: '%s.%s'.", path, name)
		}
	}
	_, isList := f.Value.([]any)
	switch wantList := f.Type == FilterIn || f.Type == FilterNin; {
	case wantList && !isList:
		return wrongType(path+".value", "an array of strings or numbers", f.Value)
	case isList && !wantList:
		return wrongType(path+".value", "a string, number, or boolean", f.Value)
	}
	return nil
}

// abbreviate keeps what a client sent from filling the message about it.
func abbreviate(s string) string {
	const limit = 100
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// listTypes writes the types as messages do: 'a', 'b', and 'c'.
func listTypes() string {
	var b strings.Builder
	for i, t := range filterTypes {
		switch {
		case i == len(filterTypes)-1:
			b.WriteString(", and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString("'" + string(t) + "'")
	}
	return b.String()
}
