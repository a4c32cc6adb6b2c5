package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
)

// Limits of the file_search tool, as the hosted API has them.
const (
	defaultSearchResults = 20
	searchResultsGPT35   = 5
	searchTokens         = 16_000 // of the chunks that one call shows to the model
	maxQueries           = 8      // of one call
	maxQueryLength       = 4096   // bytes
	maxStoreWait         = 60 * time.Second
)

// searchGuide tells the model what its file search is like.
const searchGuide = "You can search the user's documents with the file_search tool: give it one or several short queries. " +
	"Each passage it returns begins with a marker such as 【4:0†name】. " +
	"Put the marker, exactly as it is, behind every statement that rests on the passage."

// maxNamedFiles bounds the searchable files that are named to the model.
const maxNamedFiles = 50

// vectorStores returns the vector stores that the run searches: its assistant's
// and its thread's.
func (x *execution) vectorStores(ctx context.Context) (assistant, thread []string, err error) {
	assistant = x.run.ToolResources.VectorStoreIDs()
	a, err := x.e.Store.Assistant(ctx, x.run.AssistantID)
	if err != nil && !understudy.IsNotFound(err) {
		return nil, nil, err
	}
	if err == nil {
		assistant = slices.Clone(assistant)
		for _, id := range a.ToolResources.VectorStoreIDs() {
			if !slices.Contains(assistant, id) {
				assistant = append(assistant, id)
			}
		}
	}
	th, err := x.e.Store.Thread(ctx, x.run.ThreadID)
	if err != nil {
		return nil, nil, err
	}
	return assistant, th.ToolResources.VectorStoreIDs(), nil
}

// errStoreExpired says that a vector store of the run has expired: the run fails.
// Its text is for the client.
type errStoreExpired struct{ error }

// prepareSearch makes the vector stores of a run that can search them ready:
// they count as used from now on, and files that were just given to the thread,
// or are in a store of the run's own, are waited for, for a while. Of a store of
// the assistant, which may be large and growing, one file is enough.
func (x *execution) prepareSearch(ctx context.Context) error {
	if !x.has(understudy.ToolFileSearch) {
		return nil
	}
	assistant, thread, err := x.vectorStores(ctx)
	if err != nil {
		return err
	}
	all := slices.Concat(assistant, thread)
	for _, id := range all {
		s, err := x.e.Store.VectorStore(ctx, id)
		if understudy.IsNotFound(err) {
			continue // it was deleted: there is less to find
		}
		if err != nil {
			return err
		}
		if s.Status == understudy.VectorStoreExpired {
			return errStoreExpired{understudy.ExpiredVectorStore(id)}
		}
	}
	if err := x.e.Store.TouchVectorStores(ctx, all...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, maxStoreWait)
	defer cancel()
	own := slices.Concat(x.run.ToolResources.VectorStoreIDs(), thread)
	for _, id := range all {
		some := !slices.Contains(own, id)
		if err := x.e.awaitIngestion(ctx, id, some); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return nil
}

// has reports whether the run has a built-in tool.
func (x *execution) has(tool understudy.ToolType) bool {
	return slices.ContainsFunc(x.run.Tools, func(t understudy.Tool) bool { return t.Type == tool })
}

// searchOptions are the run's options for file_search.
func (x *execution) searchOptions() understudy.FileSearchOptions {
	for _, t := range x.run.Tools {
		if t.Type == understudy.ToolFileSearch && t.FileSearch != nil {
			return *t.FileSearch
		}
	}
	return understudy.FileSearchOptions{}
}

// newFileSearch is a call of file_search before anything was found.
func (x *execution) newFileSearch() *understudy.FileSearchCall {
	c := &understudy.FileSearchCall{
		RankingOptions: understudy.FileSearchRanking{Ranker: understudy.DefaultRanker},
		Results:        []understudy.FileSearchResult{},
	}
	if r := x.searchOptions().RankingOptions; r != nil {
		c.RankingOptions = understudy.FileSearchRanking{Ranker: r.Ranker, ScoreThreshold: r.ScoreThreshold}
	}
	return c
}

// searchFiles makes a call of file_search.
func (x *execution) searchFiles(ctx context.Context, c *understudy.FileSearchCall) error {
	assistant, thread, err := x.vectorStores(ctx)
	if err != nil {
		return err
	}
	o := x.searchOptions()
	limit := defaultSearchResults
	switch {
	case o.MaxNumResults != nil:
		limit = *o.MaxNumResults
	case strings.HasPrefix(x.run.Model, "gpt-3.5"):
		limit = searchResultsGPT35
	}
	q := understudy.SearchRequest{Queries: c.Queries, MaxResults: limit, ScoreThreshold: float64(c.RankingOptions.ScoreThreshold)}
	start := time.Now()
	hits, err := x.e.Search(ctx, slices.Concat(assistant, thread), q)
	if err != nil {
		return cause(ctx, err)
	}
	room := searchTokens
	for _, h := range hits {
		if room -= len(h.Text) / 4; room < 0 && len(c.Results) > 0 {
			break
		}
		c.Results = append(c.Results, understudy.FileSearchResult{
			FileID: h.FileID, FileName: cleanName(h.Filename), Score: understudy.Float(h.Score), Attributes: h.Attributes,
			Content: []understudy.FileSearchContent{{Type: "text", Text: h.Text}},
		})
	}
	x.log.Info("file search", "queries", len(c.Queries), "results", len(c.Results), "duration", time.Since(start).Round(time.Microsecond))
	return nil
}

// searchQueries reads the queries out of a call's arguments, in any of the forms
// in which models write them.
func searchQueries(arguments string) []string {
	var object struct {
		Queries json.RawMessage `json:"queries"`
		Query   json.RawMessage `json:"query"`
	}
	var all []string
	if json.Unmarshal([]byte(arguments), &object) != nil {
		all = []string{arguments}
	} else {
		for _, raw := range []json.RawMessage{object.Queries, object.Query} {
			var many []string
			var single string
			switch {
			case json.Unmarshal(raw, &single) == nil:
				all = append(all, single)
			case json.Unmarshal(raw, &many) == nil:
				all = append(all, many...)
			}
		}
	}
	var queries []string
	for _, q := range all {
		if len(q) > maxQueryLength {
			q = strings.ToValidUTF8(q[:maxQueryLength], "")
		}
		if q = strings.TrimSpace(q); q != "" && !slices.Contains(queries, q) && len(queries) < maxQueries {
			queries = append(queries, q)
		}
	}
	return queries
}

// searchOutput is what the model sees of a search.
func searchOutput(c *understudy.FileSearchCall) string {
	if len(c.Results) == 0 {
		return "Nothing was found."
	}
	var b strings.Builder
	for i, r := range c.Results {
		if len(r.Content) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s\n%s\n\n", c.Marker(i), r.Content[0].Text)
	}
	return b.String()
}

// searchable names the files that the run can search, for the model.
func (x *execution) searchable(ctx context.Context) (string, error) {
	assistant, thread, err := x.vectorStores(ctx)
	if err != nil {
		return "", err
	}
	files, err := x.e.Store.IndexedFiles(ctx, slices.Concat(assistant, thread)...)
	if err != nil || len(files) == 0 {
		return "", err
	}
	var b strings.Builder
	b.WriteString("\nDocuments of the user:")
	for i, f := range files {
		if i == maxNamedFiles {
			fmt.Fprintf(&b, "\n- and %d more", len(files)-i)
			break
		}
		b.WriteString("\n- " + cleanName(f.Filename))
	}
	return b.String(), nil
}
