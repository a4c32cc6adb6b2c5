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
// Score tells how good it is, from 0 to 1, on a scale on which the threshold of
// 0.5 that clients of the hosted API commonly set tells hits from chance: a chunk
// of average length that has every word of the query once has 0.75, one that has
// half of the words 0.45. Rare words weigh more than common ones, and words that
// are found nowhere as much as the others on average. More than 0.95 takes a short
// chunk that is about nothing else. With several queries it is the best of the
// chunk's scores.
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
		terms, dossiers := r.lookUp(query)
		for _, t := range terms {
			weights[t.term] = max(weights[t.term], t.weight)
		}
		lists = append(lists, r.rank(terms, dossiers, depth))
	}
	results := r.withoutRepeats(fuse(lists), weights, limit)
	for i := range results {
		results[i].Score = relevance(results[i].Score)
	}
	return results
}

// relevance puts the share that a chunk has of the best score that any text could
// have on the scale of [Result]. It keeps the order.
func relevance(share float64) float64 {
	const once = 1 / (bm25K1 + 1) // of a chunk of average length that has every word once
	return 1 - math.Pow(1-share, math.Log(1-0.75)/math.Log(1-once))
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

// A dossier says what of a query a segment has.
type dossier struct {
	segment int
	best    float64 // no chunk can have a higher score
	places  []place // for every term of the query
}

// lookUp returns the terms of a query, and the segments that have any, the most
// promising first. Variants that no chunk has weigh nothing.
func (r *ranker) lookUp(query string) ([]queryTerm, []dossier) {
	terms := queryTerms(query)
	counts := make([]uint64, len(terms))
	var dossiers []dossier
	var places []place // of several dossiers
	for n, s := range r.segments {
		if cap(places)-len(places) < len(terms) {
			places = make([]place, 0, 64*len(terms))
		}
		start, hit := len(places), false
		for i, t := range terms {
			at := s.find(t.term)
			places = append(places, at)
			hit = hit || at.count > 0
			counts[i] += uint64(at.count)
		}
		if hit {
			dossiers = append(dossiers, dossier{segment: n, places: places[start:]})
		} else {
			places = places[:start]
		}
	}
	for i := range terms {
		if n := float64(counts[i]); n > 0 || terms[i].role == word {
			terms[i].weight = math.Log1p((float64(r.chunks) - n + 0.5) / (n + 0.5))
		}
	}
	weighAbsent(terms, counts)
	for i := range dossiers {
		for n, at := range dossiers[i].places {
			if at.count > 0 {
				dossiers[i].best += terms[n].weight * (bm25K1 + 1)
			}
		}
	}
	slices.SortFunc(dossiers, func(a, b dossier) int {
		return cmp.Or(cmp.Compare(b.best, a.best), cmp.Compare(a.segment, b.segment))
	})
	return terms, dossiers
}

// weighAbsent lets words that no chunk has count as much as the others do on
// average: that a store of recipes never says "the" makes no recipe worse.
func weighAbsent(terms []queryTerm, counts []uint64) {
	var sum, found float64
	for i, t := range terms {
		if counts[i] > 0 && t.role == word {
			sum += t.weight
			found++
		}
	}
	for i, t := range terms {
		if counts[i] == 0 && t.role == word && found > 0 {
			terms[i].weight = sum / found
		}
	}
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

// rank returns the best chunks for terms. Segments that cannot have one are not
// even looked at: of a query with rare words, most of those that have only the
// common ones.
func (r *ranker) rank(terms []queryTerm, dossiers []dossier, limit int) []Result {
	var best float64
	for _, t := range terms {
		best += t.weight * (bm25K1 + 1)
	}
	average := max(1, float64(r.words)/float64(max(1, r.chunks)))
	found := top{limit: limit}
	var scores []float64 // of the chunks of the segment at hand
	for _, d := range dossiers {
		if d.best < found.floor.Score*best {
			break
		}
		s := r.segments[d.segment]
		scores = slices.Grow(scores[:0], s.Chunks())[:s.Chunks()]
		clear(scores)
		for i, at := range d.places {
			s.score(scores, at, terms[i].weight, average)
		}
		for chunk, score := range scores {
			if score > 0 {
				found.add(Result{Segment: d.segment, Chunk: chunk, Score: min(1, score/best)})
			}
		}
	}
	return found.best()
}

// score adds what a term of the given weight, whose postings are at a place,
// contributes to the scores of the segment's chunks.
func (s *Segment) score(scores []float64, at place, weight, average float64) {
	p := s.postingsAt(at)
	perWord := bm25K1 * bm25B / average
	for range at.count {
		p.next()
		n := float64(p.n)
		scores[p.chunk] += weight * (bm25K1 + 1) * n / (n + bm25K1*(1-bm25B) + perWord*float64(s.length(p.chunk)))
	}
}

// top keeps the best results.
type top struct {
	limit int
	kept  []Result // up to twice limit
	floor Result   // if there are enough: a result must be better to be among the best
}

func (t *top) add(r Result) {
	if t.floor.Score > 0 && better(r, t.floor) > 0 {
		return
	}
	t.kept = append(t.kept, r)
	if len(t.kept) >= 2*t.limit {
		t.best()
		t.floor = t.kept[len(t.kept)-1]
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
	type key struct{ segment, chunk int }
	type fused struct {
		Result
		sum float64
	}
	index := map[key]int{} // of all
	var all []fused
	for _, l := range lists {
		for rank, r := range l {
			i, ok := index[key{r.Segment, r.Chunk}]
			if !ok {
				i = len(all)
				index[key{r.Segment, r.Chunk}] = i
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
