package understudy

// Assistant is a model with instructions and tools.
type Assistant struct {
	ID              string         `json:"id"`
	Object          string         `json:"object"` // always "assistant"
	CreatedAt       int64          `json:"created_at"`
	Name            *string        `json:"name"`
	Description     *string        `json:"description"`
	Model           string         `json:"model"`
	Instructions    *string        `json:"instructions"`
	Tools           []Tool         `json:"tools"`
	TopP            *Float         `json:"top_p"`
	Temperature     *Float         `json:"temperature"`
	ReasoningEffort *string        `json:"reasoning_effort"`
	ToolResources   ToolResources  `json:"tool_resources"`
	Metadata        Metadata       `json:"metadata"`
	ResponseFormat  ResponseFormat `json:"response_format"`
}

// Normalize fills in the protocol's defaults and empty lists, so that the
// assistant can be sent as it is.
func (a *Assistant) Normalize() {
	a.Object = "assistant"
	if a.Tools == nil {
		a.Tools = []Tool{}
	}
	for i := range a.Tools {
		a.Tools[i].Normalize()
	}
	if a.TopP == nil {
		a.TopP = new(Float(1))
	}
	if a.Temperature == nil {
		a.Temperature = new(Float(1))
	}
	a.ToolResources.Normalize(a.Tools)
}
