package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// clearable is a field of a request that null clears, while its absence leaves
// the object's as it is.
type clearable[T any] struct {
	set   bool
	value *T // nil for null
}

// UnmarshalJSON decodes a value or null.
func (n *clearable[T]) UnmarshalJSON(b []byte) error {
	n.set = true
	return json.Unmarshal(b, &n.value)
}

// apply sets a field unless the request left it out.
func (n clearable[T]) apply(field **T) {
	if n.set {
		*field = n.value
	}
}

// newStoreRequest is a vector store that is made with an assistant or a thread.
type newStoreRequest struct {
	FileIDs          []string                    `json:"file_ids"`
	ChunkingStrategy understudy.ChunkingStrategy `json:"chunking_strategy"`
	Metadata         metadataValues              `json:"metadata"`
}

// newStore makes the store that the request asks for, which expires after so
// many days without use, or never if days is 0. path is where the request stands
// in the body.
func (q *newStoreRequest) newStore(path string, days int) (store.NewVectorStore, error) {
	if err := checkChunking(path, q.ChunkingStrategy); err != nil {
		return store.NewVectorStore{}, err
	}
	now := time.Now()
	v := understudy.NewVectorStore(now, days)
	v.Metadata = understudy.Metadata(q.Metadata)
	return store.NewVectorStore{Store: v, Files: storeFiles(now, q.FileIDs, q.ChunkingStrategy, nil)}, nil
}

// storeRequest is the body that creates or, without files, modifies a vector
// store.
type storeRequest struct {
	newStoreRequest
	Name         clearable[string]                  `json:"name"`
	Description  clearable[string]                  `json:"description"`
	ExpiresAfter clearable[understudy.ExpiresAfter] `json:"expires_after"`
}

// apply puts what the request says into v.
func (q *storeRequest) apply(v *understudy.VectorStore) error {
	q.Name.apply(&v.Name)
	q.Description.apply(&v.Description)
	q.ExpiresAfter.apply(&v.ExpiresAfter)
	if q.Metadata != nil {
		v.Metadata = understudy.Metadata(q.Metadata)
	}
	return nil
}

// storeFiles makes files, each once, that are to be ingested in the same way.
func storeFiles(now time.Time, ids []string, c understudy.ChunkingStrategy, a understudy.Attributes) []*understudy.VectorStoreFile {
	var files []*understudy.VectorStoreFile
	for _, id := range dedupe(slices.Clone(ids)) {
		files = append(files, understudy.NewVectorStoreFile(now, id, c, a))
	}
	return files
}

// checkChunking refuses chunks that overlap by more than a half.
func checkChunking(path string, c understudy.ChunkingStrategy) error {
	if size, overlap := c.Tokens(); overlap > size/2 {
		param := path + "chunking_strategy.static.chunk_overlap_tokens"
		return invalidParam(param, "invalid_value", "Invalid '"+param+"': the overlap must not exceed half of 'max_chunk_size_tokens'.")
	}
	return nil
}

// exclusive refuses two parameters of which only one can be given.
func exclusive(a, b string) error {
	return invalidParam(b, "mutually_exclusive_parameters", "Mutually exclusive parameters: '"+b+"'. Ensure you are only providing one of: '"+a+"' or '"+b+"'.")
}

// ingest says that there are files to ingest, if messages or new stores may have
// brought some. In version 1 anything may: its lists of files become stores.
func (s *server) ingest(messages []*understudy.Message, stores []store.NewVectorStore) {
	attach := func(m *understudy.Message) bool { return len(m.Attachments) > 0 }
	if s.Search != nil && (s.dialect.v1 || len(stores) > 0 || slices.ContainsFunc(messages, attach)) {
		s.Search.Ingest()
	}
}

func (s *server) createVectorStore(w http.ResponseWriter, r *http.Request) error {
	var q storeRequest
	if err := s.decode(w, r, s.schemas.createVectorStore, &q); err != nil {
		return err
	}
	n, err := q.newStore("", 0)
	if err != nil {
		return err
	}
	if err := q.apply(n.Store); err != nil {
		return err
	}
	n.Store.Touch(time.Unix(n.Store.CreatedAt, 0))
	if err := s.Store.CreateVectorStore(r.Context(), n); err != nil {
		return err
	}
	s.ingest(nil, []store.NewVectorStore{n})
	return ok(w, n.Store)
}

func (s *server) getVectorStore(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	underWay := func(v *understudy.VectorStore) bool { return v.Status == understudy.VectorStoreInProgress }
	v, err := poll(s, r, ids[0], func(ctx context.Context) (*understudy.VectorStore, error) {
		return s.Store.VectorStore(ctx, ids[0])
	}, underWay)
	if err != nil {
		return err
	}
	pollLater(w, underWay(v))
	return ok(w, v)
}

func (s *server) modifyVectorStore(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	var q storeRequest
	if err := s.decode(w, r, s.schemas.modifyVectorStore, &q); err != nil {
		return err
	}
	v, err := s.Store.UpdateVectorStore(r.Context(), ids[0], q.apply)
	if err != nil {
		return err
	}
	return ok(w, v)
}

func (s *server) deleteVectorStore(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	if err := s.Store.DeleteVectorStore(r.Context(), ids[0]); err != nil {
		return err
	}
	return ok(w, understudy.Deleted{ID: ids[0], Object: "vector_store.deleted", Deleted: true})
}

func (s *server) listVectorStores(w http.ResponseWriter, r *http.Request) error {
	p, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListVectorStores(r.Context(), p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(v *understudy.VectorStore) string { return v.ID }))
}
