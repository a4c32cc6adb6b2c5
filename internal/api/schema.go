package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

// kind is a set of JSON types.
type kind uint8

const (
	aString kind = 1 << iota
	anInteger
	aNumber // a decimal; an integer will do
	aBoolean
	anObject
	anArray
	aNull         // where it is required, and not the same as nothing
	anything kind = 0
)

// schema declares what a JSON value may be. The zero value allows anything.
// Several kinds make a union; each of the other fields constrains the kind it is
// about.
type schema struct {
	kinds  kind
	expect string // what a wrong type is told was expected

	minLength, maxLength int      // of strings, in characters; 0: no limit
	enum                 []string // nil: any string
	silent               []string // strings accepted beside enum, but not told of
	pattern              *regexp.Regexp

	min, max float64 // of numbers; both 0: no limit

	minItems, maxItems int // of arrays; maxItems 0: no limit
	items              *schema

	fields   []field             // of objects
	variants map[string][]string // fields required if the field "type" has that value
	values   *schema             // of objects that are maps: what every value is, and maxProps and maxKey apply
	maxProps int
	maxKey   int
}

type field struct {
	name     string
	required bool // null is then refused, which otherwise counts as absent
	schema   *schema
}

// errSyntax is the answer to a body that is not JSON.
var errSyntax = &understudy.Error{Kind: understudy.KindInvalid, Message: "We could not parse the JSON body of your request. " +
	"(HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent " +
	"was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)"}

// validate checks that body is one JSON object as s declares. It reads the body
// once, as a stream, and keeps nothing of it. With strict, fields that s does
// not declare are refused; otherwise they are passed over, and renamed in body so
// that no decoder finds them: what is decoded has been checked. The error is a
// [*understudy.Error] that names the first offender.
func validate(body []byte, s *schema, strict bool) error {
	if !utf8.Valid(body) {
		return errSyntax
	}
	v := validator{body: body, dec: json.NewDecoder(bytes.NewReader(body)), strict: strict, path: make([]byte, 0, 64)}
	v.dec.UseNumber()
	if err := v.next(s); err != nil {
		if e, ok := errors.AsType[*understudy.Error](err); ok {
			return e
		}
		return errSyntax
	}
	if _, err := v.dec.Token(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	return nil
}

type validator struct {
	body   []byte
	dec    *json.Decoder
	strict bool
	path   []byte // of the value at hand, as messages show it
}

// next reads one value and checks it. Errors that are not a
// [*understudy.Error] are about the JSON itself.
func (v *validator) next(s *schema) error {
	if s.kinds == anything {
		return v.skip()
	}
	t, err := v.dec.Token()
	if err != nil {
		return err
	}
	return v.value(s, t)
}

// skip passes over the next value, whatever it is.
func (v *validator) skip() error {
	var raw json.RawMessage
	return v.dec.Decode(&raw)
}

// value checks the value that begins with t.
func (v *validator) value(s *schema, t json.Token) error {
	switch t := t.(type) {
	case string:
		if s.kinds&aString == 0 {
			return v.wrongType(s, "a string")
		}
		return v.str(s, t)
	case json.Number:
		return v.number(s, t.String())
	case bool:
		if s.kinds&aBoolean == 0 {
			return v.wrongType(s, "a boolean")
		}
	case json.Delim:
		switch {
		case t == '{' && s.kinds&anObject == 0:
			return v.wrongType(s, "an object")
		case t == '[' && s.kinds&anArray == 0:
			return v.wrongType(s, "an array")
		case t == '{':
			return v.object(s)
		case t == '[':
			return v.array(s)
		}
	case nil:
		if s.kinds&aNull == 0 {
			return v.wrongType(s, "null")
		}
	}
	return nil
}

func (v *validator) str(s *schema, value string) error {
	n := utf8.RuneCountInString(value)
	switch {
	case s.enum != nil && !slices.Contains(s.enum, value) && !slices.Contains(s.silent, value):
		return v.fail("invalid_value", "Invalid value: '%s'. Supported values are: %s.", abbreviate(value), listOf(s.enum))
	case n < s.minLength:
		return v.fail("empty_string", "Invalid '%s': empty string. Expected a string with minimum length %d, but got an empty string instead.", v.path, s.minLength)
	case s.maxLength > 0 && n > s.maxLength:
		return v.fail("string_above_max_length", "Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", v.path, s.maxLength, n)
	case s.pattern != nil && !s.pattern.MatchString(value):
		return v.fail("invalid_value", "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", v.path, s.pattern)
	}
	return nil
}

func (v *validator) number(s *schema, text string) error {
	integer := !strings.ContainsAny(text, ".eE")
	got, noun := "an integer", "integer"
	if !integer {
		got = "a decimal number"
	}
	if s.kinds&aNumber != 0 {
		noun = "decimal"
	} else if s.kinds&anInteger == 0 || !integer {
		return v.wrongType(s, got)
	}
	if s.kinds&aString != 0 && s.maxLength > 0 && len(text) > s.maxLength {
		return v.str(s, text) // it may be kept as one
	}
	if s.min == 0 && s.max == 0 {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(n, 0) {
		return err
	}
	switch {
	case n > s.max:
		return v.fail(noun+"_above_max_value", "Invalid '%s': %s above maximum value. Expected a value <= %s, but got %s instead.", v.path, noun, plain(s.max), abbreviate(text))
	case n < s.min:
		return v.fail(noun+"_below_min_value", "Invalid '%s': %s below minimum value. Expected a value >= %s, but got %s instead.", v.path, noun, plain(s.min), abbreviate(text))
	}
	return nil
}

// plain writes a number without an exponent.
func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// array checks the items of an array whose bracket has been read.
func (v *validator) array(s *schema) error {
	base := len(v.path)
	n := 0
	for ; v.dec.More(); n++ {
		if s.items == nil || s.maxItems > 0 && n >= s.maxItems {
			if err := v.skip(); err != nil {
				return err
			}
			continue
		}
		v.path = append(strconv.AppendInt(append(v.path, '['), int64(n), 10), ']')
		if err := v.next(s.items); err != nil {
			return err
		}
		v.path = v.path[:base]
	}
	if _, err := v.dec.Token(); err != nil {
		return err
	}
	switch {
	case s.maxItems > 0 && n > s.maxItems:
		return v.fail("array_above_max_length", "Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", v.path, s.maxItems, n)
	case n < s.minItems:
		return v.fail("empty_array", "Invalid '%s': empty array. Expected an array with minimum length %d, but got an empty array instead.", v.path, s.minItems)
	}
	return nil
}

// object checks the fields of an object whose brace has been read.
func (v *validator) object(s *schema) error {
	if s.values != nil {
		return v.dict(s)
	}
	var seen, present uint64 // bit i: field i occurred; and was not null
	var variant string
	for v.dec.More() {
		before := v.dec.InputOffset()
		name, err := v.key()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.fields, func(f field) bool { return f.name == name })
		if i < 0 {
			if err := v.unknown(s, name, v.body[before:v.dec.InputOffset()]); err != nil {
				return err
			}
			continue
		}
		if seen&(1<<i) != 0 {
			return fmt.Errorf("key %q occurs twice", name)
		}
		seen |= 1 << i
		base := v.enter(name)
		isNull, text, err := v.field(s.fields[i])
		if err != nil {
			return err
		}
		v.path = v.path[:base]
		if !isNull {
			present |= 1 << i
		}
		if name == "type" {
			variant = text
		}
	}
	if _, err := v.dec.Token(); err != nil {
		return err
	}
	for i, f := range s.fields {
		if (f.required || slices.Contains(s.variants[variant], f.name)) && present&(1<<i) == 0 {
			v.enter(f.name)
			return v.fail("missing_required_parameter", "Missing required parameter: '%s'.", v.path)
		}
	}
	return nil
}

// field checks the value of one field and reports whether it is null, and its
// text if it is a string.
func (v *validator) field(f field) (isNull bool, text string, err error) {
	if f.schema.kinds == anything {
		var raw json.RawMessage
		err := v.dec.Decode(&raw)
		return string(raw) == "null", "", err
	}
	t, err := v.dec.Token()
	if err != nil {
		return false, "", err
	}
	if t == nil && !f.required {
		return true, "", nil
	}
	text, _ = t.(string)
	return false, text, v.value(f.schema, t)
}

// dict checks the entries of an object that is a map.
func (v *validator) dict(s *schema) error {
	var keys []string
	n := 0
	for ; v.dec.More(); n++ {
		key, err := v.key()
		if err != nil {
			return err
		}
		if n >= s.maxProps {
			if err := v.skip(); err != nil {
				return err
			}
			continue
		}
		if slices.Contains(keys, key) {
			return fmt.Errorf("key %q occurs twice", key)
		}
		keys = append(keys, key)
		if length := utf8.RuneCountInString(key); length > s.maxKey {
			return v.fail("string_above_max_length", "Invalid '%s': key too long. Expected a key with maximum length %d, but got a key with length %d instead.", v.path, s.maxKey, length)
		}
		base := v.enter(key)
		if err := v.next(s.values); err != nil {
			return err
		}
		v.path = v.path[:base]
	}
	if n > s.maxProps {
		return v.fail("object_above_max_properties", "Invalid '%s': too many properties. Expected an object with at most %d properties, but got an object with %d properties instead.", v.path, s.maxProps, n)
	}
	_, err := v.dec.Token()
	return err
}

// key reads the key of the next field.
func (v *validator) key() (string, error) {
	t, err := v.dec.Token()
	if err != nil {
		return "", err
	}
	return t.(string), nil // the decoder refuses keys that are not
}

// unknown refuses a field that is not declared, or passes over it and blots out
// its key, which token ends with. One that differs from a declared field in case
// only is refused always: it is a mistake that nobody would find otherwise.
func (v *validator) unknown(s *schema, name string, token []byte) error {
	alias := slices.ContainsFunc(s.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
	if (v.strict || alias) && len(s.fields) > 0 {
		v.enter(abbreviate(name))
		return v.fail("unknown_parameter", "Unknown parameter: '%s'.", v.path)
	}
	if len(s.fields) > 0 {
		key := token[bytes.IndexByte(token, '"')+1 : len(token)-1]
		for i := range key {
			key[i] = '_'
		}
	}
	return v.skip()
}

// enter extends the path by a field and returns the length to cut it back to.
func (v *validator) enter(name string) int {
	base := len(v.path)
	if base > 0 {
		v.path = append(v.path, '.')
	}
	v.path = append(v.path, name...)
	return base
}

func (v *validator) fail(code, format string, args ...any) error {
	return &understudy.Error{Kind: understudy.KindInvalid, Code: code, Param: string(v.path), Message: fmt.Sprintf(format, args...)}
}

func (v *validator) wrongType(s *schema, got string) error {
	if len(v.path) == 0 {
		return v.fail("invalid_type", "Invalid type for the request body: expected %s, but got %s instead.", s.expect, got)
	}
	return v.fail("invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", v.path, s.expect, got)
}

// abbreviate keeps what a client sent from filling the message about it.
func abbreviate(s string) string {
	const limit = 100
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit]) + "…"
}

// listOf writes values as messages do: 'a', 'b', and 'c'.
func listOf(values []string) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i > 0 && i == len(values)-1 && i > 1:
			b.WriteString(", and ")
		case i > 0 && i == len(values)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString("'" + v + "'")
	}
	return b.String()
}
