package contract

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/e2e/program"
)

// schemas are small ones in both ways of writing null.
const schemas = `
openapi: 3.1.0
info: {title: test, version: "1"}
paths: {}
components:
  schemas:
    Thing:
      type: object
      required: [id, status]
      properties:
        id: {type: string, maxLength: 5}
        status: {type: string, enum: [open, closed]}
        count: {type: integer, minimum: 0}
        old: {type: string, nullable: true}
        new: {type: [string, "null"]}
        either:
          anyOf: [{type: array, items: {$ref: "#/components/schemas/Part"}}, {type: "null"}]
        parts:
          type: array
          items: {$ref: "#/components/schemas/Part"}
        free: {type: object}
        map: {type: object, additionalProperties: {type: string}}
        closed: {type: object, additionalProperties: false, properties: {a: {type: string}}}
        both:
          allOf: [{$ref: "#/components/schemas/A"}, {type: object, properties: {c: {type: string}}}]
        number:
          oneOf: [{type: number}, {type: integer}]
    Part:
      oneOf: [{$ref: "#/components/schemas/A"}, {$ref: "#/components/schemas/B"}]
    A:
      type: object
      required: [type, a]
      properties: {type: {type: string, enum: [a]}, a: {type: string}}
    B:
      type: object
      required: [type]
      properties: {type: {type: string, enum: [b]}, b: {type: object, required: [n], properties: {n: {type: integer}}}}
`

// TestChecker expects every kind of difference to be found at its place: a checker
// that sees nothing passes, too.
func TestChecker(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(schemas))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, value string // fields beside id and status
		want        []string
	}{
		{"right", `"count": 1, "old": null, "new": null, "either": null, "parts": [{"type":"a","a":"x"},{"type":"b","b":{"n":1}}],
			"free": {"x": 1}, "map": {"x": "y"}, "closed": {"a": "x"}, "both": {"type":"a","a":"x","c":"y"}, "number": 1.5`, nil},
		{"type", `"count": "1"`, []string{"Thing.count type"}},
		{"fraction", `"count": 1.5`, []string{"Thing.count type"}},
		{"null", `"count": null`, []string{"Thing.count null"}},
		{"nullable", `"old": 1`, []string{"Thing.old type"}},
		{"type or null", `"new": 1`, []string{"Thing.new type"}},
		{"any of type or null", `"either": 1`, []string{"Thing.either type"}},
		{"bound", `"count": -1`, []string{"Thing.count bound"}},
		{"extra key", `"x": 1`, []string{"Thing.x extra key"}},
		{"extra key in a closed object", `"closed": {"x": 1}`, []string{"Thing.closed.x extra key", "Thing invalid"}},
		{"extra key in a composed object", `"both": {"type":"a","a":"x","d":"y"}`, []string{"Thing.both.d extra key"}},
		{"value in a map", `"map": {"x": 1}`, []string{"Thing.map.* type"}},
		{"part of a composed object", `"both": {"type":"a"}`, []string{"A.a missing key"}},
		{"in a union", `"parts": [{"type":"b","b":{}}]`, []string{"B.b.n missing key"}},
		{"in a union that may be null", `"either": [{"type":"a","a":null}]`, []string{"A.a null"}},
		{"extra key in a union", `"parts": [{"type":"b","x":1}]`, []string{"B.x extra key"}},
		{"unknown to a union", `"parts": [{"type":"c","b":{}}]`, []string{"Part(c) no schema"}},
		{"no object", `"parts": ["a"]`, []string{"A type"}},
		{"ambiguous", `"number": 1`, []string{"Thing.number ambiguous"}},
	}
	check := func(t *testing.T, text string, want []string) {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		s := &spec{name: "test", doc: doc}
		var got []string
		c := &checker{spec: "test", report: func(d difference) { got = append(got, d.place+" "+d.kind) }}
		c.check("", s.component("Thing"), v)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("differences (-want +got):\n%s", diff)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { check(t, `{"id":"x","status":"open",`+test.value+`}`, test.want) })
	}
	t.Run("missing key", func(t *testing.T) { check(t, `{"id":"x"}`, []string{"Thing.status missing key"}) })
	t.Run("value", func(t *testing.T) { check(t, `{"id":"x","status":"ajar"}`, []string{"Thing.status value"}) })
	t.Run("length", func(t *testing.T) { check(t, `{"id":"longer","status":"open"}`, []string{"Thing.id bound"}) })
	t.Run("not an object", func(t *testing.T) { check(t, `[]`, []string{"Thing type"}) })
}

// TestSpecifications breaks a message in every way, and expects each
// specification to tell so: they write nulls and unions in different ways.
func TestSpecifications(t *testing.T) {
	specs, err := loadSpecs()
	if err != nil {
		t.Fatal(err)
	}
	program.Need(t, "OpenAPI files (UNDERSTUDY_CONTRACT)", "the proof that they can be told from others", specs != nil)
	const message = `{"id":"msg_1","object":"thread.message","created_at":1,"thread_id":"thread_1","status":"completed","incomplete_details":null,
		"completed_at":2,"incomplete_at":null,"role":"assistant","assistant_id":null,"run_id":null,"metadata":{},FILES,
		"content":[{"type":"text","text":{"value":"Hi","annotations":[{"type":"file_path","text":"x","start_index":0,"end_index":1,"file_path":{"file_id":"file-1"}}]}}]}`
	breaks := []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"type", `"created_at":1`, `"created_at":"1"`, "MessageObject.created_at type"},
		{"missing key", `"role":"assistant",`, ``, "MessageObject.role missing key"},
		{"literal", `"role":"assistant"`, `"role":"system"`, "MessageObject.role value"},
		{"object", `"thread.message"`, `"message"`, "MessageObject.object value"},
		{"null", `"thread_id":"thread_1"`, `"thread_id":null`, "MessageObject.thread_id null"},
		{"nullable", `"run_id":null`, `"run_id":1`, "MessageObject.run_id type"},
		{"deep", `"end_index":1,`, ``, ".end_index missing key"},
		{"extra key", `"metadata":{}`, `"metadata":{},"x":1`, "MessageObject.x extra key"},
		{"unknown content", `"type":"text"`, `"type":"song"`, "MessageObject.content[](song) no schema"},
	}
	for name, s := range specs {
		files := `"attachments":[]`
		if strings.HasPrefix(name, "openai-2024") {
			files = `"file_ids":[]`
		}
		for _, b := range breaks {
			if name == "openai-2024-02" && b.name != "type" {
				continue // its messages have no statuses
			}
			t.Run(name+"/"+b.name, func(t *testing.T) {
				var v any
				text := strings.Replace(strings.Replace(message, "FILES", files, 1), b.old, b.new, 1)
				if err := json.Unmarshal([]byte(text), &v); err != nil {
					t.Fatal(err)
				}
				var got []string
				c := &checker{spec: name, report: func(d difference) { got = append(got, d.place+" "+d.kind) }}
				c.check("", s.component("MessageObject"), v)
				switch all := strings.Join(got, ", "); {
				case b.want == "" && all != "", !strings.Contains(all, b.want), b.want != "" && len(got) != 1 && name != "openai-2024-02":
					t.Errorf("differences are %q, want %q", all, b.want)
				}
			})
		}
	}
}
