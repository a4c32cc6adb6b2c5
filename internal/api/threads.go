package api

import (
	"context"
	"net/http"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// threadRequest is the body that creates a thread or, without messages,
// modifies it.
type threadRequest struct {
	Messages      []messageRequest      `json:"messages"`
	ToolResources *toolResourcesRequest `json:"tool_resources"`
	Metadata      metadataValues        `json:"metadata"`
}

// apply puts what the request says into th.
func (q *threadRequest) apply(th *understudy.Thread) error {
	if q.Metadata != nil {
		th.Metadata = understudy.Metadata(q.Metadata)
	}
	return q.ToolResources.apply(&th.ToolResources)
}

// thread makes a new thread of the request, its messages and the vector stores
// that are to be made for it. path is where the request stands in the body.
func (s *server) thread(ctx context.Context, q *threadRequest, path string) (*understudy.Thread, []*understudy.Message, []store.NewVectorStore, error) {
	th := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread), Object: "thread", CreatedAt: time.Now().Unix()}
	stores, err := q.ToolResources.takeStores(path+"tool_resources", understudy.ThreadStoreDays)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := q.apply(th); err != nil {
		return nil, nil, nil, err
	}
	messages, err := s.messages(ctx, th.ID, q.Messages)
	return th, messages, stores, err
}

func (s *server) createThread(w http.ResponseWriter, r *http.Request) error {
	var q threadRequest
	if err := s.decode(w, r, s.schemas.createThread, &q); err != nil {
		return err
	}
	th, messages, stores, err := s.thread(r.Context(), &q, "")
	if err != nil {
		return err
	}
	if err := s.storeThread(r.Context(), th, messages, stores); err != nil {
		return err
	}
	s.ingest(messages, stores)
	return ok(w, th)
}

// listThreads is an extension: the hosted API never listed threads.
func (s *server) listThreads(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		return err
	}
	metadata, err := metadataOf(q)
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListThreads(r.Context(), metadata, p)
	if err != nil {
		return err
	}
	for _, th := range all {
		showThread(th)
	}
	return ok(w, understudy.NewList(all, more, func(th *understudy.Thread) string { return th.ID }))
}

// showThread gives a thread the form in which it is read: the service shows the
// code interpreter's files then even if there are none, and programs rely on it.
func showThread(th *understudy.Thread) {
	th.ToolResources.Normalize([]understudy.Tool{{Type: understudy.ToolCodeInterpreter}})
}

func (s *server) getThread(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	th, err := s.Store.Thread(r.Context(), ids[0])
	if err != nil {
		return err
	}
	showThread(th)
	return ok(w, th)
}

func (s *server) modifyThread(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	var q threadRequest
	if err := s.decode(w, r, s.schemas.modifyThread, &q); err != nil {
		return err
	}
	th, err := s.Store.UpdateThread(r.Context(), ids[0], q.apply)
	if err != nil {
		return err
	}
	return ok(w, th)
}

func (s *server) deleteThread(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	if err := s.Store.DeleteThread(r.Context(), ids[0]); err != nil {
		return err
	}
	if s.OnThreadDeleted != nil {
		s.OnThreadDeleted(ids[0])
	}
	return ok(w, understudy.Deleted{ID: ids[0], Object: "thread.deleted", Deleted: true})
}
