package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

// problem is what a client learns from an invalid body.
type problem struct{ Message, Param, Code string }

func problemOf(t *testing.T, err error) problem {
	t.Helper()
	if err == nil {
		return problem{}
	}
	e, ok := errors.AsType[*understudy.Error](err)
	if !ok || e.Kind != understudy.KindInvalid {
		t.Fatalf("got error %v, want a client's", err)
	}
	return problem{Message: e.Message, Param: e.Param, Code: e.Code}
}

// repeat writes a JSON array of n times v.
func repeat(n int, v string) string {
	return "[" + strings.Join(slices.Repeat([]string{v}, n), ",") + "]"
}

// pairs writes n pairs of metadata.
func pairs(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return "{" + strings.Join(all, ",") + "}"
}

func TestValidateAssistant(t *testing.T) {
	sch := newSchemas(openAI()).createAssistant
	syntax := problem{Message: errSyntax.Message}
	long := strings.Repeat("é", 257)
	for body, want := range map[string]problem{
		`{"model":"m"}`: {},
		`{"model":"m","name":null,"tools":null,"tool_resources":null,"metadata":null,"temperature":null,"response_format":null}`:                                      {},
		`{"model":"m","temperature":2,"top_p":0.5,"response_format":"auto","tools":[{"type":"file_search","file_search":{"ranking_options":{"score_threshold":0}}}]}`: {},
		`{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","x":[{}]},"strict":true}}}`:                         {},
		`{"model":"m","metadata":` + pairs(16) + `}`:                          {},
		`{"model":"m","name":"` + strings.Repeat("é", 256) + `"}`:             {},
		`{"model":"m","tools":` + repeat(128, `{"type":"retrieval"}`) + `}`:   {},
		`{"model":"m","tool_resources":{"file_search":{"vector_stores":[]}}}`: {},

		`{}`:                                  {"Missing required parameter: 'model'.", "model", "missing_required_parameter"},
		`{"model":null}`:                      {"Invalid type for 'model': expected a string, but got null instead.", "model", "invalid_type"},
		`{"model":""}`:                        {"Invalid 'model': empty string. Expected a string with minimum length 1, but got an empty string instead.", "model", "empty_string"},
		`{"model":{}}`:                        {"Invalid type for 'model': expected a string, but got an object instead.", "model", "invalid_type"},
		`{"model":"m","x":1}`:                 {"Unknown parameter: 'x'.", "x", "unknown_parameter"},
		`{"Model":"m"}`:                       {"Unknown parameter: 'Model'.", "Model", "unknown_parameter"},
		`{"model":"m","name":"` + long + `"}`: {"Invalid 'name': string too long. Expected a string with maximum length 256, but got a string with length 257 instead.", "name", "string_above_max_length"},
		`{"model":"m","metadata":{"modified":true}}`: {
			"Invalid type for 'metadata.modified': expected a string, but got a boolean instead.", "metadata.modified", "invalid_type"},
		`{"model":"m","metadata":{"modified":null}}`: {
			"Invalid type for 'metadata.modified': expected a string, but got null instead.", "metadata.modified", "invalid_type"},
		`{"model":"m","metadata":` + pairs(17) + `}`: {
			"Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.", "metadata", "object_above_max_properties"},
		`{"model":"m","metadata":{"` + strings.Repeat("k", 65) + `":"v"}}`: {
			"Invalid 'metadata': key too long. Expected a key with maximum length 64, but got a key with length 65 instead.", "metadata", "string_above_max_length"},
		`{"model":"m","metadata":{"k":"` + strings.Repeat("v", 513) + `"}}`: {
			"Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.", "metadata.k", "string_above_max_length"},
		`{"model":"m","tools":` + repeat(132, `{"type":"code_interpreter"}`) + `}`: {
			"Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 132 instead.", "tools", "array_above_max_length"},
		`{"model":"m","tools":"x"}`: {
			"Invalid type for 'tools': expected an array of objects, but got a string instead.", "tools", "invalid_type"},
		`{"model":"m","tools":[{"type":"browser"}]}`: {
			"Invalid value: 'browser'. Supported values are: 'code_interpreter', 'file_search', and 'function'.", "tools[0].type", "invalid_value"},
		`{"model":"m","tools":[{"type":"code_interpreter"},{}]}`: {
			"Missing required parameter: 'tools[1].type'.", "tools[1].type", "missing_required_parameter"},
		`{"model":"m","tools":[{"type":"function"}]}`: {
			"Missing required parameter: 'tools[0].function'.", "tools[0].function", "missing_required_parameter"},
		`{"model":"m","tools":[{"type":"function","function":{}}]}`: {
			"Missing required parameter: 'tools[0].function.name'.", "tools[0].function.name", "missing_required_parameter"},
		`{"model":"m","tools":[{"type":"function","function":{"name":"a b"}}]}`: {
			"Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].function.name", "invalid_value"},
		`{"model":"m","temperature":2.5}`: {
			"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.", "temperature", "decimal_above_max_value"},
		`{"model":"m","top_p":-1}`: {
			"Invalid 'top_p': decimal below minimum value. Expected a value >= 0, but got -1 instead.", "top_p", "decimal_below_min_value"},
		`{"model":"m","temperature":1e999}`: {
			"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 1e999 instead.", "temperature", "decimal_above_max_value"},
		`{"model":"m","tools":[{"type":"file_search","file_search":{"max_num_results":51}}]}`: {
			"Invalid 'tools[0].file_search.max_num_results': integer above maximum value. Expected a value <= 50, but got 51 instead.", "tools[0].file_search.max_num_results", "integer_above_max_value"},
		`{"model":"m","tools":[{"type":"file_search","file_search":{"max_num_results":1.5}}]}`: {
			"Invalid type for 'tools[0].file_search.max_num_results': expected an integer, but got a decimal number instead.", "tools[0].file_search.max_num_results", "invalid_type"},
		`{"model":"m","response_format":"json"}`: {
			"Invalid value: 'json'. Supported values are: 'auto'.", "response_format", "invalid_value"},
		`{"model":"m","response_format":7}`: {
			"Invalid type for 'response_format': expected one of 'auto' or an object, but got an integer instead.", "response_format", "invalid_type"},

		`[]`:                              {"Invalid type for the request body: expected an object, but got an array instead.", "", "invalid_type"},
		`null`:                            {"Invalid type for the request body: expected an object, but got null instead.", "", "invalid_type"},
		``:                                syntax,
		`{"model":"m"`:                    syntax,
		`{"model":"m"}}`:                  syntax,
		`{"model":"m"} {}`:                syntax,
		`{'model':'m'}`:                   syntax,
		"{\"model\":\"\xff\"}":            syntax,
		`{"model":"m","model":"n"}`:       syntax,
		`{"model":"m","temperature":01}`:  syntax,
		`{"model":"m","name":"` + "\n\"}": syntax,
		`{"model":"m","tools":` + strings.Repeat("[", 20_000): {
			"Invalid type for 'tools[0]': expected an object, but got an array instead.", "tools[0]", "invalid_type"},
		`{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":` + strings.Repeat(`{"a":`, 20_000): syntax,
	} {
		got := problemOf(t, validate([]byte(body), sch, true))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.200s:\n(-want +got)\n%s", body, diff)
		}
	}
}

func TestValidateLenient(t *testing.T) {
	sch := newSchemas(azure()).createAssistant
	for body, want := range map[string]problem{
		`{"model":"m","x":{"y":[1,2]},"tools":[{"type":"code_interpreter","z":null}]}`: {},
		`{"model":"m","Metadata":{"a":5}}`:                                             {"Unknown parameter: 'Metadata'.", "Metadata", "unknown_parameter"},
		`{"model":"m","x":}`:                                                           {Message: errSyntax.Message},
	} {
		if diff := cmp.Diff(want, problemOf(t, validate([]byte(body), sch, false))); diff != "" {
			t.Errorf("%s:\n(-want +got)\n%s", body, diff)
		}
	}
}

func TestValidateMessage(t *testing.T) {
	for _, d := range []*dialect{openAI(), azure()} {
		sch := newSchemas(d).message
		for body, want := range map[string]problem{
			`{"role":"user","content":"x","file_ids":["file.id"],"attachments":[]}`:                                             {},
			`{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"http://x/y"}}]}`: {},
			`{"role":"user","content":"` + strings.Repeat("x", d.maxMessage) + `"}`:                                             {},
			`{"role":"user","content":"` + strings.Repeat("x", d.maxMessage+1) + `"}`: {
				fmt.Sprintf("Invalid 'content': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", d.maxMessage, d.maxMessage+1), "content", "string_above_max_length"},
			`{"role":"system","content":"x"}`: {"Invalid value: 'system'. Supported values are: 'user' and 'assistant'.", "role", "invalid_value"},
			`{"role":"user"}`:                 {"Missing required parameter: 'content'.", "content", "missing_required_parameter"},
			`{"role":"user","content":{}}`:    {"Invalid type for 'content': expected one of a string or array of objects, but got an object instead.", "content", "invalid_type"},
			`{"role":"user","content":[]}`:    {"Invalid 'content': empty array. Expected an array with minimum length 1, but got an empty array instead.", "content", "empty_array"},
			`{"role":"user","content":[{"type":"text"}]}`: {
				"Missing required parameter: 'content[0].text'.", "content[0].text", "missing_required_parameter"},
			`{"role":"user","content":[{"type":"image_file","image_file":null}]}`: {
				"Missing required parameter: 'content[0].image_file'.", "content[0].image_file", "missing_required_parameter"},
			`{"role":"user","content":"x","attachments":[{"file_id":"f","tools":[{"type":"function"}]}]}`: {
				"Invalid value: 'function'. Supported values are: 'code_interpreter' and 'file_search'.", "attachments[0].tools[0].type", "invalid_value"},
		} {
			if diff := cmp.Diff(want, problemOf(t, validate([]byte(body), sch, d.strict))); diff != "" {
				t.Errorf("%s %.100s:\n(-want +got)\n%s", d.prefix, body, diff)
			}
		}
	}
}

// TestWrongTypes gives every field of every body a value of every type that it
// does not take.
func TestWrongTypes(t *testing.T) {
	samples := map[kind]string{aString: `"x"`, anInteger: `1`, aNumber: `1.5`, aBoolean: `true`, anObject: `{}`, anArray: `[]`}
	n := 0
	var walk func(root, s *schema, path, open, shut string)
	walk = func(root, s *schema, path, open, shut string) {
		for _, f := range s.fields {
			name := strings.TrimPrefix(path+"."+f.name, ".")
			before, after := open+`{"`+f.name+`":`, `}`+shut
			if f.schema.kinds != anything {
				for k, sample := range samples {
					if f.schema.kinds&k != 0 || k == anInteger && f.schema.kinds&aNumber != 0 {
						continue
					}
					n++
					got := problemOf(t, validate([]byte(before+sample+after), root, true))
					if got.Code != "invalid_type" || got.Param != name {
						t.Errorf("%s: got %+v, want invalid_type of %s", before+sample+after, got, name)
					}
				}
			}
			walk(root, f.schema, name, before, after)
			if f.schema.items != nil {
				walk(root, f.schema.items, name+"[0]", before+"[", "]"+after)
			}
		}
	}
	s := newSchemas(openAI())
	for _, root := range []*schema{s.createAssistant, s.modifyAssistant, s.createThread, s.modifyThread, s.message, s.run, s.threadAndRun, s.toolOutputs, s.metadataOnly} {
		walk(root, root, "", "", "")
	}
	if n < 500 {
		t.Errorf("only %d combinations were tried", n)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add(`{"assistant_id":"asst_x","thread":{"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}}`)
	f.Add(`{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":{"a":[1]}}}],"tool_choice":{"type":"function","function":{"name":"f"}}}`)
	f.Add(`{"metadata":{"a":"b"},"temperature":1e0,"max_prompt_tokens":256,"truncation_strategy":{"type":"last_messages","last_messages":1}}`)
	f.Add(`{"tool_outputs":[{"tool_call_id":"call_x","output":null}],"stream":true}`)
	f.Add(`{"a":"\ud800","b":[[[[[[]]]]]]}`)
	f.Add(`{"role":"user","content":"x","x":{"y":[]},"file_\u0069ds":[],"attachments":7,"metadata":{"a":true,"b":1e9}}`)
	strict, lenient := newSchemas(openAI()), newSchemas(azure())
	old := newDialects()[5]
	oldest := newSchemas(old)
	if !old.v1 || old.strict {
		f.Fatalf("%s is not the lenient dialect of version 1", old.name)
	}
	f.Fuzz(func(t *testing.T, body string) {
		decode := func(sch *schema, strict bool, v any) {
			checked := []byte(body)
			err := validate(checked, sch, strict)
			if err != nil {
				if _, ok := errors.AsType[*understudy.Error](err); !ok {
					t.Fatalf("internal error: %v", err)
				}
				return
			}
			if err := json.Unmarshal(checked, v); err != nil {
				t.Fatalf("valid, but not decoded: %v", err)
			}
		}
		decode(strict.createAssistant, true, new(assistantRequest))
		decode(lenient.threadAndRun, false, new(runRequest))
		decode(strict.run, true, new(runRequest))
		decode(lenient.message, false, new(messageRequest))
		decode(lenient.run, false, new(runRequest))
		decode(strict.toolOutputs, true, new(toolOutputsRequest))
		decode(oldest.message, false, new(messageRequest))
		decode(oldest.threadAndRun, false, new(runRequest))
	})
}

func BenchmarkValidateRun(b *testing.B) {
	sch := newSchemas(openAI()).run
	body := []byte(`{"assistant_id":"asst_abcdefghijklmnopqrstuvwx","additional_messages":[{"role":"user","content":"How much is the fish?"}],"metadata":{"a":"b"},"stream":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := validate(body, sch, true); err != nil {
			b.Fatal(err)
		}
	}
}
