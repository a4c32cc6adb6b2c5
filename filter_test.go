package understudy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

func parseFilter(t *testing.T, text string) *understudy.Filter {
	t.Helper()
	var f understudy.Filter
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &f
}

func TestFilterMatch(t *testing.T) {
	file := understudy.Attributes{"lang": "pt", "year": 2024.0, "draft": false, "date": "2024-05-01"}
	tests := []struct {
		filter string
		want   bool
	}{
		{`null`, true},
		{`{"type":"eq","key":"lang","value":"pt"}`, true},
		{`{"type":"eq","key":"lang","value":"PT"}`, false},
		{`{"type":"eq","key":"year","value":2024}`, true},
		{`{"type":"eq","key":"year","value":2.024e3}`, true},
		{`{"type":"eq","key":"year","value":"2024"}`, false},
		{`{"type":"eq","key":"draft","value":false}`, true},
		{`{"type":"eq","key":"draft","value":0}`, false},
		{`{"type":"ne","key":"lang","value":"en"}`, true},
		{`{"type":"ne","key":"lang","value":"pt"}`, false},
		{`{"type":"ne","key":"year","value":"2024"}`, true},
		{`{"type":"gt","key":"year","value":2023.5}`, true},
		{`{"type":"gt","key":"year","value":2024}`, false},
		{`{"type":"gte","key":"year","value":2024}`, true},
		{`{"type":"lt","key":"year","value":2024}`, false},
		{`{"type":"lte","key":"year","value":2024}`, true},
		{`{"type":"lt","key":"year","value":1e300}`, true},
		{`{"type":"gte","key":"date","value":"2024-01-01"}`, true},
		{`{"type":"lt","key":"date","value":"2024-05-01T00:00:00Z"}`, true},
		{`{"type":"gt","key":"year","value":"0"}`, false},
		{`{"type":"lte","key":"year","value":"9999"}`, false},
		{`{"type":"gte","key":"draft","value":false}`, false},
		{`{"type":"lte","key":"draft","value":true}`, false},
		{`{"type":"in","key":"lang","value":["en","pt"]}`, true},
		{`{"type":"in","key":"year","value":["2024",2023]}`, false},
		{`{"type":"in","key":"lang","value":[]}`, false},
		{`{"type":"nin","key":"lang","value":["en","pt"]}`, false},
		{`{"type":"nin","key":"year","value":["2024"]}`, true},
		{`{"type":"nin","key":"lang","value":[]}`, true},
		{`{"type":"eq","key":"gone","value":"x"}`, false},
		{`{"type":"ne","key":"gone","value":"x"}`, true},
		{`{"type":"gt","key":"gone","value":0}`, false},
		{`{"type":"gte","key":"gone","value":0}`, false},
		{`{"type":"lt","key":"gone","value":0}`, false},
		{`{"type":"lte","key":"gone","value":0}`, false},
		{`{"type":"in","key":"gone","value":["x"]}`, false},
		{`{"type":"nin","key":"gone","value":["x"]}`, true},
		{`{"type":"and","filters":[]}`, true},
		{`{"type":"or","filters":[]}`, false},
		{`{"filters":[{"value":"pt","key":"lang","type":"eq"},{"type":"gt","key":"year","value":2000}],"type":"and"}`, true},
		{`{"type":"and","filters":[{"type":"eq","key":"lang","value":"pt"},{"type":"gt","key":"year","value":2030}]}`, false},
		{`{"type":"or","filters":[{"type":"eq","key":"lang","value":"en"},{"type":"and","filters":[{"type":"eq","key":"draft","value":false}]}]}`, true},
	}
	for _, tt := range tests {
		f := parseFilter(t, tt.filter)
		if got := f.Match(file); got != tt.want {
			t.Errorf("%s matches %v: got %t, want %t", tt.filter, file, got, tt.want)
		}
	}
	if !(*understudy.Filter)(nil).Match(nil) {
		t.Error("a nil filter does not match")
	}
}

func TestFilterErrors(t *testing.T) {
	eq := `{"type":"eq","key":"k","value":1}`
	deep := strings.Repeat(`{"type":"and","filters":[`, understudy.MaxFilterDepth) + eq + strings.Repeat(`]}`, understudy.MaxFilterDepth)
	tests := []struct {
		filter, code, param, message string
	}{
		{`[]`, "invalid_type", "filters", "Invalid type for 'filters': expected an object, but got an array instead."},
		{`{}`, "missing_required_parameter", "filters.type", "Missing required parameter: 'filters.type'."},
		{`{"type":"eq","value":1}`, "missing_required_parameter", "filters.key", "Missing required parameter: 'filters.key'."},
		{`{"type":"eq","key":"k"}`, "missing_required_parameter", "filters.value", "Missing required parameter: 'filters.value'."},
		{`{"type":"or"}`, "missing_required_parameter", "filters.filters", "Missing required parameter: 'filters.filters'."},
		{`{"type":7,"key":"k","value":1}`, "invalid_type", "filters.type", "Invalid type for 'filters.type': expected a string, but got an integer instead."},
		{`{"type":"like","key":"k","value":1}`, "invalid_value", "filters.type", "Invalid value: 'like'. Supported values are: 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'and', and 'or'."},
		{`{"type":"eq","key":true,"value":1}`, "invalid_type", "filters.key", "Invalid type for 'filters.key': expected a string, but got a boolean instead."},
		{`{"type":"eq","key":"k","value":null}`, "invalid_type", "filters.value", "Invalid type for 'filters.value': expected a string, number, boolean, or array, but got null instead."},
		{`{"type":"eq","key":"k","value":{"a":1}}`, "invalid_type", "filters.value", "Invalid type for 'filters.value': expected a string, number, boolean, or array, but got an object instead."},
		{`{"type":"eq","key":"k","value":["a"]}`, "invalid_type", "filters.value", "Invalid type for 'filters.value': expected a string, number, or boolean, but got an array instead."},
		{`{"type":"eq","key":"k","value":1e999}`, "invalid_value", "filters.value", "Invalid 'filters.value': number out of range."},
		{`{"type":"in","key":"k","value":"a"}`, "invalid_type", "filters.value", "Invalid type for 'filters.value': expected an array of strings or numbers, but got a string instead."},
		{`{"type":"in","key":"k","value":["a",true]}`, "invalid_type", "filters.value[1]", "Invalid type for 'filters.value[1]': expected a string or number, but got a boolean instead."},
		{`{"type":"in","key":"k","value":[1.5,["a"]]}`, "invalid_type", "filters.value[1]", "Invalid type for 'filters.value[1]': expected a string or number, but got an array instead."},
		{`{"type":"and","filters":{}}`, "invalid_type", "filters.filters", "Invalid type for 'filters.filters': expected an array of objects, but got an object instead."},
		{`{"type":"and","filters":[` + eq + `,null]}`, "invalid_type", "filters.filters[1]", "Invalid type for 'filters.filters[1]': expected an object, but got null instead."},
		{`{"type":"and","filters":[{"type":"or","filters":[{"type":"eq","key":0.5}]}]}`, "invalid_type", "filters.filters[0].filters[0].key", "Invalid type for 'filters.filters[0].filters[0].key': expected a string, but got a decimal number instead."},
		{`{"type":"and","filters":[],"key":"k"}`, "unknown_parameter", "filters.key", "Unknown parameter: 'filters.key'."},
		{`{"type":"eq","key":"k","value":1,"filters":[]}`, "unknown_parameter", "filters.filters", "Unknown parameter: 'filters.filters'."},
		{`{"type":"eq","Key":"k"}`, "unknown_parameter", "filters.Key", "Unknown parameter: 'filters.Key'."},
		{`{"type":"eq","key":"` + strings.Repeat("é", 65) + `"}`, "string_above_max_length", "filters.key", "Invalid 'filters.key': string too long. Expected a string with maximum length 64, but got a string with length 65 instead."},
		{`{"type":"eq","key":"k","value":"` + strings.Repeat("é", 513) + `"}`, "string_above_max_length", "filters.value", "Invalid 'filters.value': string too long. Expected a string with maximum length 512, but got a string with length 513 instead."},
		{deep, "invalid_value", "filters" + strings.Repeat(".filters[0]", 16), "Invalid 'filters" + strings.Repeat(".filters[0]", 16) + "': nested too deeply. Expected at most 16 levels of filters."},
		{`{"type":"in","key":"k","value":[1` + strings.Repeat(",1", understudy.MaxFilterSize) + `]}`, "invalid_value", "filters.value[999]", "Invalid 'filters.value[999]': filter too large. Expected at most 1000 comparisons and values."},
		{`{"type":"or","filters":[` + eq + strings.Repeat(","+eq, understudy.MaxFilterSize) + `]}`, "invalid_value", "filters.filters[999]", "Invalid 'filters.filters[999]': filter too large. Expected at most 1000 comparisons and values."},
	}
	for _, tt := range tests {
		var f understudy.Filter
		err := json.Unmarshal([]byte(tt.filter), &f)
		want := &understudy.Error{Kind: understudy.KindInvalid, Code: tt.code, Param: tt.param, Message: tt.message}
		got, ok := errors.AsType[*understudy.Error](err)
		if !ok {
			t.Errorf("%.200s: got error %v, want an *understudy.Error", tt.filter, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.200s (-want +got):\n%s", tt.filter, diff)
		}
	}
	for _, text := range []string{``, `{`, `{"type":"eq","type":"eq"}`, `{"type":"and","filters":[`, `{} {}`, `{"type":"eq","key":"k","value":1} x`} {
		var f understudy.Filter
		if err := f.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// The error reaches whoever decodes a request that has the filter as a field.
func TestFilterErrorWithinRequest(t *testing.T) {
	var request struct {
		Filters *understudy.Filter `json:"filters"`
	}
	err := json.Unmarshal([]byte(`{"filters":{"type":"eq"}}`), &request)
	if e, ok := errors.AsType[*understudy.Error](err); !ok || e.Param != "filters.key" {
		t.Errorf("got %v", err)
	}
	if err := json.Unmarshal([]byte(`{"filters":null}`), &request); err != nil || request.Filters != nil {
		t.Errorf("null: got %v, %v", request.Filters, err)
	}
}

func TestAttributesCheck(t *testing.T) {
	many := understudy.Attributes{}
	for i := range 17 {
		many[fmt.Sprint(i)] = true
	}
	tests := []struct {
		attributes understudy.Attributes
		want       error
	}{
		{nil, nil},
		{understudy.Attributes{"s": strings.Repeat("é", 512), "n": 1.5, "b": true, "": ""}, nil},
		{many, &understudy.Error{Kind: understudy.KindInvalid, Code: "object_above_max_properties", Param: "attributes",
			Message: "Invalid 'attributes': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead."}},
		{understudy.Attributes{strings.Repeat("k", 65): 1.0}, &understudy.Error{Kind: understudy.KindInvalid, Code: "string_above_max_length", Param: "attributes",
			Message: "Invalid 'attributes': key too long. Expected a key with maximum length 64, but got a key with length 65 instead."}},
		{understudy.Attributes{"k": strings.Repeat("v", 513)}, &understudy.Error{Kind: understudy.KindInvalid, Code: "string_above_max_length", Param: "attributes.k",
			Message: "Invalid 'attributes.k': string too long. Expected a string with maximum length 512, but got a string with length 513 instead."}},
		{understudy.Attributes{"b": nil, "a": []any{}, "c": nil}, &understudy.Error{Kind: understudy.KindInvalid, Code: "invalid_type", Param: "attributes.a",
			Message: "Invalid type for 'attributes.a': expected a string, number, or boolean, but got an array instead."}},
		{understudy.Attributes{"n": math.Inf(1)}, &understudy.Error{Kind: understudy.KindInvalid, Code: "invalid_value", Param: "attributes.n",
			Message: "Invalid 'attributes.n': number out of range."}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.attributes.Check()); diff != "" {
			t.Errorf("%.100v (-want +got):\n%s", tt.attributes, diff)
		}
	}
}

func TestAttributesMarshalJSON(t *testing.T) {
	got, err := understudy.Encode([]understudy.Attributes{nil, {"b": "<&>", "a": 2.0, "c": true}})
	if want := `[{},{"a":2,"b":"<&>","c":true}]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// FuzzFilter checks that what decodes at all decodes from its own encoding to
// the same, and that every comparison is the opposite of its negation.
func FuzzFilter(f *testing.F) {
	f.Add(`{"type":"eq","key":"a","value":"x"}`, `{"a":"x"}`)
	f.Add(`{"type":"or","filters":[{"type":"in","key":"a","value":["x",1.5]},{"type":"and","filters":[]}]}`, `{"a":1.5}`)
	f.Add(`{"type":"gte","key":"a","value":-0}`, `{"a":0}`)
	f.Add(`{"type":"lt","key":"a","value":true}`, `{"a":null}`)
	f.Add(`null`, `null`)
	f.Add(`{"type":"and","filters":[{"type":"and","filters":[{}]}]}`, `{}`)
	f.Fuzz(func(t *testing.T, filter, attributes string) {
		var a understudy.Attributes
		if err := json.Unmarshal([]byte(attributes), &a); err != nil {
			return
		}
		var g understudy.Filter
		if err := g.UnmarshalJSON([]byte(filter)); err != nil {
			return
		}
		text, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		var again understudy.Filter
		if err := again.UnmarshalJSON(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(g, again); diff != "" {
			t.Fatalf("%s (-first +second):\n%s", text, diff)
		}
		got := g.Match(a)
		if again.Match(a) != got {
			t.Fatalf("%s matches %s but its copy does not", filter, attributes)
		}
		opposite := map[understudy.FilterType]understudy.FilterType{"eq": "ne", "ne": "eq", "in": "nin", "nin": "in"}
		if negation, ok := opposite[g.Type]; ok {
			g.Type = negation
			if g.Match(a) == got {
				t.Fatalf("%s matches %s just as its negation does", filter, attributes)
			}
		}
	})
}
