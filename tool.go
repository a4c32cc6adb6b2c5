package understudy

import (
	"encoding/json"
	"fmt"
)

// ToolType names a kind of tool.
type ToolType string

// The tools of the v2 protocol.
const (
	ToolCodeInterpreter ToolType = "code_interpreter"
	ToolFileSearch      ToolType = "file_search"
	ToolFunction        ToolType = "function"
)

// Tool is something the model may call. Function is set for functions only,
// FileSearch for file_search only.
type Tool struct {
	Type       ToolType           `json:"type"`
	Function   *Function          `json:"function,omitempty"`
	FileSearch *FileSearchOptions `json:"file_search,omitempty"`
}

// Function describes a function of the caller's.
type Function struct {
	Name        string          `json:"name"`
	Description *string         `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// FileSearchOptions tunes the file_search tool.
type FileSearchOptions struct {
	MaxNumResults  *int            `json:"max_num_results,omitempty"`
	RankingOptions *RankingOptions `json:"ranking_options,omitempty"`
}

// RankingOptions selects how search results are ranked and cut off.
type RankingOptions struct {
	Ranker         string          `json:"ranker"`
	ScoreThreshold Float           `json:"score_threshold"`
	HybridSearch   json.RawMessage `json:"hybrid_search"`
}

// DefaultRanker is the ranker that the hosted API echoes when none was asked for.
const DefaultRanker = "default_2024_08_21"

// Normalize fills in what the protocol echoes for a tool when the caller left
// it out: an empty parameter schema, and the default ranking.
func (t *Tool) Normalize() {
	switch {
	case t.Function != nil && (len(t.Function.Parameters) == 0 || string(t.Function.Parameters) == "null"):
		t.Function.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
	case t.Type == ToolFileSearch:
		if t.FileSearch == nil {
			t.FileSearch = new(FileSearchOptions{})
		}
		if t.FileSearch.RankingOptions == nil {
			t.FileSearch.RankingOptions = new(RankingOptions{})
		}
		if r := t.FileSearch.RankingOptions; r.Ranker == "" || r.Ranker == "auto" {
			r.Ranker = DefaultRanker
		}
	}
}

// ToolResources are the files and stores that tools of an assistant, thread or
// run may use.
type ToolResources struct {
	CodeInterpreter *CodeInterpreterResources `json:"code_interpreter,omitempty"`
	FileSearch      *FileSearchResources      `json:"file_search,omitempty"`
}

// CodeInterpreterResources are files placed under /mnt/data.
type CodeInterpreterResources struct {
	FileIDs []string `json:"file_ids"`
}

// FileSearchResources are the vector stores searched; at most [MaxVectorStores].
type FileSearchResources struct {
	VectorStoreIDs []string `json:"vector_store_ids"`
}

// CodeFileIDs returns the code interpreter's files, nil if there are none.
func (r *ToolResources) CodeFileIDs() []string {
	if r == nil || r.CodeInterpreter == nil {
		return nil
	}
	return r.CodeInterpreter.FileIDs
}

// VectorStoreIDs returns the vector stores that are searched, nil if there are
// none.
func (r *ToolResources) VectorStoreIDs() []string {
	if r == nil || r.FileSearch == nil {
		return nil
	}
	return r.FileSearch.VectorStoreIDs
}

// Normalize makes lists that are present non-null, and adds the empty code
// interpreter entry which the protocol echoes for an assistant that has the
// tool but no file.
func (r *ToolResources) Normalize(tools []Tool) {
	for _, t := range tools {
		if t.Type == ToolCodeInterpreter && r.CodeInterpreter == nil {
			r.CodeInterpreter = new(CodeInterpreterResources{})
		}
	}
	if r.CodeInterpreter != nil && r.CodeInterpreter.FileIDs == nil {
		r.CodeInterpreter.FileIDs = []string{}
	}
	if r.FileSearch != nil && r.FileSearch.VectorStoreIDs == nil {
		r.FileSearch.VectorStoreIDs = []string{}
	}
}

// ToolChoice says which tool the model must call, if any. Mode is "none",
// "auto" or "required"; or Mode is empty and Type names the tool, with
// Function the name of the function if it is one. The zero value means auto.
type ToolChoice struct {
	Mode     string
	Type     ToolType
	Function string
}

type toolChoiceFunction struct {
	Name string `json:"name"`
}

type toolChoiceObject struct {
	Type     ToolType            `json:"type"`
	Function *toolChoiceFunction `json:"function,omitempty"`
}

// MarshalJSON writes a string for a mode and an object for a named tool.
func (c ToolChoice) MarshalJSON() ([]byte, error) {
	if c.Type == "" {
		if c.Mode == "" {
			c.Mode = "auto"
		}
		return marshal(c.Mode)
	}
	o := toolChoiceObject{Type: c.Type}
	if c.Type == ToolFunction {
		o.Function = new(toolChoiceFunction{Name: c.Function})
	}
	return marshal(o)
}

// UnmarshalJSON accepts what MarshalJSON writes, and null.
func (c *ToolChoice) UnmarshalJSON(b []byte) error {
	*c = ToolChoice{}
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &c.Mode)
	}
	var o toolChoiceObject
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("tool_choice: %w", err)
	}
	c.Type = o.Type
	if o.Function != nil {
		c.Function = o.Function.Name
	}
	return nil
}

// ResponseFormat is the form an answer must have. The zero value means auto.
// JSONSchema is set for type json_schema only and holds its object as given.
type ResponseFormat struct {
	Type       string
	JSONSchema json.RawMessage
}

type responseFormatObject struct {
	Type       string          `json:"type"`
	JSONSchema json.RawMessage `json:"json_schema,omitempty"`
}

// MarshalJSON writes the string "auto" or the format's object.
func (f ResponseFormat) MarshalJSON() ([]byte, error) {
	if f.Type == "" || f.Type == "auto" {
		return []byte(`"auto"`), nil
	}
	return marshal(responseFormatObject(f))
}

// UnmarshalJSON accepts what MarshalJSON writes, and null.
func (f *ResponseFormat) UnmarshalJSON(b []byte) error {
	*f = ResponseFormat{}
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &f.Type)
	}
	var o responseFormatObject
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("response_format: %w", err)
	}
	*f = ResponseFormat(o)
	return nil
}
