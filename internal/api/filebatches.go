package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/understudy-dev/understudy"
)

// batchRequest is the body that attaches several files to a vector store: FileIDs
// all in the same way, or Files each in its own.
type batchRequest struct {
	FileIDs          []string                    `json:"file_ids"`
	Files            []attachRequest             `json:"files"`
	ChunkingStrategy understudy.ChunkingStrategy `json:"chunking_strategy"`
	Attributes       understudy.Attributes       `json:"attributes"`
}

// files makes the files of the batch, each once.
func (q *batchRequest) files(now time.Time) ([]*understudy.VectorStoreFile, error) {
	switch {
	case q.FileIDs == nil && q.Files == nil:
		return nil, invalidParam("file_ids", "missing_required_parameter", "Missing required parameter: 'file_ids'.")
	case q.FileIDs != nil && q.Files != nil:
		return nil, exclusive("file_ids", "files")
	case q.FileIDs != nil:
		if err := checkChunking("", q.ChunkingStrategy); err != nil {
			return nil, err
		}
		return storeFiles(now, q.FileIDs, q.ChunkingStrategy, q.Attributes), nil
	}
	var files []*understudy.VectorStoreFile
	for i, one := range q.Files {
		f, err := one.file(now, fmt.Sprintf("files[%d].", i))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(files, func(g *understudy.VectorStoreFile) bool { return g.ID == f.ID }) {
			files = append(files, f)
		}
	}
	return files, nil
}

func (s *server) createFileBatch(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	var q batchRequest
	if err := s.decode(w, r, s.schemas.fileBatch, &q); err != nil {
		return err
	}
	now := time.Now()
	files, err := q.files(now)
	if err != nil {
		return err
	}
	b := &understudy.FileBatch{
		ID: understudy.NewID(understudy.PrefixFileBatch), Object: "vector_store.file_batch", CreatedAt: now.Unix(),
		Status: understudy.FileBatchInProgress, VectorStoreID: ids[0],
	}
	if err := s.Store.CreateFileBatch(r.Context(), b, files); err != nil {
		return err
	}
	if s.Search != nil {
		s.Search.Ingest()
	}
	return ok(w, b)
}

func (s *server) getFileBatch(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id", "batch_id")
	if err != nil {
		return err
	}
	underWay := func(b *understudy.FileBatch) bool { return b.FileCounts.InProgress > 0 }
	b, err := poll(s, r, ids[0], func(ctx context.Context) (*understudy.FileBatch, error) {
		return s.Store.FileBatch(ctx, ids[0], ids[1])
	}, underWay)
	if err != nil {
		return err
	}
	pollLater(w, underWay(b))
	return ok(w, b)
}

func (s *server) cancelFileBatch(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id", "batch_id")
	if err != nil {
		return err
	}
	b, err := s.Store.CancelFileBatch(r.Context(), ids[0], ids[1])
	if err != nil {
		return err
	}
	return ok(w, b)
}

func (s *server) listBatchFiles(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id", "batch_id")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		return err
	}
	status, err := fileStatus(q)
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListBatchFiles(r.Context(), ids[0], ids[1], status, p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(f *understudy.VectorStoreFile) string { return f.ID }))
}
