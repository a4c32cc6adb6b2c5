package understudy

// Role is who speaks in a message.
type Role string

// The roles a message can have.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// MessageStatus is the state of a message. Messages of users are completed
// from the start.
type MessageStatus string

// The states of a message.
const (
	MessageInProgress MessageStatus = "in_progress"
	MessageIncomplete MessageStatus = "incomplete"
	MessageCompleted  MessageStatus = "completed"
)

// Reasons for an incomplete message.
const (
	IncompleteContentFilter = "content_filter"
	IncompleteMaxTokens     = "max_tokens"
	IncompleteRunCancelled  = "run_cancelled"
	IncompleteRunExpired    = "run_expired"
	IncompleteRunFailed     = "run_failed"
)

// Message is one message of a thread.
type Message struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"` // always "thread.message"
	CreatedAt         int64              `json:"created_at"`
	AssistantID       *string            `json:"assistant_id"`
	ThreadID          string             `json:"thread_id"`
	RunID             *string            `json:"run_id"`
	Status            MessageStatus      `json:"status"`
	IncompleteDetails *IncompleteDetails `json:"incomplete_details"`
	IncompleteAt      *int64             `json:"incomplete_at"`
	CompletedAt       *int64             `json:"completed_at"`
	Role              Role               `json:"role"`
	Content           []Content          `json:"content"`
	Attachments       []Attachment       `json:"attachments"`
	Metadata          Metadata           `json:"metadata"`
}

// IncompleteDetails says why a message or run ended before it was complete.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// ContentType names a kind of message part.
type ContentType string

// The kinds of message parts.
const (
	ContentText      ContentType = "text"
	ContentImageFile ContentType = "image_file"
	ContentImageURL  ContentType = "image_url"
	ContentRefusal   ContentType = "refusal"
)

// Content is one part of a message: Type says which of the other fields is set.
type Content struct {
	Type      ContentType `json:"type"`
	Text      *Text       `json:"text,omitempty"`
	ImageFile *ImageFile  `json:"image_file,omitempty"`
	ImageURL  *ImageURL   `json:"image_url,omitempty"`
	Refusal   *string     `json:"refusal,omitempty"`
}

// Text is a text part. Annotations is never null on the wire.
type Text struct {
	Value       string       `json:"value"`
	Annotations []Annotation `json:"annotations"`
}

// TextContent returns a text part without annotations.
func TextContent(s string) Content {
	return Content{Type: ContentText, Text: new(Text{Value: s, Annotations: []Annotation{}})}
}

// ImageFile is an image among the uploaded or generated files.
type ImageFile struct {
	FileID string `json:"file_id"`
	Detail string `json:"detail,omitempty"`
}

// ImageURL is an image on the web.
type ImageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

// Kinds of annotations.
const (
	AnnotationFilePath     = "file_path"
	AnnotationFileCitation = "file_citation"
)

// Annotation ties a stretch of a text to a file. StartIndex and EndIndex count
// Unicode code points, end exclusive; Text is that stretch. Index is set in
// deltas only.
type Annotation struct {
	Index        *int          `json:"index,omitempty"`
	Type         string        `json:"type"`
	Text         string        `json:"text"`
	StartIndex   int           `json:"start_index"`
	EndIndex     int           `json:"end_index"`
	FilePath     *FilePath     `json:"file_path,omitempty"`
	FileCitation *FileCitation `json:"file_citation,omitempty"`
}

// FilePath is a file that the code interpreter generated.
type FilePath struct {
	FileID string `json:"file_id"`
}

// FileCitation is a file that file search quoted. Quote appears in deltas only.
type FileCitation struct {
	FileID string  `json:"file_id"`
	Quote  *string `json:"quote,omitempty"`
}

// Attachment gives a message's file to tools: it adds the file to the thread's
// resources. Tools name a type only.
type Attachment struct {
	FileID string           `json:"file_id"`
	Tools  []AttachmentTool `json:"tools"`
}

// AttachmentTool is a tool an attached file is for.
type AttachmentTool struct {
	Type ToolType `json:"type"`
}
