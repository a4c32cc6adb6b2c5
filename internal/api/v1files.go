package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// This file has the handlers that only version 1 has, or that keep its lists of
// files. An assistant's files are at the disposal of the tools it has: version 2
// shows them as its tool resources.

// fileV1 is a file of an assistant or of a message: Object says of which.
type fileV1 struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	CreatedAt   int64  `json:"created_at"`
	AssistantID string `json:"assistant_id,omitempty"`
	MessageID   string `json:"message_id,omitempty"`
}

func assistantFile(assistantID string) func(store.V1File) fileV1 {
	return func(f store.V1File) fileV1 {
		return fileV1{ID: f.ID, Object: "assistant.file", CreatedAt: f.CreatedAt, AssistantID: assistantID}
	}
}

func messageFile(messageID string) func(store.V1File) fileV1 {
	return func(f store.V1File) fileV1 {
		return fileV1{ID: f.ID, Object: "thread.message.file", CreatedAt: f.CreatedAt, MessageID: messageID}
	}
}

// applyV1 puts what a request of version 1 says into a, whose files were before.
// It returns its files from now on.
func (s *server) applyV1(ctx context.Context, q *assistantRequest, a *understudy.Assistant, before []string) ([]string, error) {
	files := before
	if q.FileIDs != nil {
		files = dedupe(slices.Clone(q.FileIDs))
	}
	rest := *q
	rest.FileIDs = nil
	if err := rest.apply(a); err != nil {
		return nil, err
	}
	if err := s.giveFiles(ctx, a, before, files); err != nil {
		return nil, err
	}
	return files, nil
}

// giveFiles puts an assistant's files at the disposal of its tools, and takes
// away those it had before that it no longer has or that belong to a tool it no
// longer has.
func (s *server) giveFiles(ctx context.Context, a *understudy.Assistant, before, files []string) error {
	if hasTool(a.Tools, understudy.ToolFileSearch) {
		if err := s.checkSearchable(ctx, files); err != nil {
			return err
		}
	}
	code := slices.DeleteFunc(slices.Clone(a.ToolResources.CodeFileIDs()), func(id string) bool { return slices.Contains(before, id) })
	a.ToolResources.CodeInterpreter = nil
	if hasTool(a.Tools, understudy.ToolCodeInterpreter) {
		code = append(code, files...)
	}
	addCodeFiles(&a.ToolResources, code)
	a.ToolResources.Normalize(a.Tools)
	return nil
}

// checkSearchable refuses files that retrieval cannot read. Files that do not
// exist are passed over.
func (s *server) checkSearchable(ctx context.Context, ids []string) error {
	var refused []string
	for _, id := range ids {
		f, err := s.Store.File(ctx, id)
		if understudy.IsNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if ext := f.Extension(); !f.Searchable() && !slices.Contains(refused, ext) {
			refused = append(refused, ext)
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return invalidParam("file_ids", understudy.VectorStoreFileUnsupported, understudy.UnsearchableFiles(abbreviate(strings.Join(refused, ", "))))
}

func (s *server) createAssistantV1(w http.ResponseWriter, r *http.Request) error {
	var q assistantRequest
	if err := s.decode(w, r, s.schemas.createAssistant, &q); err != nil {
		return err
	}
	a := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant), CreatedAt: time.Now().Unix()}
	files, err := s.applyV1(r.Context(), &q, a, nil)
	if err != nil {
		return err
	}
	if err := s.Store.V1().CreateAssistant(r.Context(), a, files); err != nil {
		return err
	}
	s.ingest(nil, nil)
	return ok(w, a)
}

func (s *server) modifyAssistantV1(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return err
	}
	var q assistantRequest
	if err := s.decode(w, r, s.schemas.modifyAssistant, &q); err != nil {
		return err
	}
	a, err := s.Store.V1().UpdateAssistant(r.Context(), ids[0], func(a *understudy.Assistant, files []string) ([]string, error) {
		return s.applyV1(r.Context(), &q, a, files)
	})
	if err != nil {
		return err
	}
	s.ingest(nil, nil)
	return ok(w, a)
}

// changeFiles changes the files of the assistant that the path names, of which
// change makes the new ones. It returns the assistant's id.
func (s *server) changeFiles(r *http.Request, change func([]string) ([]string, error)) (string, error) {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return "", err
	}
	_, err = s.Store.V1().UpdateAssistant(r.Context(), ids[0], func(a *understudy.Assistant, before []string) ([]string, error) {
		files, err := change(slices.Clone(before))
		if err != nil {
			return nil, err
		}
		return files, s.giveFiles(r.Context(), a, before, files)
	})
	return ids[0], err
}

// assistantFileRequest is the body that attaches a file to an assistant.
type assistantFileRequest struct {
	FileID string `json:"file_id"`
}

func (s *server) createAssistantFile(w http.ResponseWriter, r *http.Request) error {
	var q assistantFileRequest
	if err := s.decode(w, r, s.schemas.assistantFile, &q); err != nil {
		return err
	}
	id, err := s.changeFiles(r, func(files []string) ([]string, error) {
		if slices.Contains(files, q.FileID) {
			return files, nil
		}
		if len(files) >= understudy.MaxCodeFiles {
			return nil, invalidParam("file_ids", "array_above_max_length", fmt.Sprintf(
				"Invalid 'file_ids': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", understudy.MaxCodeFiles, len(files)+1))
		}
		return append(files, q.FileID), nil
	})
	if err != nil {
		return err
	}
	s.ingest(nil, nil)
	return s.writeFile(w, r, q.FileID, id, assistantFile(id))
}

func (s *server) deleteAssistantFile(w http.ResponseWriter, r *http.Request) error {
	file := r.PathValue("file_id")
	_, err := s.changeFiles(r, func(files []string) ([]string, error) {
		i := slices.Index(files, file)
		if i < 0 {
			return nil, understudy.NotFound("file", abbreviate(file))
		}
		return slices.Delete(files, i, i+1), nil
	})
	if err != nil {
		return err
	}
	return ok(w, understudy.Deleted{ID: file, Object: "assistant.file.deleted", Deleted: true})
}

// writeFile answers with a file of the list of owner.
func (s *server) writeFile(w http.ResponseWriter, r *http.Request, file, owner string, show func(store.V1File) fileV1) error {
	lists, err := s.Store.V1().Files(r.Context(), owner)
	if err != nil {
		return err
	}
	return writeFileOf(w, lists[owner], file, show)
}

func writeFileOf(w http.ResponseWriter, files []store.V1File, file string, show func(store.V1File) fileV1) error {
	for _, f := range files {
		if f.ID == file {
			return ok(w, show(f))
		}
	}
	return understudy.NotFound("file", abbreviate(file))
}

// writeFiles answers with the page of files that the request asks for.
func writeFiles(w http.ResponseWriter, r *http.Request, files []store.V1File, show func(store.V1File) fileV1) error {
	p, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	part, more, err := pageOfSlice(files, p, func(f store.V1File) string { return f.ID })
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(each(part, show), more, func(f fileV1) string { return f.ID }))
}

// pageOfSlice returns a page of all, which are in the order of creation, and
// whether more follows it in the page's order (or, asked for what is before an
// element, whether more precedes it).
func pageOfSlice[T any](all []T, p understudy.Page, id func(T) string) ([]T, bool, error) {
	all = slices.Clone(all)
	if p.Order == understudy.Desc {
		slices.Reverse(all)
	}
	find := func(cursor, param string) (int, error) {
		i := slices.IndexFunc(all, func(v T) bool { return id(v) == cursor })
		if i < 0 {
			return 0, invalidParam(param, "invalid_value", fmt.Sprintf("Invalid '%s': no object with id '%s' in this list.", param, abbreviate(cursor)))
		}
		return i, nil
	}
	from, to := 0, len(all)
	if p.After != "" {
		i, err := find(p.After, "after")
		if err != nil {
			return nil, false, err
		}
		from = i + 1
	}
	if p.Before != "" {
		i, err := find(p.Before, "before")
		if err != nil {
			return nil, false, err
		}
		to = max(i, from)
	}
	n := to - from
	if n <= p.Limit {
		return all[from:to], false, nil
	}
	if p.Before != "" && p.After == "" {
		return all[to-p.Limit : to], true, nil
	}
	return all[from : from+p.Limit], true, nil
}

// filesOfAssistant returns the files of the assistant that the path names.
func (s *server) filesOfAssistant(r *http.Request) (id string, files []store.V1File, err error) {
	ids, err := pathIDs(r, "assistant_id")
	if err != nil {
		return "", nil, err
	}
	if _, err := s.Store.Assistant(r.Context(), ids[0]); err != nil {
		return "", nil, err
	}
	lists, err := s.Store.V1().Files(r.Context(), ids[0])
	return ids[0], lists[ids[0]], err
}

func (s *server) listAssistantFiles(w http.ResponseWriter, r *http.Request) error {
	id, files, err := s.filesOfAssistant(r)
	if err != nil {
		return err
	}
	return writeFiles(w, r, files, assistantFile(id))
}

func (s *server) getAssistantFile(w http.ResponseWriter, r *http.Request) error {
	id, files, err := s.filesOfAssistant(r)
	if err != nil {
		return err
	}
	return writeFileOf(w, files, r.PathValue("file_id"), assistantFile(id))
}

// filesOfMessage returns the files of the message that the path names, also
// those it links to.
func (s *server) filesOfMessage(r *http.Request) (id string, files []store.V1File, err error) {
	ids, err := pathIDs(r, "thread_id", "message_id")
	if err != nil {
		return "", nil, err
	}
	m, err := s.Store.Message(r.Context(), ids[0], ids[1])
	if err != nil {
		return "", nil, err
	}
	lists, err := s.Store.V1().Files(r.Context(), m.ID)
	if err != nil {
		return "", nil, err
	}
	files = lists[m.ID]
	for _, id := range generatedFiles(m) {
		if !slices.ContainsFunc(files, func(f store.V1File) bool { return f.ID == id }) {
			files = append(files, store.V1File{ID: id, CreatedAt: m.CreatedAt})
		}
	}
	return m.ID, files, nil
}

func (s *server) listMessageFiles(w http.ResponseWriter, r *http.Request) error {
	id, files, err := s.filesOfMessage(r)
	if err != nil {
		return err
	}
	return writeFiles(w, r, files, messageFile(id))
}

func (s *server) getMessageFile(w http.ResponseWriter, r *http.Request) error {
	id, files, err := s.filesOfMessage(r)
	if err != nil {
		return err
	}
	return writeFileOf(w, files, r.PathValue("file_id"), messageFile(id))
}

// giveRunFiles puts the assistant's files at the disposal of a run: for the code
// interpreter, which the assistant need not have, and for retrieval as stores of
// the run's own. It awaits what is in those: clients of version 1 do not see
// whether files can be searched.
func (s *server) giveRunFiles(ctx context.Context, a *understudy.Assistant, run *understudy.Run) error {
	if stores := a.ToolResources.VectorStoreIDs(); len(stores) > 0 && hasTool(run.Tools, understudy.ToolFileSearch) {
		run.ToolResources.FileSearch = &understudy.FileSearchResources{VectorStoreIDs: slices.Clone(stores)}
	}
	if !hasTool(run.Tools, understudy.ToolCodeInterpreter) {
		return nil
	}
	lists, err := s.Store.V1().Files(ctx, a.ID)
	if err != nil {
		return err
	}
	addCodeFiles(&run.ToolResources, each(lists[a.ID], func(f store.V1File) string { return f.ID }))
	return nil
}

func hasTool(tools []understudy.Tool, tool understudy.ToolType) bool {
	return slices.ContainsFunc(tools, func(t understudy.Tool) bool { return t.Type == tool })
}

// storeThread stores a new thread, and in version 1, which makes no vector
// stores, the lists of its messages' files.
func (s *server) storeThread(ctx context.Context, th *understudy.Thread, messages []*understudy.Message, stores []store.NewVectorStore) error {
	if s.dialect.v1 {
		return s.Store.V1().CreateThread(ctx, th, messages)
	}
	return s.Store.CreateThread(ctx, th, messages, stores...)
}

// storeMessage stores a new message, and in version 1 the list of its files.
func (s *server) storeMessage(ctx context.Context, m *understudy.Message) error {
	if s.dialect.v1 {
		return s.Store.V1().CreateMessage(ctx, m)
	}
	return s.Store.CreateMessage(ctx, m)
}
