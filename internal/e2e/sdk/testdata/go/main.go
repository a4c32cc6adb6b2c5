// Programs runs one program against the server with the Go SDK: its name is the
// argument. It prints nothing if all is well.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	programs := map[string]func(context.Context, openai.Client) error{
		"polling": polling, "streaming": streaming, "objects": objects,
		"search": search, "uploads": uploads, "azure": azureClient,
	}
	program, ok := programs[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such program")
		os.Exit(2)
	}
	// The address and the key are in the environment.
	if err := program(context.Background(), openai.NewClient()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const (
	equation = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
	chicago  = "What is the nickname of Chicago?"
)

var (
	codeInterpreter = openai.AssistantToolUnionParam{OfCodeInterpreter: &openai.CodeInterpreterToolParam{}}
	getNickname     = openai.AssistantToolUnionParam{OfFunction: &openai.FunctionToolParam{
		Function: openai.FunctionDefinitionParam{
			Name: "getNickname",
			Parameters: openai.FunctionParameters{
				"type":       "object",
				"properties": map[string]any{"location": map[string]any{"type": "string"}},
				"required":   []string{"location"},
			},
		},
	}}
)

func newAssistant(ctx context.Context, client openai.Client, tools ...openai.AssistantToolUnionParam) (*openai.Assistant, error) {
	return client.Beta.Assistants.New(ctx, openai.BetaAssistantNewParams{Model: openai.ChatModelGPT4o, Tools: tools})
}

// threadWith makes a thread with one message.
func threadWith(ctx context.Context, client openai.Client, text string) (*openai.Thread, error) {
	return client.Beta.Threads.New(ctx, openai.BetaThreadNewParams{Messages: []openai.BetaThreadNewParamsMessage{{
		Role: "user", Content: openai.BetaThreadNewParamsMessageContentUnion{OfString: openai.String(text)},
	}}})
}

// wait polls a run, for which the SDK has no helper, until nothing more happens by
// itself. The header is that of the other SDKs' helpers: the server then answers
// when there is news.
func wait(ctx context.Context, client openai.Client, run *openai.Run) (*openai.Run, error) {
	for run.Status == "queued" || run.Status == "in_progress" || run.Status == "cancelling" {
		var err error
		if run, err = client.Beta.Threads.Runs.Get(ctx, run.ThreadID, run.ID, option.WithHeader("X-Stainless-Poll-Helper", "true")); err != nil {
			return nil, err
		}
	}
	return run, nil
}

// answers gives the same output for every call that a run waits for.
func answers(run *openai.Run, output string) openai.BetaThreadRunSubmitToolOutputsParams {
	var params openai.BetaThreadRunSubmitToolOutputsParams
	for _, call := range run.RequiredAction.SubmitToolOutputs.ToolCalls {
		params.ToolOutputs = append(params.ToolOutputs, openai.BetaThreadRunSubmitToolOutputsParamsToolOutput{
			ToolCallID: openai.String(call.ID), Output: openai.String(output),
		})
	}
	return params
}

// lastAnswer returns the text of the newest message, of which it is the last part.
func lastAnswer(ctx context.Context, client openai.Client, thread string) (openai.Text, error) {
	page, err := client.Beta.Threads.Messages.List(ctx, thread, openai.BetaThreadMessageListParams{})
	if err != nil {
		return openai.Text{}, err
	}
	content := page.Data[0].Content
	return content[len(content)-1].Text, nil
}

func download(ctx context.Context, client openai.Client, file string) ([]byte, error) {
	response, err := client.Files.Content(ctx, file)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func upload(ctx context.Context, client openai.Client, name, text string) (*openai.FileObject, error) {
	return client.Files.New(ctx, openai.FileNewParams{
		File: openai.File(strings.NewReader(text), name, "text/plain"), Purpose: openai.FilePurposeAssistants,
	})
}

// check returns an error that says what was expected, unless it is so.
func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// refused checks that an error is the server's, with this status and message.
func refused(err error, status int, fragment string) error {
	var refusal *openai.Error
	if !errors.As(err, &refusal) {
		return fmt.Errorf("not refused: %v", err)
	}
	return check(refusal.StatusCode == status && strings.Contains(refusal.Message, fragment), "refused otherwise: %v", err)
}
