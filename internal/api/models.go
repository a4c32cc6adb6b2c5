package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/understudy-dev/understudy"
)

// modelObject is a model on the wire.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // always "model"
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *server) models(ctx context.Context) ([]modelObject, error) {
	if s.Models == nil {
		return []modelObject{}, nil
	}
	all, err := s.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]modelObject, len(all))
	for i, m := range all {
		out[i] = modelObject{ID: m.ID, Object: "model", Created: m.Created, OwnedBy: m.OwnedBy}
	}
	return out, nil
}

func (s *server) listModels(w http.ResponseWriter, r *http.Request) error {
	all, err := s.models(r.Context())
	if err != nil {
		return err
	}
	return ok(w, struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{Object: "list", Data: all})
}

func (s *server) getModel(w http.ResponseWriter, r *http.Request) error {
	all, err := s.models(r.Context())
	if err != nil {
		return err
	}
	id := r.PathValue("model")
	for _, m := range all {
		if m.ID == id {
			return ok(w, m)
		}
	}
	return &understudy.Error{Kind: understudy.KindNotFound, Param: "model", Code: "model_not_found",
		Message: fmt.Sprintf("The model '%s' does not exist", abbreviate(id))}
}
