package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/understudy-dev/understudy"
)

// attachRequest is the body that attaches a file to a vector store, or one file
// of a batch.
type attachRequest struct {
	FileID           string                      `json:"file_id"`
	ChunkingStrategy understudy.ChunkingStrategy `json:"chunking_strategy"`
	Attributes       understudy.Attributes       `json:"attributes"`
}

// attributesRequest is the body that modifies a file of a vector store.
type attributesRequest struct {
	Attributes understudy.Attributes `json:"attributes"`
}

func (q *attachRequest) file(now time.Time, path string) (*understudy.VectorStoreFile, error) {
	if err := checkChunking(path, q.ChunkingStrategy); err != nil {
		return nil, err
	}
	return understudy.NewVectorStoreFile(now, q.FileID, q.ChunkingStrategy, q.Attributes), nil
}

// storeFileIDs returns the ids of the store and the file that a path names.
// Files' ids begin in more than one way; what is too long for one is not found.
func storeFileIDs(r *http.Request) (storeID, fileID string, err error) {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return "", "", err
	}
	return ids[0], abbreviate(r.PathValue("file_id")), nil
}

// fileStatus reads the parameter filter of the lists of files.
func fileStatus(q url.Values) (understudy.VectorStoreFileStatus, error) {
	switch status := understudy.VectorStoreFileStatus(q.Get("filter")); status {
	case "", understudy.VectorStoreFileInProgress, understudy.VectorStoreFileCompleted,
		understudy.VectorStoreFileFailed, understudy.VectorStoreFileCancelled:
		return status, nil
	default:
		return "", invalidParam("filter", "invalid_value", "Invalid value: '"+abbreviate(string(status))+
			"'. Supported values are: 'in_progress', 'completed', 'failed', and 'cancelled'.")
	}
}

func (s *server) attachFile(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	var q attachRequest
	if err := s.decode(w, r, s.schemas.attachFile, &q); err != nil {
		return err
	}
	f, err := q.file(time.Now(), "")
	if err != nil {
		return err
	}
	if err := s.Store.AttachFile(r.Context(), ids[0], f); err != nil {
		return err
	}
	if s.Search != nil {
		s.Search.Ingest()
	}
	return ok(w, f)
}

func (s *server) getVectorStoreFile(w http.ResponseWriter, r *http.Request) error {
	storeID, fileID, err := storeFileIDs(r)
	if err != nil {
		return err
	}
	underWay := func(f *understudy.VectorStoreFile) bool { return f.Status == understudy.VectorStoreFileInProgress }
	f, err := poll(s, r, storeID, func(ctx context.Context) (*understudy.VectorStoreFile, error) {
		return s.Store.VectorStoreFile(ctx, storeID, fileID)
	}, underWay)
	if err != nil {
		return err
	}
	pollLater(w, underWay(f))
	return ok(w, f)
}

func (s *server) modifyVectorStoreFile(w http.ResponseWriter, r *http.Request) error {
	storeID, fileID, err := storeFileIDs(r)
	if err != nil {
		return err
	}
	var q attributesRequest
	if err := s.decode(w, r, s.schemas.attributes, &q); err != nil {
		return err
	}
	f, err := s.Store.UpdateVectorStoreFile(r.Context(), storeID, fileID, func(f *understudy.VectorStoreFile) error {
		f.Attributes = q.Attributes
		return nil
	})
	if err != nil {
		return err
	}
	return ok(w, f)
}

func (s *server) detachFile(w http.ResponseWriter, r *http.Request) error {
	storeID, fileID, err := storeFileIDs(r)
	if err != nil {
		return err
	}
	if err := s.Store.DetachFile(r.Context(), storeID, fileID); err != nil {
		return err
	}
	return ok(w, understudy.Deleted{ID: fileID, Object: "vector_store.file.deleted", Deleted: true})
}

func (s *server) listVectorStoreFiles(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
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
	all, more, err := s.Store.ListVectorStoreFiles(r.Context(), ids[0], status, p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(f *understudy.VectorStoreFile) string { return f.ID }))
}
