package understudy

import (
	"path"
	"slices"
	"strings"
)

// Purpose says what a file was uploaded or generated for.
type Purpose string

// Purposes of files. The first six can be asked for in an upload.
const (
	PurposeAssistants       Purpose = "assistants"
	PurposeBatch            Purpose = "batch"
	PurposeFineTune         Purpose = "fine-tune"
	PurposeVision           Purpose = "vision"
	PurposeUserData         Purpose = "user_data"
	PurposeEvals            Purpose = "evals"
	PurposeAssistantsOutput Purpose = "assistants_output"
)

// File describes an uploaded or generated file; its bytes are elsewhere.
type File struct {
	Object        string  `json:"object"` // always "file"
	ID            string  `json:"id"`
	Purpose       Purpose `json:"purpose"`
	Filename      string  `json:"filename"`
	Bytes         int64   `json:"bytes"`
	CreatedAt     int64   `json:"created_at"`
	ExpiresAt     *int64  `json:"expires_at"`
	Status        string  `json:"status"` // always "processed": nothing is done to a file before it can be used
	StatusDetails *string `json:"status_details"`
}

// searchable are the extensions that the hosted API documented for retrieval.
var searchable = []string{
	".c", ".cpp", ".cs", ".css", ".doc", ".docx", ".go", ".html", ".java", ".js", ".json", ".md", ".pdf", ".php", ".pptx", ".py",
	".rb", ".sh", ".tex", ".ts", ".txt",
}

// Extension returns the extension of the file's name in lower case, with its dot;
// "" if it has none.
func (f *File) Extension() string { return strings.ToLower(path.Ext(f.Filename)) }

// Searchable reports whether the hosted API took files with this extension for
// retrieval, which is what version 1 of the protocol goes by. Files without one are
// taken. What can be read is for the engine to say, and more.
func (f *File) Searchable() bool {
	ext := f.Extension()
	return ext == "" || slices.Contains(searchable, ext)
}

// UnsearchableFiles is what the hosted API says of files that it cannot search.
// extensions lists theirs, separated by commas.
func UnsearchableFiles(extensions string) string {
	return "Files with extensions [" + extensions + "] are not supported for retrieval. See https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
}
