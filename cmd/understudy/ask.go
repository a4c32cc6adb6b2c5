package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/understudy-dev/understudy"
)

// An outcome is what a run brought.
type outcome struct {
	run      understudy.Run // as it was last
	messages []understudy.Message
	cells    int      // of code that were run
	logs     string   // that they printed
	called   []string // functions of the application
}

// text returns all that the assistant said.
func (o *outcome) text() string {
	var text strings.Builder
	for _, m := range o.messages {
		for _, part := range m.Content {
			if part.Text != nil {
				text.WriteString(part.Text.Value)
			}
		}
	}
	return text.String()
}

// generated returns the ids of the images shown and of the files linked to.
func (o *outcome) generated() (images, files []string) {
	for _, m := range o.messages {
		for _, part := range m.Content {
			if part.ImageFile != nil {
				images = append(images, part.ImageFile.FileID)
			}
			if part.Text == nil {
				continue
			}
			for _, a := range part.Text.Annotations {
				if a.FilePath != nil {
					files = append(files, a.FilePath.FileID)
				}
			}
		}
	}
	return images, files
}

// ask puts a message on a new thread, runs the assistant on it and shows the
// events as they come. Functions are answered by answer, as an application
// would, until the run is over.
func (d *demo) ask(ctx context.Context, assistant string, message object, answer func(understudy.RequiredCall) string) (*outcome, error) {
	d.screen.say("user", green, fmt.Sprint(message["content"]))
	got := new(outcome)
	path, body := "/threads/runs", object{
		"assistant_id": assistant, "stream": true, "thread": object{"messages": []object{message}},
	}
	for {
		for event, err := range d.stream(ctx, path, body) {
			if err != nil {
				return nil, err
			}
			if err := d.see(got, event); err != nil {
				return nil, fmt.Errorf("event %s: %w", event.Name, err)
			}
		}
		if got.run.Status != understudy.RunRequiresAction || answer == nil {
			break
		}
		var outputs []object
		for _, call := range got.run.RequiredAction.SubmitToolOutputs.ToolCalls {
			got.called = append(got.called, call.Function.Name)
			output := answer(call)
			d.screen.say("the application answers", blue, call.Function.Name+": "+output+"\n")
			outputs = append(outputs, object{"tool_call_id": call.ID, "output": output})
		}
		path = "/threads/" + got.run.ThreadID + "/runs/" + got.run.ID + "/submit_tool_outputs"
		body = object{"stream": true, "tool_outputs": outputs}
	}
	d.screen.endLine()
	switch {
	case got.run.LastError != nil:
		return nil, fmt.Errorf("the run is %s: %s", got.run.Status, got.run.LastError.Message)
	case got.run.Status != understudy.RunCompleted:
		return nil, fmt.Errorf("the run is %s", got.run.Status)
	}
	return got, nil
}

// see shows an event and keeps what matters of it.
func (d *demo) see(got *outcome, event understudy.Event) error {
	switch event.Name {
	case understudy.EventMessageDelta:
		return d.showMessage(event.Data)
	case understudy.EventStepDelta:
		return d.showStep(event.Data)
	case understudy.EventMessageCompleted:
		var m understudy.Message
		err := json.Unmarshal(event.Data, &m)
		got.messages = append(got.messages, m)
		return err
	case understudy.EventStepEnd(understudy.StepCompleted):
		var s understudy.Step
		err := json.Unmarshal(event.Data, &s)
		got.addCells(&s)
		return err
	case "error":
		return errors.New(string(event.Data))
	}
	if event.Name.EndsStream() {
		return json.Unmarshal(event.Data, &got.run)
	}
	return nil
}

func (o *outcome) addCells(s *understudy.Step) {
	for _, call := range s.StepDetails.ToolCalls {
		if call.CodeInterpreter == nil {
			continue
		}
		o.cells++
		for _, output := range call.CodeInterpreter.Outputs {
			if output.Logs != nil {
				o.logs += *output.Logs
			}
		}
	}
}

func (d *demo) showMessage(data []byte) error {
	var delta understudy.MessageDelta
	if err := json.Unmarshal(data, &delta); err != nil {
		return err
	}
	for _, part := range delta.Delta.Content {
		if part.Text != nil {
			d.screen.say("assistant", "", part.Text.Value)
		}
		if part.ImageFile != nil {
			d.screen.say("assistant", "", "[image "+part.ImageFile.FileID+"]\n")
		}
		if part.Refusal != nil {
			d.screen.say("assistant refuses", "", *part.Refusal)
		}
	}
	return nil
}

func (d *demo) showStep(data []byte) error {
	var delta understudy.StepDelta
	if err := json.Unmarshal(data, &delta); err != nil {
		return err
	}
	for _, call := range delta.Delta.StepDetails.ToolCalls {
		if f := call.Function; f != nil {
			name := f.Name
			if name != "" {
				d.screen.endLine()
				name += " "
			}
			d.screen.say("assistant calls a function", cyan, name+f.Arguments)
		}
		if c := call.CodeInterpreter; c != nil {
			if c.Input != nil {
				d.screen.say("assistant runs Python", cyan, *c.Input)
			}
			for _, output := range c.Outputs {
				d.screen.say("output", faint, output.Logs)
				if output.Image != nil {
					d.screen.say("output", faint, "[image "+output.Image.FileID+"]\n")
				}
			}
		}
	}
	return nil
}
