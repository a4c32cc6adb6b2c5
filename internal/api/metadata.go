package api

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/understudy-dev/understudy"
)

// metadataValues is metadata in requests. Version 1 takes booleans and numbers,
// too, and keeps them as Python writes them; the schemas of version 2 refuse them.
type metadataValues understudy.Metadata

// UnmarshalJSON decodes an object of strings, booleans and numbers, or null.
func (m *metadataValues) UnmarshalJSON(b []byte) error {
	*m = nil
	if json.Unmarshal(b, (*map[string]string)(m)) == nil {
		return nil
	}
	var values map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil {
		return err
	}
	*m = make(metadataValues, len(values))
	for key, v := range values {
		switch v := v.(type) {
		case string:
			(*m)[key] = v
		case bool:
			(*m)[key] = map[bool]string{true: "True", false: "False"}[v]
		case json.Number:
			(*m)[key] = pythonNumber(v.String())
		}
	}
	return nil
}

// pythonNumber returns what Python's str makes of a JSON number: integers as
// they are, others as the shortest decimal that is the same double.
func pythonNumber(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case !strings.ContainsAny(text, ".eE"):
		return text
	case err != nil && f > 0:
		return "inf"
	case err != nil:
		return "-inf"
	}
	if abs := max(f, -f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
