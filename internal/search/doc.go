// Package search finds the chunks of documents that say most about a question.
// It is pure: bytes and strings in, bytes and numbers out. It reads no files,
// starts no goroutines and knows nothing of vector stores, models or the network.
//
// A document's text goes through three steps. [Split] cuts it into chunks of so
// many tokens that overlap. [Build] makes a [Segment] of text and chunks: an
// immutable index, which is kept as a blob and read again with [Parse]. [Rank]
// searches any number of segments as if they were one.
//
// # What a word is
//
// Documents and queries are taken apart in the same way (analysis.go). Words are
// runs of letters, digits and marks; case, diacritics and compatibility forms do
// not count, so that "AÇÃO" finds "acao" and "ﬁle" finds "file". What is joined by
// underscores, dots, hyphens or camel case is kept whole and in parts: "getUserName"
// finds itself first, then "user name". Scripts that put no spaces between words
// (Chinese, Japanese, Thai and their like) are taken as pairs of neighbouring
// characters. Nothing is left out for being common, and words have no stems:
// singulars beside plurals found no more answers to the questions of quality_test.go
// and made known items harder to find (recall@5 of 0.952 instead of 0.964).
//
// # How chunks are ranked
//
// By BM25, with k1 = 1.2 and b = 0.75, and with the statistics (how many chunks
// have the word, how long chunks are) taken over all segments at hand: a chunk
// ranks the same whether its neighbours are in its own segment or in another.
// The score that is reported comes from the share that a chunk has of the best
// possible score of the query; see [Result].
//
// # Costs
//
// Let a segment have a text of n bytes. Split and Build take time linear in n,
// whatever the text is; each reads some megabytes a second. The
// segment takes about three times n with the default chunks, which overlap by
// half. Parse checks every byte once, some hundred megabytes a second, and keeps
// the bytes it was given without making much else of them. Rank looks every word
// of the query up in every segment and then reads the postings of those words in
// the segments that can still have a result, some nanoseconds each. What it waits
// for is memory: few large segments are searched faster than many small ones. The
// benchmarks measure all of it.
package search
