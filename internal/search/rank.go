package search

import (
	"cmp"
	"math"
	"slices"
)

// Parameters of BM25: how soon more of a word stops to matter, and how much the
// length of a chunk does.
const (
	bm25K1 = 1.2
	bm25B  = 0.75
)

// fusionRank is k of reciprocal rank fusion: how little the first ranks of a list
// stand out.
const fusionRank = 60

// maxQueryTerms is how many different terms of a query are searched for.
const maxQueryTerms = 128

// A Result is a chunk that was found. Segment is the index of its segment in the
// slice that was searched, Chunk its index there.
//
// Score tells how good it is, from 0 to 1: the share that the chunk has of the
// best score that any text could have for the query. A chunk of average length
// that has every word of the query once has 0.45, one that has half of the words
// half of that, where rare words weigh more than common ones, and words that are
// found nowhere most of all. More than 0.8 takes a short chunk that is about
// nothing else. With several queries it is the best of the chunk's scores.
type Result struct {
	Segment, Chunk int
	Score          float64
}

// Rank returns the limit best chunks of segments for the queries, the best first;
// equals are in the order of segments and chunks. A chunk that has no word of any
// query is no result.
//
// Chunks are ranked for each query by itself. Of several rankings each chunk gets
// 1/(60+rank) from each that it is in, and the order is that of the sums (so Score
// need not fall from one result to the next). A chunk that overlaps a better one of
// the same segment is left out if it adds little: if the text that it does not
// share has less than half of what it matches.
//
// Of a query the first 128 different words count. Rank may be called by many at
// once.
func Rank(segments []*Segment, queries []string, limit int) []Result {
	if limit <= 0 {
		return nil
	}
	r := ranker{segments: segments}
	for _, s := range segments {
		r.chunks += s.Chunks()
		r.words += s.words
	}
	// More than asked for, since neighbours are left out and rankings are fused.
	depth := max(100, 4*limit)
	weights := map[term]float64{}
	lists := make([][]Result, 0, len(queries))
	for _, query := range queries {
		terms, at := r.lookUp(query)
		for _, t := range terms {
			weights[t.term] = max(weights[t.term], t.weight)
		}
		lists = append(lists, r.rank(terms, at, depth))
	}
	return r.withoutRepeats(fuse(lists), weights, limit)
}

// ranker searches segments as one.
type ranker struct {
	segments []*Segment
	chunks   int
	words    uint64
}

// queryTerm is a term of a query.
type queryTerm struct {
	term   term
	role   role
	weight float64 // how rare it is: the inverse document frequency
}

// found says where the postings of the terms of a query are: for every segment,
// and in it for every term, the offset of the first or absent.
type found []uint32

const absent = math.MaxUint32

// lookUp returns the terms of a query and where they are. Variants that no chunk
// has are left out.
func (r *ranker) lookUp(query string) ([]queryTerm, found) {
	terms := queryTerms(query)
	counts := make([]uint64, len(terms))
	at := make(found, 0, len(r.segments)*len(terms))
	for _, s := range r.segments {
		for i, t := range terms {
			offset := s.find(t.term)
			at = append(at, offset)
			if offset != absent {
				p := postings{data: s.postings[offset:]}
				counts[i] += p.start()
			}
		}
	}
	for i := range terms {
		n := float64(counts[i])
		terms[i].weight = math.Log1p((float64(r.chunks) - n + 0.5) / (n + 0.5))
		if terms[i].role == variant && counts[i] == 0 {
			terms[i].weight = 0
		}
	}
	return terms, at
}

// queryTerms returns the different terms of a query, in order.
func queryTerms(query string) []queryTerm {
	var terms []queryTerm
	a := analyzer{query: true, emit: func(t term, role role) {
		i := slices.IndexFunc(terms, func(q queryTerm) bool { return q.term == t })
		if i >= 0 {
			terms[i].role = min(terms[i].role, role)
		} else if len(terms) < maxQueryTerms {
			terms = append(terms, queryTerm{term: t, role: role})
		}
	}}
	a.analyze(query)
	return terms
}

// rank returns the best chunks for terms, which are where at says.
func (r *ranker) rank(terms []queryTerm, at found, limit int) []Result {
	var best float64
	for _, t := range terms {
		best += t.weight * (bm25K1 + 1)
	}
	average := max(1, float64(r.words)/float64(max(1, r.chunks)))
	results := top{limit: limit}
	var scores []float64 // of the chunks of the segment at hand
	for n, s := range r.segments {
		offsets := at[n*len(terms) : (n+1)*len(terms)]
		scores = scores[:0]
		for i, t := range terms {
			if offsets[i] == absent {
				continue
			}
			if len(scores) == 0 {
				scores = slices.Grow(scores, s.Chunks())[:s.Chunks()]
				clear(scores)
			}
			s.score(scores, offsets[i], t.weight, average)
		}
		for chunk, score := range scores {
			if score > 0 {
				results.add(Result{Segment: n, Chunk: chunk, Score: min(1, score/best)})
			}
		}
	}
	return results.best()
}

// score adds what a term of the given weight contributes to the scores of the
// segment's chunks. Its postings begin at offset.
func (s *Segment) score(scores []float64, offset uint32, weight, average float64) {
	p := postings{data: s.postings[offset:]}
	perWord := bm25K1 * bm25B / average
	for range p.start() {
		p.next()
		n := float64(p.n)
		scores[p.chunk] += weight * (bm25K1 + 1) * n / (n + bm25K1*(1-bm25B) + perWord*float64(s.length(p.chunk)))
	}
}

// top keeps the best results.
type top struct {
	limit int
	kept  []Result // up to twice limit
	floor float64  // a later one must have more to be among them
}

func (t *top) add(r Result) {
	if r.Score <= t.floor {
		return
	}
	t.kept = append(t.kept, r)
	if len(t.kept) >= 2*t.limit {
		t.best()
		t.floor = t.kept[len(t.kept)-1].Score
	}
}

// best returns the best results, the best first.
func (t *top) best() []Result {
	slices.SortFunc(t.kept, better)
	t.kept = t.kept[:min(t.limit, len(t.kept))]
	return t.kept
}

// better compares two results of one ranking.
func better(a, b Result) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Chunk, b.Chunk))
}

// fuse makes one ranking of several.
func fuse(lists [][]Result) []Result {
	if len(lists) == 1 {
		return lists[0]
	}
	type place struct{ segment, chunk int }
	type fused struct {
		Result
		sum float64
	}
	index := map[place]int{} // of all
	var all []fused
	for _, l := range lists {
		for rank, r := range l {
			i, ok := index[place{r.Segment, r.Chunk}]
			if !ok {
				i = len(all)
				index[place{r.Segment, r.Chunk}] = i
				all = append(all, fused{Result: r})
			}
			all[i].Score = max(all[i].Score, r.Score)
			all[i].sum += 1 / float64(fusionRank+rank+1)
		}
	}
	slices.SortFunc(all, func(a, b fused) int {
		return cmp.Or(cmp.Compare(b.sum, a.sum), better(a.Result, b.Result))
	})
	results := make([]Result, len(all))
	for i, f := range all {
		results[i] = f.Result
	}
	return results
}

// withoutRepeats returns the first limit of ranked, less those that overlap one
// before them and add little to it.
func (r *ranker) withoutRepeats(ranked []Result, weights map[term]float64, limit int) []Result {
	var kept []Result
	for _, result := range ranked {
		if len(kept) == limit {
			break
		}
		s := r.segments[result.Segment]
		own := s.span(result.Chunk)
		rest := []Span{own} // what no chunk before it has
		for _, k := range kept {
			if k.Segment == result.Segment {
				rest = subtract(rest, s.span(k.Chunk))
			}
		}
		if len(rest) == 1 && rest[0] == own || 2*s.matched(rest, weights) >= s.matched([]Span{own}, weights) {
			kept = append(kept, result)
		}
	}
	return kept
}

// subtract returns the parts of spans that are outside of cut.
func subtract(spans []Span, cut Span) []Span {
	var rest []Span
	for _, s := range spans {
		if before := (Span{Start: s.Start, End: min(s.End, cut.Start)}); before.Start < before.End {
			rest = append(rest, before)
		}
		if after := (Span{Start: max(s.Start, cut.End), End: s.End}); after.Start < after.End {
			rest = append(rest, after)
		}
	}
	return rest
}

// matched returns the weight of the terms that parts of the text have.
func (s *Segment) matched(parts []Span, weights map[term]float64) float64 {
	found := map[term]bool{}
	var sum float64
	a := analyzer{emit: func(t term, _ role) {
		if w, ok := weights[t]; ok && !found[t] {
			found[t] = true
			sum += w
		}
	}}
	for _, p := range parts {
		a.analyze(string(s.text[p.Start:p.End]))
	}
	return sum
}
