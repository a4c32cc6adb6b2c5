package contract

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/understudy-dev/understudy/internal/e2e/program"
)

// files are the specifications, by the names under which differences are listed.
var files = map[string]string{
	"openai-2024-02": "openai-openapi-2024-02-23-6b64280.yaml",
	"openai-2024-04": "openai-openapi-2024-04-16-af97d0a.yaml",
	"openai-2025-04": "openai-openapi-2025-04-29-498c71d.yaml",
	"openai-2026-08": "openai-openapi-2026-08-21-f85dbe2.yaml",
	"azure-2024-05":  "azure-openai-inference-2024-05-01-preview.json",
	"azure-2025-03":  "azure-openai-inference-2025-03-01-preview.json",
}

// spec is a specification.
type spec struct {
	name string
	doc  *openapi3.T
	ops  map[string]*openapi3.Operation // by method and path, parameters as {}
}

// loadSpecs returns the specifications by name, or nil if they are not here. They
// are not validated themselves: some break the rules of OpenAPI.
func loadSpecs() (map[string]*spec, error) {
	specs := map[string]*spec{}
	for name, file := range files {
		path, err := program.Contract("spec", file)
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		doc, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		s := &spec{name: name, doc: doc, ops: map[string]*openapi3.Operation{}}
		for path, item := range doc.Paths.Map() {
			for method, op := range item.Operations() {
				s.ops[routeKey(method+" "+path)] = op
			}
		}
		specs[name] = s
	}
	return specs, nil
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// routeKey returns a method and path in which all parameters have the same name.
func routeKey(route string) string {
	return parameter.ReplaceAllString(strings.Join(strings.Fields(route), " "), "{}")
}

// component returns the schema with a name, in the specification's way to write
// it.
func (s *spec) component(name string) *openapi3.SchemaRef {
	for _, n := range []string{name, strings.ToLower(name[:1]) + name[1:]} {
		if ref := s.doc.Components.Schemas[n]; ref != nil {
			return &openapi3.SchemaRef{Ref: "#/components/schemas/" + n, Value: ref.Value}
		}
	}
	return nil
}

// response returns the schema of an operation's answer in JSON. If it is not
// declared, why tells so.
func (s *spec) response(route string, status int) (_ *openapi3.SchemaRef, why string) {
	op := s.ops[routeKey(route)]
	if op == nil {
		return nil, noSchema
	}
	resp := op.Responses.Value(strconv.Itoa(status))
	if resp == nil {
		return nil, noSchema
	}
	media := resp.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil, noBody
	}
	return media.Schema, ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
