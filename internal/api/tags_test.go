package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// requestTypes are what the bodies declared by each field of schemas are decoded
// into.
var requestTypes = map[string]reflect.Type{
	"createAssistant": reflect.TypeFor[assistantRequest](),
	"modifyAssistant": reflect.TypeFor[assistantRequest](),
	"assistantFile":   reflect.TypeFor[assistantFileRequest](),
	"createThread":    reflect.TypeFor[threadRequest](),
	"modifyThread":    reflect.TypeFor[threadRequest](),
	"message":         reflect.TypeFor[messageRequest](),
	"run":             reflect.TypeFor[runRequest](),
	"threadAndRun":    reflect.TypeFor[runRequest](),
	"toolOutputs":     reflect.TypeFor[toolOutputsRequest](),
	"metadataOnly":    reflect.TypeFor[metadataRequest](),
	"createUpload":    reflect.TypeFor[uploadRequest](),
	"completeUpload":  reflect.TypeFor[completionRequest](),

	"createVectorStore": reflect.TypeFor[storeRequest](),
	"modifyVectorStore": reflect.TypeFor[storeRequest](),
	"attachFile":        reflect.TypeFor[attachRequest](),
	"attributes":        reflect.TypeFor[attributesRequest](),
	"fileBatch":         reflect.TypeFor[batchRequest](),
	"search":            reflect.TypeFor[searchRequest](),
}

// parts are what types that decode themselves are made of.
var parts = map[reflect.Type]reflect.Type{
	reflect.TypeFor[contentRequest](): reflect.TypeFor[contentPart](),
}

// overlooked are fields that requests may have but nobody reads.
var overlooked = []string{"runRequest.thread_id", "Tool.code_interpreter", "Tool.retrieval"}

// TestTags holds the JSON tags of requests against their schemas: what is decoded
// has been checked, and what is checked is decoded.
func TestTags(t *testing.T) {
	declared, tagged := make(map[string]bool), make(map[string]bool)
	for _, d := range newDialects() {
		all := reflect.ValueOf(newSchemas(d)).Elem()
		for _, f := range reflect.VisibleFields(all.Type()) {
			if f.Anonymous {
				continue
			}
			typ, ok := requestTypes[f.Name]
			if !ok {
				t.Errorf("requestTypes has no %s", f.Name)
				continue
			}
			collect(declared, tagged, "", *(**schema)(all.FieldByIndex(f.Index).Addr().UnsafePointer()), typ)
		}
	}
	for _, path := range overlooked {
		delete(declared, path)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(tagged))); diff != "" {
		t.Errorf("fields of requests (-in schemas +in types):\n%s", diff)
	}
	if len(tagged) < 60 {
		t.Errorf("only %d fields were compared", len(tagged))
	}
}

// collect adds the fields of s to declared and those of typ to tagged, each with
// the name of its type (or its path from one that has a name), as deep as both go.
func collect(declared, tagged map[string]bool, path string, s *schema, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice && parts[typ] == nil {
		if typ.Kind() == reflect.Slice && s.items != nil {
			s = s.items
		}
		typ = typ.Elem()
	}
	if part := parts[typ]; part != nil {
		s, typ = s.items, part
		if s == nil {
			return // version 1 has texts only
		}
	} else if reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return
	}
	if typ.Kind() != reflect.Struct || len(s.fields) == 0 {
		return
	}
	if typ.Name() != "" {
		path = typ.Name()
	}
	types := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(typ) {
		if f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		types[name] = f.Type
		tagged[path+"."+name] = true
	}
	for _, f := range s.fields {
		declared[path+"."+f.name] = true
		if types[f.name] != nil {
			collect(declared, tagged, path+"."+f.name, f.schema, types[f.name])
		}
	}
}
