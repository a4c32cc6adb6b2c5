package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/model"
)

const (
	maxMessages   = 1000     // newest messages of a thread that are considered at all
	maxSteps      = 400      // newest steps of a thread whose tool calls are shown
	maxToolOutput = 30_000   // bytes of a tool's output shown to the model
	maxImageBytes = 20 << 20 // of an image shown to the model
	maxAllImages  = 64 << 20 // of all images of a turn; older ones are left out
)

// codeGuide tells the model what its code interpreter is like.
const codeGuide = "You can run Python with the code_interpreter tool: a Jupyter-like session that keeps its variables, " +
	"with numpy, pandas, matplotlib and other data libraries, without network access. Files are in /mnt/data. " +
	"Figures shown with plt.show() reach the user. To give the user a file, save it under /mnt/data and link it as [name](sandbox:/mnt/data/name)."

var codeParameters = json.RawMessage(`{"type":"object","properties":{"code":{"type":"string","description":"Python source of one cell"}},"required":["code"]}`)

var searchParameters = json.RawMessage(`{"type":"object","properties":{"queries":{"type":"array","items":{"type":"string"},"description":"Search queries"}},"required":["queries"]}`)

// request says what the model is to see and do in the next turn.
func (x *execution) request(ctx context.Context) (*model.Request, error) {
	promptBudget, completionBudget, err := x.budget()
	if err != nil {
		return nil, err
	}
	req := &model.Request{
		Model:       x.run.Model,
		Tools:       x.tools(),
		Temperature: (*float64)(x.run.Temperature),
		TopP:        (*float64)(x.run.TopP),
	}
	if len(req.Tools) > 0 {
		req.ToolChoice = x.toolChoice()
		if !x.run.ParallelToolCalls {
			req.ParallelToolCalls = new(false)
		}
	}
	if f := x.run.ResponseFormat; f.Type != "" && f.Type != "auto" && f.Type != "text" {
		if req.ResponseFormat, err = json.Marshal(f); err != nil {
			return nil, err
		}
	}
	if x.run.ReasoningEffort != nil {
		req.ReasoningEffort = *x.run.ReasoningEffort
	}
	if completionBudget > 0 {
		req.MaxTokens = completionBudget
	}
	system, err := x.systemMessage(ctx)
	if err != nil {
		return nil, err
	}
	entries, whole, err := x.conversation(ctx)
	if err != nil {
		return nil, err
	}
	limit := x.e.ContextTokens
	if promptBudget >= 0 {
		limit = min(limit, promptBudget)
	}
	fixed := estimateTokens(&system)
	entries, ok := truncate(entries, limit-fixed, whole)
	if !ok && promptBudget >= 0 {
		return nil, errBudget{understudy.IncompleteMaxPromptTokens}
	}
	if err := x.loadImages(entries); err != nil {
		return nil, err
	}
	if system.Text() != "" {
		req.Messages = append(req.Messages, system)
	}
	x.shown = 0
	for _, e := range entries {
		x.shown += len(e.messages)
		for _, m := range e.messages {
			req.Messages = appendMessage(req.Messages, m)
		}
	}
	return req, nil
}

// appendMessage appends m, or joins it to what the model said just before its
// tool calls: some servers insist that speakers alternate.
func appendMessage(all []model.Message, m model.Message) []model.Message {
	if n := len(all); n > 0 && len(m.ToolCalls) > 0 && all[n-1].Role == m.Role && len(all[n-1].ToolCalls) == 0 {
		all[n-1].ToolCalls = m.ToolCalls
		return all
	}
	return append(all, m)
}

// tools are what the model may call: the built-in tools look like functions.
func (x *execution) tools() []model.Tool {
	tools := make([]model.Tool, 0, len(x.run.Tools))
	for _, t := range x.run.Tools {
		switch t.Type {
		case understudy.ToolCodeInterpreter:
			tools = append(tools, model.Tool{Name: string(t.Type), Description: "Runs Python code and returns what it prints.", Parameters: codeParameters})
		case understudy.ToolFileSearch:
			tools = append(tools, model.Tool{Name: string(t.Type), Description: "Searches the attached documents.", Parameters: searchParameters})
		case understudy.ToolFunction:
			f := model.Tool{Name: t.Function.Name, Parameters: t.Function.Parameters}
			if t.Function.Description != nil {
				f.Description = *t.Function.Description
			}
			if t.Function.Strict {
				f.Strict = new(true)
			}
			tools = append(tools, f)
		}
	}
	return tools
}

// systemMessage is the run's instructions, and what the model must know of its
// tools.
func (x *execution) systemMessage(ctx context.Context) (model.Message, error) {
	var b strings.Builder
	if x.run.Instructions != nil {
		b.WriteString(*x.run.Instructions)
	}
	guide := func(text string, files string) {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(text + files)
	}
	if x.has(understudy.ToolCodeInterpreter) {
		files, err := x.codeFiles(ctx)
		if err != nil {
			return model.Message{}, err
		}
		guide(codeGuide, files)
	}
	if x.has(understudy.ToolFileSearch) {
		files, err := x.searchable(ctx)
		if err != nil {
			return model.Message{}, err
		}
		guide(searchGuide, files)
	}
	return model.System(b.String()), nil
}

// codeFiles names the files in a session for the model.
func (x *execution) codeFiles(ctx context.Context) (string, error) {
	files, err := x.inputFiles(ctx)
	if err != nil || len(files) == 0 {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\nFiles of the user:")
	for _, f := range files {
		fmt.Fprintf(&b, "\n- /mnt/data/%s (the same file: /mnt/data/%s)", f.Filename, f.ID)
	}
	return b.String(), nil
}

// entry is a part of the conversation that is shown or dropped as a whole: a
// message of the thread, or a round of tool calls with its outputs.
type entry struct {
	messages []model.Message
	tokens   int
	pictures map[int]*understudy.ImageFile // of the first message, by part; loaded once it is known which entries are shown
}

// conversation returns the thread as the model sees it, oldest first: the
// messages, with the tool calls that the runs made between them.
// It reports whether that is the whole thread.
func (x *execution) conversation(ctx context.Context) (entries []entry, whole bool, err error) {
	limit := maxMessages
	if t := x.run.TruncationStrategy; t != nil && t.Type == "last_messages" && t.LastMessages != nil {
		limit = min(limit, *t.LastMessages)
	}
	messages, whole, err := x.messages(ctx, limit)
	if err != nil {
		return nil, false, err
	}
	var steps []*understudy.Step
	if x.turns > 0 || x.claim.Fence > 1 || slices.ContainsFunc(messages, func(m *understudy.Message) bool { return m.RunID != nil }) {
		if steps, err = x.e.Store.RecentSteps(ctx, x.run.ThreadID, maxSteps); err != nil {
			return nil, false, err
		}
	}
	for _, s := range steps {
		for _, c := range s.StepDetails.ToolCalls {
			if c.FileSearch != nil {
				x.remember(c.FileSearch)
			}
		}
	}
	byMessage, tail := roundsByMessage(steps, messages, x.run.ID)
	for _, m := range messages {
		for _, s := range byMessage[m.ID] {
			entries = append(entries, newEntry(toolRound(s)...))
		}
		if e, ok, err := x.messageEntry(ctx, m); err != nil {
			return nil, false, err
		} else if ok {
			entries = append(entries, e)
		}
	}
	for _, s := range tail {
		entries = append(entries, newEntry(toolRound(s)...))
	}
	return entries, whole, nil
}

// messages returns the newest messages of the thread, oldest first: at most limit,
// and no more than the model can be shown. It reports whether they are all.
func (x *execution) messages(ctx context.Context, limit int) (all []*understudy.Message, whole bool, err error) {
	room := 4 * x.e.ContextTokens // bytes
	for m, err := range x.e.Store.RecentMessages(ctx, x.run.ThreadID) {
		if err != nil {
			return nil, false, err
		}
		if len(all) == limit || room < 0 {
			slices.Reverse(all)
			return all, false, nil
		}
		all = append(all, m)
		for _, c := range m.Content {
			if c.Text != nil {
				room -= len(c.Text.Value)
			}
		}
	}
	slices.Reverse(all)
	return all, true, nil
}

// roundsByMessage says before which message each round of tool calls belongs,
// and which rounds of the current run come after all messages. Rounds of a run
// none of whose later messages are shown are left out, unless it is this run.
func roundsByMessage(steps []*understudy.Step, messages []*understudy.Message, runID string) (before map[string][]*understudy.Step, tail []*understudy.Step) {
	shown := make(map[string]bool, len(messages))
	for _, m := range messages {
		shown[m.ID] = true
	}
	before = make(map[string][]*understudy.Step)
	pending := make(map[string][]*understudy.Step) // by run
	for _, s := range steps {
		if s.StepDetails.MessageID() != "" {
			if shown[s.StepDetails.MessageID()] {
				before[s.StepDetails.MessageID()] = pending[s.RunID]
			}
			delete(pending, s.RunID)
		} else if s.Status == understudy.StepCompleted {
			pending[s.RunID] = append(pending[s.RunID], s)
		}
	}
	return before, pending[runID]
}

// toolRound renders a finished round of tool calls.
func toolRound(s *understudy.Step) []model.Message {
	call := model.Message{Role: "assistant"}
	var outputs []model.Message
	for _, c := range s.StepDetails.ToolCalls {
		m := model.ToolCall{ID: c.ID, Name: string(c.Type)}
		var output string
		switch {
		case c.CodeInterpreter != nil:
			arguments, _ := json.Marshal(map[string]string{"code": c.CodeInterpreter.Input}) // strings always marshal
			m.Arguments, output = string(arguments), codeOutput(c.CodeInterpreter.Outputs)
		case c.Function != nil:
			m.Name, m.Arguments = c.Function.Name, c.Function.Arguments
			if c.Function.Output != nil {
				output = *c.Function.Output
			}
		}
		output = shorten(output)
		if c.FileSearch != nil {
			arguments, _ := json.Marshal(map[string][]string{"queries": c.FileSearch.Queries}) // strings always marshal
			m.Arguments, output = string(arguments), searchOutput(c.FileSearch)                // bounded when it was made
		}
		call.ToolCalls = append(call.ToolCalls, m)
		outputs = append(outputs, model.ToolOutput(c.ID, output))
	}
	return append([]model.Message{call}, outputs...)
}

// codeOutput is what the model sees of a cell's outputs.
func codeOutput(outputs []understudy.CodeOutput) string {
	var b strings.Builder
	for _, o := range outputs {
		if o.Logs != nil {
			b.WriteString(*o.Logs)
		}
		if o.Image != nil {
			b.WriteString("\n[figure shown to the user]\n")
		}
	}
	if b.Len() == 0 {
		return "(no output)"
	}
	return b.String()
}

// shorten keeps the beginning and the end of an output that is too long.
func shorten(s string) string {
	if len(s) <= maxToolOutput {
		return s
	}
	head, tail := s[:maxToolOutput*3/4], s[len(s)-maxToolOutput/4:]
	return strings.ToValidUTF8(head, "") + fmt.Sprintf("\n[… %d bytes left out …]\n", len(s)-len(head)-len(tail)) + strings.ToValidUTF8(tail, "")
}

// messageEntry renders a message of the thread. It reports false for one with
// nothing to show.
func (x *execution) messageEntry(ctx context.Context, m *understudy.Message) (entry, bool, error) {
	out := model.Message{Role: string(m.Role)}
	var pictures map[int]*understudy.ImageFile
	for _, c := range m.Content {
		p := model.Part{}
		switch {
		case c.Text != nil:
			p.Text = c.Text.Value
		case c.Refusal != nil:
			p.Text = *c.Refusal
		case m.Role == understudy.RoleAssistant:
			continue // chat models take no images from themselves
		case c.ImageURL != nil:
			p.Image = &model.Image{URL: c.ImageURL.URL, Detail: c.ImageURL.Detail}
		case c.ImageFile != nil:
			if pictures == nil {
				pictures = make(map[int]*understudy.ImageFile)
			}
			pictures[len(out.Parts)] = c.ImageFile
			p.Image = &model.Image{}
		}
		if p.Text != "" || p.Image != nil {
			out.Parts = append(out.Parts, p)
		}
	}
	if len(out.Parts) == 0 {
		return entry{}, false, ctx.Err()
	}
	e := newEntry(out)
	e.pictures = pictures
	return e, true, nil
}

// loadImages reads the images of what is shown, the newest first.
func (x *execution) loadImages(entries []entry) error {
	left := maxAllImages
	for _, e := range slices.Backward(entries) {
		for i, f := range e.pictures {
			p, err := x.imagePart(f, min(left, maxImageBytes))
			if err != nil {
				return err
			}
			if p.Image != nil {
				left -= len(p.Image.URL)
			}
			e.messages[0].Parts[i] = p
		}
	}
	return nil
}

// imagePart shows a file to the model as a picture, or says why it cannot.
func (x *execution) imagePart(f *understudy.ImageFile, limit int) (model.Part, error) {
	r, err := x.e.Files.Open(f.FileID)
	if errors.Is(err, fs.ErrNotExist) {
		return model.Part{Text: fmt.Sprintf("[the image %s no longer exists]", f.FileID)}, nil
	}
	if err != nil {
		return model.Part{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(max(limit, 0))+1))
	if err != nil {
		return model.Part{}, err
	}
	mime := http.DetectContentType(data)
	switch {
	case len(data) > limit:
		return model.Part{Text: fmt.Sprintf("[the image %s is too large to be shown]", f.FileID)}, nil
	case !strings.HasPrefix(mime, "image/"):
		return model.Part{Text: fmt.Sprintf("[the file %s is not an image]", f.FileID)}, nil
	}
	return model.Part{Image: &model.Image{URL: "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(data), Detail: f.Detail}}, nil
}

func newEntry(messages ...model.Message) entry {
	e := entry{messages: messages}
	for i := range messages {
		e.tokens += estimateTokens(&messages[i])
	}
	return e
}

// estimateTokens guesses the size of a message for truncation. It need not be
// exact: what a run has spent is counted by the upstream.
func estimateTokens(m *model.Message) int {
	n := 4
	for _, p := range m.Parts {
		n += len(p.Text) / 4
		if p.Image != nil {
			n += 765 // what a picture of common size costs in high detail
		}
	}
	for _, c := range m.ToolCalls {
		n += 4 + (len(c.Name)+len(c.Arguments))/4
	}
	return n
}

// truncate drops entries from the middle until the rest fits into limit tokens:
// the newest stay, and the first if it can and entries are the whole thread. It
// reports false, keeping the last alone, if not even that fits.
func truncate(entries []entry, limit int, whole bool) ([]entry, bool) {
	total := 0
	for _, e := range entries {
		total += e.tokens
	}
	if total <= limit || len(entries) == 0 {
		return entries, total <= limit
	}
	last := len(entries) - 1
	if entries[last].tokens > limit {
		return entries[last:], false
	}
	room := limit - entries[last].tokens
	keepFirst := whole && entries[0].tokens <= room/2
	if keepFirst {
		room -= entries[0].tokens
	}
	from := last
	for from > 1 && entries[from-1].tokens <= room { // the first is decided
		from--
		room -= entries[from].tokens
	}
	if !keepFirst {
		return entries[from:], true
	}
	return append([]entry{entries[0]}, entries[from:]...), true
}
