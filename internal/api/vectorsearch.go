package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/understudy-dev/understudy"
)

// errNoSearch answers where nothing ingests and searches files.
var errNoSearch = &understudy.Error{Kind: understudy.KindUnavailable, Message: "This server does not search files."}

// touchInterval is how old the last use of a store must be for a search to be
// recorded as the next: expiry counts days, and searches are not to write.
const touchInterval = time.Minute

// queries are one query or several.
type queries []string

// UnmarshalJSON decodes either form. The schema has checked that it is one.
func (q *queries) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*q = make(queries, 1)
		return json.Unmarshal(b, &(*q)[0])
	}
	return json.Unmarshal(b, (*[]string)(q))
}

// searchRequest is the body that searches a vector store.
type searchRequest struct {
	Query          queries            `json:"query"`
	MaxNumResults  *int               `json:"max_num_results"`
	Filters        *understudy.Filter `json:"filters"`
	RankingOptions struct {
		Ranker         string  `json:"ranker"`
		ScoreThreshold float64 `json:"score_threshold"`
	} `json:"ranking_options"`
	RewriteQuery bool `json:"rewrite_query"`
}

// resultPage is a page of results, which cannot be paged through.
type resultPage[T any] struct {
	Object      string   `json:"object"`
	SearchQuery []string `json:"search_query,omitempty"`
	Data        []T      `json:"data"`
	HasMore     bool     `json:"has_more"`  // always false
	NextPage    *string  `json:"next_page"` // always null
}

type searchResult struct {
	FileID     string                         `json:"file_id"`
	Filename   string                         `json:"filename"`
	Score      understudy.Float               `json:"score"`
	Attributes understudy.Attributes          `json:"attributes"`
	Content    []understudy.FileSearchContent `json:"content"`
}

func textContent(s string) understudy.FileSearchContent {
	return understudy.FileSearchContent{Type: "text", Text: s}
}

func (s *server) searchVectorStore(w http.ResponseWriter, r *http.Request) error {
	ids, err := pathIDs(r, "vector_store_id")
	if err != nil {
		return err
	}
	var q searchRequest
	if err := s.decode(w, r, s.schemas.search, &q); err != nil {
		return err
	}
	v, err := s.Store.VectorStore(r.Context(), ids[0])
	switch {
	case err != nil:
		return err
	case v.Status == understudy.VectorStoreExpired:
		return understudy.ExpiredVectorStore(v.ID)
	case s.Search == nil:
		return errNoSearch
	}
	if time.Since(time.Unix(v.LastActiveAt, 0)) > touchInterval {
		if err := s.Store.TouchVectorStores(r.Context(), v.ID); err != nil {
			return err
		}
	}
	request := understudy.SearchRequest{
		Queries: q.Query, MaxResults: understudy.DefaultSearchResults, Filter: q.Filters,
		Ranker: q.RankingOptions.Ranker, ScoreThreshold: q.RankingOptions.ScoreThreshold, RewriteQuery: q.RewriteQuery,
	}
	set(&request.MaxResults, q.MaxNumResults)
	hits, err := s.Search.Search(r.Context(), []string{v.ID}, request)
	if err != nil {
		return err
	}
	results := resultPage[searchResult]{Object: "vector_store.search_results.page", SearchQuery: q.Query, Data: []searchResult{}}
	for _, h := range hits {
		results.Data = append(results.Data, searchResult{
			FileID: h.FileID, Filename: h.Filename, Score: understudy.Float(h.Score), Attributes: h.Attributes,
			Content: []understudy.FileSearchContent{textContent(h.Text)},
		})
	}
	return ok(w, results)
}

func (s *server) vectorStoreFileContent(w http.ResponseWriter, r *http.Request) error {
	storeID, fileID, err := storeFileIDs(r)
	if err != nil {
		return err
	}
	if s.Search == nil {
		return errNoSearch
	}
	text, err := s.Search.FileText(r.Context(), storeID, fileID)
	if err != nil {
		return err
	}
	return ok(w, resultPage[understudy.FileSearchContent]{
		Object: "vector_store.file_content.page", Data: []understudy.FileSearchContent{textContent(text)},
	})
}
