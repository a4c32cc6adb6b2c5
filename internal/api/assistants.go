package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// assistantRequest is the body that creates or modifies an assistant. What is
// absent or null is left as it is.
type assistantRequest struct {
	Model           *string                    `json:"model"`
	Name            *string                    `json:"name"`
	Description     *string                    `json:"description"`
	Instructions    *string                    `json:"instructions"`
	ReasoningEffort *string                    `json:"reasoning_effort"`
	Tools           []understudy.Tool          `json:"tools"`
	ToolResources   *toolResourcesRequest      `json:"tool_resources"`
	FileIDs         []string                   `json:"file_ids"` // v1's place of files
	Metadata        metadataValues             `json:"metadata"`
	Temperature     *understudy.Float          `json:"temperature"`
	TopP            *understudy.Float          `json:"top_p"`
	ResponseFormat  *understudy.ResponseFormat `json:"response_format"`
}

// apply puts what the request says into a.
func (q *assistantRequest) apply(a *understudy.Assistant) error {
	set(&a.Model, q.Model)
	setPointer(&a.Name, q.Name)
	setPointer(&a.Description, q.Description)
	setPointer(&a.Instructions, q.Instructions)
	setPointer(&a.ReasoningEffort, q.ReasoningEffort)
	setPointer(&a.Temperature, q.Temperature)
	setPointer(&a.TopP, q.TopP)
	set(&a.ResponseFormat, format(q.ResponseFormat))
	if q.Tools != nil {
		a.Tools = tools(q.Tools)
	}
	if q.Metadata != nil {
		a.Metadata = understudy.Metadata(q.Metadata)
	}
	if err := q.ToolResources.apply(&a.ToolResources); err != nil {
		return err
	}
	addCodeFiles(&a.ToolResources, q.FileIDs)
	a.Normalize()
	return checkFormat(a.Tools, a.ResponseFormat)
}

// set sets a field unless the request left it out.
func set[T any](field *T, v *T) {
	if v != nil {
		*field = *v
	}
}

func setPointer[T any](field **T, v *T) {
	if v != nil {
		*field = v
	}
}

// tools returns tools in the terms of version 2, each without the options of
// others.
func tools(in []understudy.Tool) []understudy.Tool {
	out := make([]understudy.Tool, len(in))
	for i, t := range in {
		if t.Type == toolRetrieval {
			t.Type = understudy.ToolFileSearch
		}
		if t.Type != understudy.ToolFunction {
			t.Function = nil
		}
		if t.Type != understudy.ToolFileSearch {
			t.FileSearch = nil
		}
		t.Normalize()
		out[i] = t
	}
	return out
}

// format returns a response format, with "none", which some clients send, as
// "auto".
func format(f *understudy.ResponseFormat) *understudy.ResponseFormat {
	if f != nil && f.Type == "none" {
		return new(understudy.ResponseFormat{})
	}
	return f
}

// checkFormat refuses the combination of JSON mode with tools other than
// functions.
func checkFormat(tools []understudy.Tool, f understudy.ResponseFormat) error {
	if f.Type != "json_object" {
		return nil
	}
	for _, t := range tools {
		if t.Type != understudy.ToolFunction {
			return invalidParam("response_format", "invalid_value",
				"Invalid tools: all tools must be of type `function` when `response_format` is of type `json_object`.")
		}
	}
	return nil
}

// toolResourcesRequest are tool resources as requests spell them.
type toolResourcesRequest struct {
	CodeInterpreter *understudy.CodeInterpreterResources `json:"code_interpreter"`
	FileSearch      *struct {
		VectorStoreIDs []string          `json:"vector_store_ids"`
		VectorStores   []newStoreRequest `json:"vector_stores"`
	} `json:"file_search"`
}

// takeStores takes out of the request the vector stores that are to be made for
// a new object, which expire after so many days without use, or never if days is
// 0. What is left in requests that cannot make stores is refused by apply.
func (q *toolResourcesRequest) takeStores(param string, days int) ([]store.NewVectorStore, error) {
	if q == nil || q.FileSearch == nil || len(q.FileSearch.VectorStores) == 0 {
		return nil, nil
	}
	param += ".file_search"
	if len(q.FileSearch.VectorStoreIDs) > 0 {
		return nil, exclusive(param+".vector_store_ids", param+".vector_stores")
	}
	var stores []store.NewVectorStore
	for i, v := range q.FileSearch.VectorStores {
		n, err := v.newStore(fmt.Sprintf("%s.vector_stores[%d].", param, i), days)
		if err != nil {
			return nil, err
		}
		stores = append(stores, n)
	}
	q.FileSearch.VectorStores = nil
	return stores, nil
}

// apply replaces in r what the request gives. It does nothing if q is nil.
func (q *toolResourcesRequest) apply(r *understudy.ToolResources) error {
	if q == nil {
		return nil
	}
	if q.CodeInterpreter != nil {
		files := slices.Clone(q.CodeInterpreter.FileIDs)
		r.CodeInterpreter = new(understudy.CodeInterpreterResources{FileIDs: dedupe(files)})
	}
	if q.FileSearch != nil {
		if len(q.FileSearch.VectorStores) > 0 {
			const param = "tool_resources.file_search.vector_stores"
			return invalidParam(param, "unknown_parameter", "Unknown parameter: '"+param+"'.")
		}
		r.FileSearch = new(understudy.FileSearchResources{VectorStoreIDs: q.FileSearch.VectorStoreIDs})
	}
	r.Normalize(nil)
	return nil
}

// dedupe removes repeated ids, keeping the first of each.
func dedupe(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(ids, func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

// addCodeFiles adds files for the code interpreter to r.
func addCodeFiles(r *understudy.ToolResources, ids []string) {
	if len(ids) == 0 {
		return
	}
	r.CodeInterpreter = new(understudy.CodeInterpreterResources{FileIDs: dedupe(slices.Concat(r.CodeFileIDs(), ids))})
}

// attachedFiles returns the files that a request's file_ids name. Version 2, which
// has no such parameter, takes no notice of ids that are no file's.
func (s *server) attachedFiles(ctx context.Context, ids []string) ([]string, error) {
	if s.dialect.v1 {
		return dedupe(slices.Clone(ids)), nil
	}
	var found []string
	for _, id := range ids {
		_, err := s.Store.File(ctx, id)
		switch {
		case err == nil:
			found = append(found, id)
		case !understudy.IsNotFound(err):
			return nil, err
		}
	}
	return found, nil
}

// decodeAssistant reads the body that creates or modifies an assistant.
func (s *server) decodeAssistant(w http.ResponseWriter, r *http.Request, sch *schema) (*assistantRequest, error) {
	q := new(assistantRequest)
	if err := s.decode(w, r, sch, q); err != nil {
		return nil, err
	}
	files, err := s.attachedFiles(r.Context(), q.FileIDs)
	q.FileIDs = files
	return q, err
}

func (s *server) createAssistant(w http.ResponseWriter, r *http.Request) error {
	q, err := s.decodeAssistant(w, r, s.schemas.createAssistant)
	if err != nil {
		return err
	}
	stores, err := q.ToolResources.takeStores("tool_resources", 0)
	if err != nil {
		return err
	}
	a := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant), CreatedAt: time.Now().Unix()}
	if err := q.apply(a); err != nil {
		return err
	}
	if err := s.Store.CreateAssistant(r.Context(), a, stores...); err != nil {
		return err
	}
	s.ingest(nil, stores)
	return ok(w, a)
}

func (s *server) getAssistant(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return err
	}
	a, err := s.Store.Assistant(r.Context(), ids[0])
	if err != nil {
		return err
	}
	return ok(w, a)
}

func (s *server) modifyAssistant(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return err
	}
	q, err := s.decodeAssistant(w, r, s.schemas.modifyAssistant)
	if err != nil {
		return err
	}
	a, err := s.Store.UpdateAssistant(r.Context(), ids[0], q.apply)
	if err != nil {
		return err
	}
	return ok(w, a)
}

func (s *server) deleteAssistant(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return err
	}
	if err := s.Store.DeleteAssistant(r.Context(), ids[0]); err != nil {
		return err
	}
	return ok(w, understudy.Deleted{ID: ids[0], Object: "assistant.deleted", Deleted: true})
}

func (s *server) listAssistants(w http.ResponseWriter, r *http.Request) error {
	p, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListAssistants(r.Context(), p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(a *understudy.Assistant) string { return a.ID }))
}
