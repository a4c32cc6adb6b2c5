package main

import (
	"bytes"
	"context"
	"strings"

	"github.com/openai/openai-go/v3"
)

// polling runs code over a file, whose figure and files come back, and functions.
func polling(ctx context.Context, client openai.Client) error {
	if err := pollCode(ctx, client); err != nil {
		return err
	}
	caller, err := newAssistant(ctx, client, getNickname)
	if err != nil {
		return err
	}
	run, err := client.Beta.Threads.NewAndRun(ctx, openai.BetaThreadNewAndRunParams{
		AssistantID: caller.ID,
		Thread: openai.BetaThreadNewAndRunParamsThread{Messages: []openai.BetaThreadNewAndRunParamsThreadMessage{{
			Role: "user", Content: openai.BetaThreadNewAndRunParamsThreadMessageContentUnion{OfString: openai.String(chicago)},
		}}},
	})
	if err != nil {
		return err
	}
	if run, err = wait(ctx, client, run); err != nil {
		return err
	}
	if err := check(run.Status == "requires_action", "status %s", run.Status); err != nil {
		return err
	}
	function := run.RequiredAction.SubmitToolOutputs.ToolCalls[0].Function
	if err := check(function.Name == "getNickname" && strings.Contains(function.Arguments, "Chicago"), "call %v", function); err != nil {
		return err
	}
	if run, err = client.Beta.Threads.Runs.SubmitToolOutputs(ctx, run.ThreadID, run.ID, answers(run, "Windy City")); err != nil {
		return err
	}
	if run, err = wait(ctx, client, run); err != nil {
		return err
	}
	said, err := lastAnswer(ctx, client, run.ThreadID)
	if err != nil {
		return err
	}
	return check(run.Status == "completed" && strings.Contains(said.Value, "Windy City"), "status %s: %q", run.Status, said.Value)
}

func pollCode(ctx context.Context, client openai.Client) error {
	coder, err := newAssistant(ctx, client, codeInterpreter)
	if err != nil {
		return err
	}
	file, err := upload(ctx, client, "sales.csv", "month,sales\nJan,3\nFeb,5\nMar,4\n")
	if err != nil {
		return err
	}
	thread, err := client.Beta.Threads.New(ctx, openai.BetaThreadNewParams{})
	if err != nil {
		return err
	}
	if _, err := client.Beta.Threads.Messages.New(ctx, thread.ID, openai.BetaThreadMessageNewParams{
		Role:    "user",
		Content: openai.BetaThreadMessageNewParamsContentUnion{OfString: openai.String("Read the CSV file and draw a chart.")},
		Attachments: []openai.BetaThreadMessageNewParamsAttachment{{
			FileID: openai.String(file.ID),
			Tools:  []openai.BetaThreadMessageNewParamsAttachmentToolUnion{{OfCodeInterpreter: &openai.CodeInterpreterToolParam{}}},
		}},
	}); err != nil {
		return err
	}
	run, err := client.Beta.Threads.Runs.New(ctx, thread.ID, openai.BetaThreadRunNewParams{AssistantID: coder.ID})
	if err != nil {
		return err
	}
	if run, err = wait(ctx, client, run); err != nil {
		return err
	}
	if err := check(run.Status == "completed" && run.Usage.TotalTokens > 0, "run %s", run.RawJSON()); err != nil {
		return err
	}
	page, err := client.Beta.Threads.Messages.List(ctx, thread.ID, openai.BetaThreadMessageListParams{RunID: openai.String(run.ID)})
	if err != nil {
		return err
	}
	content := page.Data[0].Content
	if err := check(len(content) == 2 && content[0].Type == "image_file" && content[1].Type == "text", "content %s", page.Data[0].RawJSON()); err != nil {
		return err
	}
	figure, err := download(ctx, client, content[0].ImageFile.FileID)
	if err != nil {
		return err
	}
	if err := check(bytes.HasPrefix(figure, []byte("\x89PNG")), "figure begins with % x", figure[:4]); err != nil {
		return err
	}
	if err := citesFiles(ctx, client, content[1].Text); err != nil {
		return err
	}
	steps, err := client.Beta.Threads.Runs.Steps.List(ctx, thread.ID, run.ID, openai.BetaThreadRunStepListParams{Order: "asc"})
	if err != nil {
		return err
	}
	call := steps.Data[0].StepDetails.ToolCalls[0].CodeInterpreter
	return check(strings.Contains(call.Input, "read_csv") && len(call.Outputs) >= 2, "step %s", steps.Data[0].RawJSON())
}

// citesFiles checks that a text links to files that can be downloaded.
func citesFiles(ctx context.Context, client openai.Client, text openai.Text) error {
	if err := check(len(text.Annotations) > 0, "no annotations: %q", text.Value); err != nil {
		return err
	}
	for _, note := range text.Annotations {
		cited := string([]rune(text.Value)[note.StartIndex:note.EndIndex])
		file, err := download(ctx, client, note.FilePath.FileID)
		if err != nil {
			return err
		}
		if err := check(cited == note.Text && len(file) > 0, "annotation %s of %q", note.RawJSON(), text.Value); err != nil {
			return err
		}
	}
	return nil
}
