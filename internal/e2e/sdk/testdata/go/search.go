package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/openai/openai-go/v3"
)

// search puts a batch of files into a vector store, which runs search and cite.
func search(ctx context.Context, client openai.Client) error {
	store, err := client.VectorStores.New(ctx, openai.VectorStoreNewParams{Name: openai.String("Library")})
	if err != nil {
		return err
	}
	harbour, err := fillStore(ctx, client, store.ID)
	if err != nil {
		return err
	}
	found, err := client.VectorStores.Search(ctx, store.ID, openai.VectorStoreSearchParams{
		Query: openai.VectorStoreSearchParamsQueryUnion{OfString: openai.String("temperature of the brood of bees")},
	})
	if err != nil {
		return err
	}
	if err := check(len(found.Data) > 0 && found.Data[0].Filename == "bees.md" && strings.Contains(found.Data[0].Content[0].Text, "35 degrees"), "found %s", found.RawJSON()); err != nil {
		return err
	}
	if err := searchInRun(ctx, client, store.ID, harbour); err != nil {
		return err
	}
	if _, err := client.VectorStores.Files.Delete(ctx, store.ID, harbour); err != nil {
		return err
	}
	if _, err := client.VectorStores.Delete(ctx, store.ID); err != nil {
		return err
	}
	_, err = client.VectorStores.Get(ctx, store.ID)
	return refused(err, 404, store.ID)
}

// fillStore uploads files into a store and returns the id of harbour.txt.
func fillStore(ctx context.Context, client openai.Client, store string) (harbour string, err error) {
	file := func(name, text string) openai.FileNewParams {
		return openai.FileNewParams{File: openai.File(strings.NewReader(text), name, "text/plain"), Purpose: openai.FilePurposeAssistants}
	}
	batch, err := client.VectorStores.FileBatches.UploadAndPoll(ctx, store, []openai.FileNewParams{
		file("harbour.txt", "The harbour of Lisbon was rebuilt in 1887. Its lighthouse is painted red and white."),
		file("bees.md", "A colony of bees keeps its brood at 35 degrees. The queen lays two thousand eggs a day."),
	}, nil, 0)
	if err != nil {
		return "", err
	}
	if err := check(batch.Status == "completed" && batch.FileCounts.Completed == 2, "batch %s", batch.RawJSON()); err != nil {
		return "", err
	}
	added, err := client.VectorStores.Files.UploadAndPoll(ctx, store, file("recipe.txt", "Knead the dough for ten minutes."), 0)
	if err != nil {
		return "", err
	}
	if err := check(added.Status == "completed", "file %s", added.RawJSON()); err != nil {
		return "", err
	}
	count := 0
	for pager := client.VectorStores.Files.ListAutoPaging(ctx, store, openai.VectorStoreFileListParams{Limit: openai.Int(1)}); ; count++ {
		if !pager.Next() {
			if err := pager.Err(); err != nil {
				return "", err
			}
			break
		}
		info, err := client.Files.Get(ctx, pager.Current().ID)
		if err != nil {
			return "", err
		}
		if info.Filename == "harbour.txt" {
			harbour = info.ID
		}
	}
	return harbour, check(count == 3 && harbour != "", "%d files, harbour.txt is %q", count, harbour)
}

func searchInRun(ctx context.Context, client openai.Client, store, harbour string) error {
	assistant, err := client.Beta.Assistants.New(ctx, openai.BetaAssistantNewParams{
		Model: openai.ChatModelGPT4o,
		Tools: []openai.AssistantToolUnionParam{{OfFileSearch: &openai.FileSearchToolParam{}}},
		ToolResources: openai.BetaAssistantNewParamsToolResources{
			FileSearch: openai.BetaAssistantNewParamsToolResourcesFileSearch{VectorStoreIDs: []string{store}},
		},
	})
	if err != nil {
		return err
	}
	thread, err := threadWith(ctx, client, "When was the harbour of Lisbon rebuilt?")
	if err != nil {
		return err
	}
	got, err := listen(client.Beta.Threads.Runs.NewStreaming(ctx, thread.ID, openai.BetaThreadRunNewParams{AssistantID: assistant.ID}))
	if err != nil {
		return err
	}
	said, err := lastAnswer(ctx, client, thread.ID)
	if err != nil {
		return err
	}
	if err := check(got.text == said.Value && strings.Contains(said.Value, "1887"), "heard %q, kept %q", got.text, said.Value); err != nil {
		return err
	}
	cited := false
	for _, note := range said.Annotations {
		text := string([]rune(said.Value)[note.StartIndex:note.EndIndex])
		if err := check(text == note.Text, "annotation %s of %q", note.RawJSON(), said.Value); err != nil {
			return err
		}
		cited = cited || note.FileCitation.FileID == harbour
	}
	if err := check(cited, "no citation of %s: %s", harbour, said.RawJSON()); err != nil {
		return err
	}
	steps, err := client.Beta.Threads.Runs.Steps.List(ctx, thread.ID, got.run.ID, openai.BetaThreadRunStepListParams{
		Order:   "asc",
		Include: []openai.RunStepInclude{openai.RunStepIncludeStepDetailsToolCallsFileSearchResultsContent},
	})
	if err != nil {
		return err
	}
	results := steps.Data[0].StepDetails.ToolCalls[0].FileSearch.Results
	return check(len(results) > 0 && results[0].FileName == "harbour.txt" && strings.Contains(results[0].Content[0].Text, "1887"), "step %s", steps.Data[0].RawJSON())
}

// uploads sends a file in parts, whose order is said at the end.
func uploads(ctx context.Context, client openai.Client) error {
	begin := func(bytes int64) (*openai.Upload, error) {
		return client.Uploads.New(ctx, openai.UploadNewParams{
			Bytes: bytes, Filename: "two.txt", MimeType: "text/plain", Purpose: openai.FilePurposeAssistants,
		})
	}
	upload, err := begin(10)
	if err != nil {
		return err
	}
	var parts []string
	for _, text := range []string{"hello", "world"} {
		part, err := client.Uploads.Parts.New(ctx, upload.ID, openai.UploadPartNewParams{Data: strings.NewReader(text)})
		if err != nil {
			return fmt.Errorf("part: %w", err)
		}
		parts = append(parts, part.ID)
	}
	upload, err = client.Uploads.Complete(ctx, upload.ID, openai.UploadCompleteParams{PartIDs: parts})
	if err != nil {
		return err
	}
	content, err := download(ctx, client, upload.File.ID)
	if err != nil {
		return err
	}
	if err := check(upload.Status == "completed" && string(content) == "helloworld", "upload %s: %q", upload.RawJSON(), content); err != nil {
		return err
	}
	if upload, err = begin(3); err != nil {
		return err
	}
	if upload, err = client.Uploads.Cancel(ctx, upload.ID); err != nil {
		return err
	}
	if err := check(upload.Status == "cancelled", "upload %s", upload.RawJSON()); err != nil {
		return err
	}
	_, err = client.Uploads.Parts.New(ctx, upload.ID, openai.UploadPartNewParams{Data: strings.NewReader("abc")})
	return refused(err, 400, "")
}
