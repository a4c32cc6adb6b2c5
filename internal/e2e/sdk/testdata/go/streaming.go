package main

import (
	"context"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

// streaming reads a run that writes code, and one that calls a function on the way.
func streaming(ctx context.Context, client openai.Client) error {
	coder, err := newAssistant(ctx, client, codeInterpreter)
	if err != nil {
		return err
	}
	thread, err := threadWith(ctx, client, equation)
	if err != nil {
		return err
	}
	got, err := listen(client.Beta.Threads.Runs.NewStreaming(ctx, thread.ID, openai.BetaThreadRunNewParams{AssistantID: coder.ID}))
	if err != nil {
		return err
	}
	want := []string{
		"thread.run.created", "thread.run.queued", "thread.run.in_progress",
		"thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta", "thread.run.step.completed",
		"thread.run.step.created", "thread.run.step.in_progress", "thread.message.created", "thread.message.in_progress",
		"thread.message.delta", "thread.message.completed", "thread.run.step.completed", "thread.run.completed",
	}
	if err := check(slices.Equal(got.events, want), "events %v", got.events); err != nil {
		return err
	}
	said, err := lastAnswer(ctx, client, thread.ID)
	if err != nil {
		return err
	}
	if err := check(got.text == said.Value && strings.Contains(got.text, "x = 1"), "heard %q, kept %q", got.text, said.Value); err != nil {
		return err
	}

	caller, err := newAssistant(ctx, client, getNickname)
	if err != nil {
		return err
	}
	got, err = listen(client.Beta.Threads.NewAndRunStreaming(ctx, openai.BetaThreadNewAndRunParams{
		AssistantID: caller.ID,
		Thread: openai.BetaThreadNewAndRunParamsThread{Messages: []openai.BetaThreadNewAndRunParamsThreadMessage{{
			Role: "user", Content: openai.BetaThreadNewAndRunParamsThreadMessageContentUnion{OfString: openai.String(chicago)},
		}}},
	}))
	if err != nil {
		return err
	}
	run := got.run
	if err := check(got.events[0] == "thread.created" && run.Status == "requires_action", "events %v", got.events); err != nil {
		return err
	}
	got, err = listen(client.Beta.Threads.Runs.SubmitToolOutputsStreaming(ctx, run.ThreadID, run.ID, answers(&run, "Windy City")))
	if err != nil {
		return err
	}
	return check(got.run.Status == "completed" && strings.Contains(got.text, "Windy City"), "status %s: %q", got.run.Status, got.text)
}

// heard is what a stream said.
type heard struct {
	events []string // each of a row of equal ones once
	text   string
	run    openai.Run // as the last event showed it
}

func listen(stream *ssestream.Stream[openai.AssistantStreamEventUnion]) (heard, error) {
	defer stream.Close()
	var h heard
	for stream.Next() {
		event := stream.Current()
		if len(h.events) == 0 || h.events[len(h.events)-1] != event.Event {
			h.events = append(h.events, event.Event)
		}
		switch event := event.AsAny().(type) {
		case openai.AssistantStreamEventThreadMessageDelta:
			for _, part := range event.Data.Delta.Content {
				h.text += part.Text.Value
			}
		case openai.AssistantStreamEventThreadRunRequiresAction:
			h.run = event.Data
		case openai.AssistantStreamEventThreadRunCompleted:
			h.run = event.Data
		}
	}
	return h, stream.Err()
}
