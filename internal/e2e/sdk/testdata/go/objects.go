package main

import (
	"context"
	"slices"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"
)

// objects makes, reads, changes, lists and deletes, and is refused.
func objects(ctx context.Context, client openai.Client) error {
	for _, part := range []func(context.Context, openai.Client) error{assistants, messages, files, lockedThread} {
		if err := part(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

func assistants(ctx context.Context, client openai.Client) error {
	var made []string
	for range 5 {
		assistant, err := newAssistant(ctx, client)
		if err != nil {
			return err
		}
		made = append(made, assistant.ID)
	}
	var listed []string
	pager := client.Beta.Assistants.ListAutoPaging(ctx, openai.BetaAssistantListParams{Limit: openai.Int(2), Order: "asc"})
	for pager.Next() {
		if id := pager.Current().ID; slices.Contains(made, id) {
			listed = append(listed, id)
		}
	}
	if err := pager.Err(); err != nil {
		return err
	}
	if err := check(slices.Equal(listed, made), "listed %v of %v", listed, made); err != nil {
		return err
	}
	changed, err := client.Beta.Assistants.Update(ctx, made[0], openai.BetaAssistantUpdateParams{
		Name: openai.String("renamed"), Metadata: shared.Metadata{"k": "v"},
	})
	if err != nil {
		return err
	}
	if err := check(changed.Name == "renamed" && changed.Metadata["k"] == "v", "changed to %s", changed.RawJSON()); err != nil {
		return err
	}
	for _, id := range made {
		if _, err := client.Beta.Assistants.Delete(ctx, id); err != nil {
			return err
		}
	}
	_, err = client.Beta.Assistants.Get(ctx, made[0])
	return refused(err, 404, "No assistant found with id")
}

func messages(ctx context.Context, client openai.Client) error {
	thread, err := threadWith(ctx, client, "one")
	if err != nil {
		return err
	}
	second, err := client.Beta.Threads.Messages.New(ctx, thread.ID, openai.BetaThreadMessageNewParams{
		Role: "assistant",
		Content: openai.BetaThreadMessageNewParamsContentUnion{OfArrayOfContentParts: []openai.MessageContentPartParamUnion{
			openai.MessageContentPartParamOfText("two"),
		}},
	})
	if err != nil {
		return err
	}
	if _, err := client.Beta.Threads.Messages.Update(ctx, thread.ID, second.ID, openai.BetaThreadMessageUpdateParams{Metadata: shared.Metadata{"x": "y"}}); err != nil {
		return err
	}
	var texts []string
	pager := client.Beta.Threads.Messages.ListAutoPaging(ctx, thread.ID, openai.BetaThreadMessageListParams{Limit: openai.Int(1), Order: "asc"})
	for pager.Next() {
		texts = append(texts, pager.Current().Content[0].Text.Value)
	}
	if err := pager.Err(); err != nil {
		return err
	}
	if err := check(slices.Equal(texts, []string{"one", "two"}), "messages %v", texts); err != nil {
		return err
	}
	if _, err := client.Beta.Threads.Messages.Delete(ctx, thread.ID, second.ID); err != nil {
		return err
	}
	if _, err := client.Beta.Threads.Update(ctx, thread.ID, openai.BetaThreadUpdateParams{Metadata: shared.Metadata{"a": "b"}}); err != nil {
		return err
	}
	if thread, err = client.Beta.Threads.Get(ctx, thread.ID); err != nil {
		return err
	}
	if err := check(thread.Metadata["a"] == "b", "thread %s", thread.RawJSON()); err != nil {
		return err
	}
	if _, err := client.Beta.Threads.Delete(ctx, thread.ID); err != nil {
		return err
	}
	_, err = client.Beta.Threads.Get(ctx, thread.ID)
	return refused(err, 404, "No thread found with id")
}

func files(ctx context.Context, client openai.Client) error {
	made, err := upload(ctx, client, "été.txt", "données")
	if err != nil {
		return err
	}
	if err := check(made.Filename == "été.txt" && made.Bytes == 8, "file %s", made.RawJSON()); err != nil {
		return err
	}
	content, err := download(ctx, client, made.ID)
	if err != nil {
		return err
	}
	if err := check(string(content) == "données", "content %q", content); err != nil {
		return err
	}
	listed := false
	pager := client.Files.ListAutoPaging(ctx, openai.FileListParams{Purpose: openai.String("assistants"), Limit: openai.Int(3)})
	for pager.Next() {
		listed = listed || pager.Current().ID == made.ID
	}
	if err := pager.Err(); err != nil {
		return err
	}
	if err := check(listed, "file %s is not listed", made.ID); err != nil {
		return err
	}
	if _, err := client.Files.Delete(ctx, made.ID); err != nil {
		return err
	}
	_, err = client.Files.Get(ctx, made.ID)
	return refused(err, 404, "No such File object")
}

// lockedThread is one whose run waits: it takes no messages until that is cancelled.
func lockedThread(ctx context.Context, client openai.Client) error {
	caller, err := newAssistant(ctx, client, getNickname)
	if err != nil {
		return err
	}
	thread, err := threadWith(ctx, client, chicago)
	if err != nil {
		return err
	}
	run, err := client.Beta.Threads.Runs.New(ctx, thread.ID, openai.BetaThreadRunNewParams{AssistantID: caller.ID})
	if err != nil {
		return err
	}
	if run, err = wait(ctx, client, run); err != nil {
		return err
	}
	_, err = client.Beta.Threads.Messages.New(ctx, thread.ID, openai.BetaThreadMessageNewParams{
		Role: "user", Content: openai.BetaThreadMessageNewParamsContentUnion{OfString: openai.String("more")},
	})
	if err := refused(err, 400, "while a run "+run.ID+" is active"); err != nil {
		return err
	}
	if run, err = client.Beta.Threads.Runs.Cancel(ctx, thread.ID, run.ID); err != nil {
		return err
	}
	if run, err = wait(ctx, client, run); err != nil {
		return err
	}
	if err := check(run.Status == "cancelled", "run %s", run.RawJSON()); err != nil {
		return err
	}
	_, err = client.Beta.Threads.Runs.Cancel(ctx, thread.ID, run.ID)
	return refused(err, 400, "Cannot cancel run with status 'cancelled'.")
}
