package understudy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of [Attributes]; lengths are in characters.
const (
	MaxAttributes           = 16
	MaxAttributeKeyLength   = 64
	MaxAttributeValueLength = 512
)

// Attributes are the caller's own data on a file of a vector store, which a
// [Filter] can ask for. Values are strings, float64s and bools, which is what
// JSON decodes to; [Attributes.Check] refuses others. They are never null on the
// wire.
type Attributes map[string]any

// MarshalJSON writes the empty object for nil.
func (a Attributes) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("{}"), nil
	}
	return marshal(map[string]any(a))
}

// Check returns an [*Error] that names the first attribute, by key, which is not
// within the limits, or nil.
func (a Attributes) Check() error {
	const param = "attributes"
	if n := len(a); n > MaxAttributes {
		return refuse("object_above_max_properties", param,
			"Invalid '%s': too many properties. Expected an object with at most %d properties, but got an object with %d properties instead.", param, MaxAttributes, n)
	}
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if n := utf8.RuneCountInString(key); n > MaxAttributeKeyLength {
			return refuse("string_above_max_length", param,
				"Invalid '%s': key too long. Expected a key with maximum length %d, but got a key with length %d instead.", param, MaxAttributeKeyLength, n)
		}
		if err := checkAttribute(param+"."+key, a[key]); err != nil {
			return err
		}
	}
	return nil
}

func checkAttribute(param string, value any) error {
	switch value := value.(type) {
	case bool:
		return nil
	case string:
		return checkLength(param, value, MaxAttributeValueLength)
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return outOfRange(param)
		}
		return nil
	}
	return wrongType(param, "a string, number, or boolean", value)
}

// refuse returns the error for a parameter that is not as it must be.
func refuse(code, param, format string, args ...any) error {
	return &Error{Kind: KindInvalid, Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}

func checkLength(param, value string, limit int) error {
	if n := utf8.RuneCountInString(value); n > limit {
		return refuse("string_above_max_length", param,
			"Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", param, limit, n)
	}
	return nil
}

func outOfRange(param string) error {
	return refuse("invalid_value", param, "Invalid '%s': number out of range.", param)
}

// wrongType is the error for a value, or a token of JSON, of a type that is not
// expected.
func wrongType(param, expected string, value any) error {
	return refuse("invalid_type", param, "Invalid type for '%s': expected %s, but got %s instead.", param, expected, typeName(value))
}

func typeName(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case json.Delim:
		if value == '[' {
			return "an array"
		}
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return "a decimal number"
		}
		return "an integer"
	case float64:
		if value != math.Trunc(value) {
			return "a decimal number"
		}
		return "an integer"
	}
	return "an object"
}
