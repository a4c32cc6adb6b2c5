package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

func threadWith(t testing.TB, db *store.DB, metadata understudy.Metadata) string {
	t.Helper()
	th := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread), Object: "thread", CreatedAt: 1, Metadata: metadata}
	if err := db.CreateThread(t.Context(), th, nil); err != nil {
		t.Fatal(err)
	}
	return th.ID
}

func listThreads(t testing.TB, db *store.DB, metadata understudy.Metadata, p understudy.Page) (ids []string, more bool) {
	t.Helper()
	all, more, err := db.ListThreads(t.Context(), metadata, p)
	if err != nil {
		t.Fatalf("ListThreads(%v, %v): %v", metadata, p, err)
	}
	for _, th := range all {
		ids = append(ids, th.ID)
	}
	return ids, more
}

// TestThreadsByMetadata uses keys and values that would mean something else if
// they became part of a statement or of a JSON path.
func TestThreadsByMetadata(t *testing.T) {
	db := open(t)
	threadWith(t, db, nil)
	words := []string{
		"user", "a.b", `say "hi"`, `back\slash`, "$", "$.object", "[0]", "#", "1", "", " ", "it's", "'; DROP TABLE threads; --",
		"<b>&amp;", "ключ", "😀", "line\nbreak", "\u2028", "%", "_", "?", "$1", "NULL", "true", "metadata", "*", "nul\x00x",
	}
	for _, key := range words {
		for _, value := range []string{"", "7", "=" + key} {
			id := threadWith(t, db, understudy.Metadata{key: value, "other": "x"})
			threadWith(t, db, understudy.Metadata{key: value + "!", key + "!": value})
			got, _ := listThreads(t, db, understudy.Metadata{key: value}, understudy.Page{Limit: 10})
			if diff := cmp.Diff([]string{id}, got); diff != "" {
				t.Errorf("threads with %q: %q (-want +got):\n%s", key, value, diff)
			}
			if got, _ := listThreads(t, db, understudy.Metadata{key: value, "other": "y"}, understudy.Page{Limit: 10}); got != nil {
				t.Errorf("threads with %q: %q and another pair that none has: got %v", key, value, got)
			}
		}
	}
}

func TestThreadPages(t *testing.T) {
	db := open(t)
	var even, all []string
	for i := range 10 {
		id := threadWith(t, db, understudy.Metadata{"parity": []string{"even", "odd"}[i%2], "n": fmt.Sprint(i)})
		if all = append(all, id); i%2 == 0 {
			even = append(even, id)
		}
	}
	parity := understudy.Metadata{"parity": "even"}
	for name, tc := range map[string]struct {
		metadata understudy.Metadata
		page     understudy.Page
		want     []string
		more     bool
	}{
		"newest first":    {nil, understudy.Page{Limit: 2, Order: understudy.Desc}, []string{all[9], all[8]}, true},
		"all":             {nil, understudy.Page{Limit: 10, Order: understudy.Asc}, all, false},
		"some":            {parity, understudy.Page{Limit: 2, Order: understudy.Asc}, even[:2], true},
		"after one":       {parity, understudy.Page{Limit: 3, Order: understudy.Asc, After: even[1]}, even[2:], false},
		"after one not":   {parity, understudy.Page{Limit: 2, Order: understudy.Asc, After: all[3]}, even[2:4], true},
		"before one":      {parity, understudy.Page{Limit: 2, Order: understudy.Asc, Before: even[3]}, even[1:3], true},
		"both, backwards": {parity, understudy.Page{Limit: 9, Order: understudy.Desc, After: even[4], Before: all[3]}, []string{even[3], even[2]}, false},
		"two pairs":       {understudy.Metadata{"parity": "even", "n": "4"}, understudy.Page{Limit: 2}, []string{all[4]}, false},
	} {
		got, more := listThreads(t, db, tc.metadata, tc.page)
		if diff := cmp.Diff(tc.want, got); diff != "" || more != tc.more {
			t.Errorf("%s: more %v, want %v (-want +got):\n%s", name, more, tc.more, diff)
		}
	}
}

// BenchmarkListThreads pages through 100,000 threads, and looks for the oldest by
// its metadata, past all others.
func BenchmarkListThreads(b *testing.B) {
	db := open(b)
	const n = 100_000
	fill(b, db, n)
	for name, metadata := range map[string]understudy.Metadata{"plain": nil, "metadata": {"user": "0"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := db.ListThreads(b.Context(), metadata, understudy.Page{Limit: 20, Order: understudy.Desc}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fill makes n threads.
func fill(b *testing.B, db *store.DB, n int) {
	b.Helper()
	work := make(chan int)
	done := make(chan error)
	const writers = 64
	for range writers {
		go func() {
			var err error
			for i := range work {
				if err == nil {
					err = db.CreateThread(b.Context(), &understudy.Thread{
						ID: understudy.NewID(understudy.PrefixThread), Object: "thread", CreatedAt: 1,
						Metadata: understudy.Metadata{"user": fmt.Sprint(i), "tenant": "acme", "app": "support"},
					}, nil)
				}
			}
			done <- err
		}()
	}
	for i := range n {
		work <- i
	}
	close(work)
	for range writers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
