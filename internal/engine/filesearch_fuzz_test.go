package engine

import (
	"testing"
	"unicode/utf8"
)

// FuzzSearchQueries checks that whatever a model writes as arguments becomes a
// few queries of bounded length.
func FuzzSearchQueries(f *testing.F) {
	f.Add(`{"queries":["a","b","a"," "]}`)
	f.Add(`{"query":"a","queries":"b"}`)
	f.Add(`plain words`)
	f.Add(`{"queries":[1,null]}`)
	f.Fuzz(func(t *testing.T, arguments string) {
		queries := searchQueries(arguments)
		if len(queries) > maxQueries {
			t.Errorf("%d queries", len(queries))
		}
		for _, q := range queries {
			if q == "" || len(q) > maxQueryLength || utf8.ValidString(arguments) && !utf8.ValidString(q) {
				t.Errorf("query %q", q)
			}
		}
	})
}
