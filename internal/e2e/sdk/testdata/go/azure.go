package main

import (
	"context"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/azure"
)

// azureClient runs code through the Azure dialect, over TLS: the newest SDK sends
// no key in the clear.
func azureClient(ctx context.Context, _ openai.Client) error {
	client := openai.NewClient(azure.WithEndpoint(os.Getenv("UNDERSTUDY_HTTPS"), "2024-05-01-preview"), azure.WithAPIKey("any"))
	assistant, err := newAssistant(ctx, client, codeInterpreter)
	if err != nil {
		return err
	}
	thread, err := threadWith(ctx, client, equation)
	if err != nil {
		return err
	}
	got, err := listen(client.Beta.Threads.Runs.NewStreaming(ctx, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID}))
	if err != nil {
		return err
	}
	if err := check(strings.Contains(got.text, "x = 1"), "heard %q", got.text); err != nil {
		return err
	}
	file, err := upload(ctx, client, "a.txt", "text")
	if err != nil {
		return err
	}
	if err := check(strings.HasPrefix(file.ID, "assistant-"), "file %s", file.ID); err != nil {
		return err
	}
	content, err := download(ctx, client, file.ID)
	if err != nil {
		return err
	}
	return check(string(content) == "text", "content %q", content)
}
