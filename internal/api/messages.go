package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/understudy-dev/understudy"
)

// messageRequest is the body that creates a message.
type messageRequest struct {
	Role        understudy.Role         `json:"role"`
	Content     contentRequest          `json:"content"`
	Attachments []understudy.Attachment `json:"attachments"`
	FileIDs     []string                `json:"file_ids"` // v1's place of attachments
	Metadata    metadataValues          `json:"metadata"`
}

// contentRequest is the content of a new message: one text, or parts, whose
// texts are plain strings. It decodes into what a message stores.
type contentRequest []understudy.Content

// contentPart is one part of the content: Type says which other field is set.
type contentPart struct {
	Type      understudy.ContentType `json:"type"`
	Text      string                 `json:"text"`
	ImageFile *understudy.ImageFile  `json:"image_file"`
	ImageURL  *understudy.ImageURL   `json:"image_url"`
}

// UnmarshalJSON decodes either form. The schema has checked that it is one.
func (c *contentRequest) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		*c = contentRequest{understudy.TextContent(text)}
		return nil
	}
	var parts []contentPart
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		part := understudy.Content{Type: p.Type}
		switch p.Type {
		case understudy.ContentText:
			part = understudy.TextContent(p.Text)
		case understudy.ContentImageFile:
			part.ImageFile = p.ImageFile
			if part.ImageFile.Detail == "" {
				part.ImageFile.Detail = "auto"
			}
		case understudy.ContentImageURL:
			part.ImageURL = p.ImageURL
			if part.ImageURL.Detail == "" {
				part.ImageURL.Detail = "auto"
			}
		}
		*c = append(*c, part)
	}
	return nil
}

// messages makes the messages that a request adds to a thread.
func (s *server) messages(ctx context.Context, threadID string, in []messageRequest) ([]*understudy.Message, error) {
	out := make([]*understudy.Message, len(in))
	for i := range in {
		m, err := s.message(ctx, threadID, &in[i])
		if err != nil {
			return nil, err
		}
		out[i] = m
	}
	return out, nil
}

func (s *server) message(ctx context.Context, threadID string, q *messageRequest) (*understudy.Message, error) {
	now := time.Now().Unix()
	m := &understudy.Message{
		ID:          understudy.NewID(understudy.PrefixMessage),
		Object:      "thread.message",
		CreatedAt:   now,
		ThreadID:    threadID,
		Status:      understudy.MessageCompleted,
		CompletedAt: &now,
		Role:        q.Role,
		Content:     q.Content,
		Attachments: q.Attachments,
		Metadata:    understudy.Metadata(q.Metadata),
	}
	files, err := s.attachedFiles(ctx, q.FileIDs)
	if err != nil {
		return nil, err
	}
	for _, id := range files {
		m.Attachments = append(m.Attachments, understudy.Attachment{FileID: id, Tools: []understudy.AttachmentTool{{Type: understudy.ToolCodeInterpreter}}})
	}
	if m.Attachments == nil {
		m.Attachments = []understudy.Attachment{}
	}
	for i := range m.Attachments {
		m.Attachments[i].Tools = attachmentTools(m.Attachments[i].Tools)
	}
	return m, nil
}

// attachmentTools returns tools in the terms of version 2, never nil.
func attachmentTools(in []understudy.AttachmentTool) []understudy.AttachmentTool {
	out := append(make([]understudy.AttachmentTool, 0, len(in)), in...)
	if i := slices.Index(out, understudy.AttachmentTool{Type: toolRetrieval}); i >= 0 {
		out[i].Type = understudy.ToolFileSearch
	}
	return out
}

func (s *server) createMessage(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	var q messageRequest
	if err := s.decode(w, r, s.schemas.message, &q); err != nil {
		return err
	}
	m, err := s.message(r.Context(), ids[0], &q)
	if err != nil {
		return err
	}
	if err := s.storeMessage(r.Context(), m); err != nil {
		return err
	}
	s.ingest([]*understudy.Message{m}, nil)
	return ok(w, m)
}

func (s *server) getMessage(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "message_id")
	if err != nil {
		return err
	}
	m, err := s.Store.Message(r.Context(), ids[0], ids[1])
	if err != nil {
		return err
	}
	return ok(w, m)
}

// metadataRequest is the body that modifies an object of which nothing else can
// be modified.
type metadataRequest struct {
	Metadata metadataValues `json:"metadata"`
}

func (q *metadataRequest) apply(m *understudy.Metadata) {
	if q.Metadata != nil {
		*m = understudy.Metadata(q.Metadata)
	}
}

func (s *server) modifyMessage(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "message_id")
	if err != nil {
		return err
	}
	var q metadataRequest
	if err := s.decode(w, r, s.schemas.metadataOnly, &q); err != nil {
		return err
	}
	m, err := s.Store.UpdateMessage(r.Context(), ids[0], ids[1], func(m *understudy.Message) error {
		q.apply(&m.Metadata)
		return nil
	})
	if err != nil {
		return err
	}
	return ok(w, m)
}

func (s *server) deleteMessage(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id", "message_id")
	if err != nil {
		return err
	}
	if err := s.Store.DeleteMessage(r.Context(), ids[0], ids[1]); err != nil {
		return err
	}
	return ok(w, understudy.Deleted{ID: ids[1], Object: "thread.message.deleted", Deleted: true})
}

func (s *server) listMessages(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "thread_id")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	p, err := page(q)
	if err != nil {
		return err
	}
	all, more, err := s.Store.ListMessages(r.Context(), ids[0], q.Get("run_id"), p)
	if err != nil {
		return err
	}
	return ok(w, understudy.NewList(all, more, func(m *understudy.Message) string { return m.ID }))
}
