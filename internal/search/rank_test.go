package search

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whole makes a segment of one chunk.
func whole(text string) *Segment { return Build(text, []Span{{Start: 0, End: len(text)}}) }

func segments(texts ...string) []*Segment {
	var all []*Segment
	for _, text := range texts {
		all = append(all, whole(text))
	}
	return all
}

func order(results []Result) []int {
	found := []int{}
	for _, r := range results {
		found = append(found, r.Segment)
	}
	return found
}

func TestRankOrder(t *testing.T) {
	tests := []struct {
		name    string
		texts   []string
		queries []string
		want    []int
	}{
		{"nothing to search", nil, []string{"cat"}, []int{}},
		{"no query", []string{"cat"}, nil, []int{}},
		{"no word", []string{"cat"}, []string{"... !"}, []int{}},
		{"absent", []string{"cat", ""}, []string{"dog"}, []int{}},
		{"more of it", []string{"cat dog dog", "cat cat dog"}, []string{"cat"}, []int{1, 0}},
		{"shorter", []string{"a cat and some other animals", "a cat"}, []string{"cat"}, []int{1, 0}},
		{"rare words", []string{"the the the the", "the zebra eats", "the cat eats"}, []string{"the zebra"}, []int{1, 0, 2}},
		{"ties in order", []string{"cat", "cat", "cat"}, []string{"cat"}, []int{0, 1, 2}},
		{"case and accents", []string{"Ação", "reação"}, []string{"acao"}, []int{0}},
		{"identifier first", []string{"the user has a name to get", "call getUserName here now ok"}, []string{"getUserName"}, []int{1, 0}},
		{"parts of identifiers", []string{"max_chunk_size", "tokens"}, []string{"chunk size"}, []int{0}},
		{"a number", []string{"error 4041", "error 404"}, []string{"404"}, []int{1}},
		{"chinese", []string{"删除助手的方法", "创建新的线程"}, []string{"如何删除助手"}, []int{0}},
		{"one character", []string{"飲み水", "火山"}, []string{"水"}, []int{0}},
		{"two queries", []string{"cat", "bird", "dog"}, []string{"dog", "cat"}, []int{0, 2}},
		{"in both rankings", []string{"cat cat", "dog dog", "cat dog"}, []string{"cat", "dog"}, []int{2, 0, 1}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, order(Rank(segments(tt.texts...), tt.queries, 10))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestRankLimit(t *testing.T) {
	s := segments(strings.Fields(strings.Repeat("cat ", 500))...)
	for _, limit := range []int{-1, 0, 1, 10, 400} {
		if got, want := len(Rank(s, []string{"cat"}, limit)), max(limit, 0); got != want {
			t.Errorf("limit %d: got %d results", limit, got)
		}
	}
}

// TestRankScore checks scores against BM25 as it is written in textbooks, on the
// scale of [Result].
func TestRankScore(t *testing.T) {
	texts := []string{"cat cat dog", "dog", "fish and dog and more of it"}
	lengths, average := []float64{3, 1, 7}, 11.0/3
	idf := func(df float64) float64 { return math.Log(1 + (3-df+0.5)/(df+0.5)) }
	bm25 := func(weight, n, length float64) float64 {
		return weight * n * 2.2 / (n + 1.2*(1-0.75+0.75*length/average))
	}
	cat, dog := idf(1), idf(3)
	best := 2.2 * (cat + dog) * 3 / 2 // a bird, which is nowhere, weighs as much as the others
	want := []Result{
		{Segment: 0, Score: relevance((bm25(cat, 2, lengths[0]) + bm25(dog, 1, lengths[0])) / best)},
		{Segment: 1, Score: relevance(bm25(dog, 1, lengths[1]) / best)},
		{Segment: 2, Score: relevance(bm25(dog, 1, lengths[2]) / best)},
	}
	got := Rank(segments(texts...), []string{"dog cat bird"}, 10)
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRelevance(t *testing.T) {
	for share, want := range map[float64]float64{0: 0, 1 / 2.2 / 2: 0.445, 1 / 2.2: 0.75, 0.8: 0.975, 1: 1} {
		if got := relevance(share); math.Abs(got-want) > 5e-4 {
			t.Errorf("%.3f: got %.4f, want %.3f", share, got, want)
		}
	}
}

// Chunks rank the same in one segment and in many.
func TestRankAcrossSegments(t *testing.T) {
	var text strings.Builder
	var spans []Span
	var many []*Segment
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		start := text.Len()
		for range 20 + r.IntN(30) {
			fmt.Fprintf(&text, "w%d ", int(math.Exp(r.Float64()*6)))
		}
		spans = append(spans, Span{Start: start, End: text.Len()})
		many = append(many, whole(text.String()[start:]))
	}
	one := []*Segment{Build(text.String(), spans)}
	queries := []string{"w1 w40 w200", "w7", "w300 w2 w2"}
	got := Rank(one, queries, 50)
	want := Rank(many, queries, 50)
	for i := range want {
		want[i].Segment, want[i].Chunk = 0, want[i].Segment
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("many segments and one (-many +one):\n%s", diff)
	}
}

func TestRankLeavesOutNeighboursThatAddLittle(t *testing.T) {
	filler := strings.Repeat("nothing here. ", 20)
	text := filler + "the zebra sleeps. " + filler + filler + "the zebra eats. " + filler
	at := func(s string) int { return strings.Index(text, s) }
	sleeps, eats := at("the zebra sleeps"), at("the zebra eats")
	tests := []struct {
		name  string
		spans []Span
		want  int
	}{
		{"the same place twice", []Span{{0, eats - 100}, {sleeps - 50, eats - 50}}, 1},
		{"two places", []Span{{0, eats - 100}, {eats - 200, len(text)}}, 2},
		{"one place and both", []Span{{sleeps - 20, sleeps + 40}, {sleeps - 20, len(text)}}, 2},
		{"both, and two that have one each", []Span{{0, sleeps + 40}, {eats - 40, len(text)}, {sleeps - 30, eats + 30}}, 1},
		{"two, and one that has both", []Span{{sleeps - 5, sleeps + 40}, {eats - 5, eats + 40}, {0, len(text)}}, 2},
		{"only touching", []Span{{0, eats}, {eats, len(text)}}, 2},
	}
	for _, tt := range tests {
		got := Rank([]*Segment{Build(text, tt.spans)}, []string{"where is the zebra"}, 10)
		if len(got) != tt.want {
			t.Errorf("%s: got %v, want %d results", tt.name, got, tt.want)
		}
	}
	// Those of another segment repeat nothing, whatever their text.
	if got := Rank(segments(text, text), []string{"zebra"}, 10); len(got) != 2 {
		t.Errorf("two files: got %v", got)
	}
}

// corpus makes segments with words as frequent as in a language. Of many segments
// most are copies, which are not in the same memory.
func corpus(files, chunksEach int) []*Segment {
	r := rand.New(rand.NewPCG(7, 7))
	z := rand.NewZipf(r, 1.1, 3, 200_000)
	var all []*Segment
	for range min(files, max(4, 4000/chunksEach)) {
		var text strings.Builder
		var starts []int
		for range chunksEach + 1 { // half a chunk each
			starts = append(starts, text.Len())
			for range 250 {
				fmt.Fprintf(&text, "w%d ", z.Uint64())
			}
		}
		starts = append(starts, text.Len())
		var spans []Span
		for i := range chunksEach {
			spans = append(spans, Span{Start: starts[i], End: starts[i+2]})
		}
		all = append(all, Build(text.String(), spans))
	}
	for i := 0; len(all) < files; i++ {
		s, err := Parse(bytes.Clone(all[i].data))
		if err != nil {
			panic(err)
		}
		all = append(all, s)
	}
	return all
}

func BenchmarkRank(b *testing.B) {
	for _, size := range []struct{ files, chunks int }{{10_000, 20}, {100, 2000}} {
		all := corpus(size.files, size.chunks)
		for _, q := range []struct{ name, query string }{
			{"rare", "w15000 w22222 w31313 w40404 w60606"},
			{"common", "w0 w1 w2 w3 w5"},
			{"mixed", "w0 w1 w2 w7 w300 w2500 w15000 w40404"},
		} {
			b.Run(fmt.Sprintf("%dx%d/%s", size.files, size.chunks, q.name), func(b *testing.B) {
				b.ReportAllocs()
				var took []time.Duration
				for b.Loop() {
					start := time.Now()
					Rank(all, []string{q.query}, 20)
					took = append(took, time.Since(start))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			})
		}
	}
}
