package understudy

// Thread is a conversation.
type Thread struct {
	ID            string        `json:"id"`
	Object        string        `json:"object"` // always "thread"
	CreatedAt     int64         `json:"created_at"`
	Metadata      Metadata      `json:"metadata"`
	ToolResources ToolResources `json:"tool_resources"`
}
