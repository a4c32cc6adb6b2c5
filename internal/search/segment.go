package search

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// A Segment is the index of one document: its text, the bounds of its chunks, and
// for every term the chunks that have it. It is immutable and safe for concurrent
// use.
//
// It is kept as it is stored, so that a parsed segment is little more than its
// bytes. All numbers are little-endian:
//
//	"USEG"       magic
//	u32          version, 1
//	u32          CRC-32C of all that follows
//	u32 × 4      bytes of text; chunks; terms; bytes of postings
//	…            text
//	u32 × 2      per chunk: start, end
//	u64, u32 × 2 per term, ascending: its hash, how many chunks have it, where its postings begin
//	u32          per chunk: how many words it has
//	…            postings
//
// The postings of a term are uvarints: for each chunk that has it, ascending, the
// distance d from the one before (from -1 for the first) and how often n it occurs
// there: 2d+1 if n is 1, else 2d and n. Those of the most common terms come first,
// so that a query for some of them finds them close together.
type Segment struct {
	data []byte // all of it

	// Parts of data.
	terms, lengths, postings, chunks, text []byte

	filter []uint64 // of terms; see mayHave
	words  uint64   // of all chunks
}

const (
	magic      = "USEG"
	version    = 1
	headerSize = 28
	chunkSize  = 8
	lengthSize = 4
	termSize   = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// postingList collects the postings of one term.
type postingList struct {
	term  term
	count int
	last  int
	data  []byte

	offset int // of data among all postings
}

// add appends a chunk, which must come after those before it.
func (p *postingList) add(chunk, n int) {
	d := uint64(chunk-p.last) << 1
	if n == 1 {
		p.data = binary.AppendUvarint(p.data, d|1)
	} else {
		p.data = binary.AppendUvarint(binary.AppendUvarint(p.data, d), uint64(n))
	}
	p.last = chunk
	p.count++
}

// Build makes the segment of a text that was split into chunks. The same text and
// chunks make the same bytes. Text and postings must each be shorter than 4 GiB;
// chunks must be ranges of text.
func Build(text string, chunks []Span) *Segment {
	var lists []postingList
	index := map[term]int{} // of lists
	var terms []term        // of the chunk at hand
	words := 0
	a := analyzer{emit: func(t term, r role) {
		terms = append(terms, t)
		if r == word {
			words++
		}
	}}
	table := make([]byte, 0, chunkSize*len(chunks))
	lengths := make([]byte, 0, lengthSize*len(chunks))
	for chunk, span := range chunks {
		terms, words = terms[:0], 0
		a.analyze(text[span.Start:span.End])
		table = appendUint32s(table, span.Start, span.End)
		lengths = appendUint32s(lengths, words)
		slices.Sort(terms)
		for len(terms) > 0 {
			t, n := terms[0], 1
			for n < len(terms) && terms[n] == t {
				n++
			}
			i, ok := index[t]
			if !ok {
				i = len(lists)
				index[t] = i
				lists = append(lists, postingList{term: t, last: -1})
			}
			lists[i].add(chunk, n)
			terms = terms[n:]
		}
	}
	s, err := Parse(encode(text, table, lengths, lists))
	if err != nil {
		panic(fmt.Sprintf("search: built a segment that cannot be read: %v", err)) // of chunks outside of the text
	}
	return s
}

// encode writes a segment of which chunks and lengths are made.
func encode(text string, chunks, lengths []byte, lists []postingList) []byte {
	slices.SortFunc(lists, func(a, b postingList) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.term, b.term))
	})
	size := 0
	for i := range lists {
		lists[i].offset = size
		size += len(lists[i].data)
	}
	if uint64(max(len(text), size)) > math.MaxUint32 {
		panic("search: a text too long for a segment")
	}
	b := make([]byte, 0, headerSize+len(text)+len(chunks)+len(lengths)+termSize*len(lists)+size)
	b = append(b, magic...)
	b = appendUint32s(b, version, 0, len(text), len(lengths)/lengthSize, len(lists), size)
	b = append(b, text...)
	b = append(b, chunks...)
	dictionary := len(b)
	b = append(b[:dictionary+termSize*len(lists)], lengths...)
	for _, l := range lists {
		b = append(b, l.data...)
	}
	slices.SortFunc(lists, func(a, b postingList) int { return cmp.Compare(a.term, b.term) })
	for i, l := range lists {
		entry := binary.LittleEndian.AppendUint64(b[:dictionary+termSize*i], uint64(l.term))
		appendUint32s(entry, l.count, l.offset)
	}
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

func appendUint32s(b []byte, values ...int) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// MarshalBinary returns the bytes that Parse reads. They are the segment's own
// and must not be changed. It never fails.
func (s *Segment) MarshalBinary() ([]byte, error) { return s.data, nil }

// Parse reads a segment. It keeps b, which must not be changed any more. Whatever b
// is, a segment that Parse returns without an error is sound, and takes little more
// memory than b.
func Parse(b []byte) (*Segment, error) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return nil, errors.New("not a search segment")
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != version {
		return nil, fmt.Errorf("search segment of version %d: only %d can be read", v, version)
	}
	if crc32.Checksum(b[12:], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return nil, errors.New("search segment is damaged: checksum does not match")
	}
	s := &Segment{data: b}
	rest := b[headerSize:]
	take := func(field int, size uint64) []byte {
		n := size * uint64(binary.LittleEndian.Uint32(b[field:]))
		if n > uint64(len(rest)) {
			rest = nil
			return nil
		}
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	s.text, s.chunks, s.terms = take(12, 1), take(16, chunkSize), take(20, termSize)
	s.lengths, s.postings = take(16, lengthSize), take(24, 1)
	if rest == nil || len(rest) > 0 {
		return nil, errors.New("search segment is damaged: sizes do not add up")
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("search segment is damaged: %w", err)
	}
	return s, nil
}

// check makes sure that nothing in the segment points outside of it, and counts
// its words.
func (s *Segment) check() error {
	for i := range s.Chunks() {
		if span := s.span(i); span.Start > span.End || span.End > len(s.text) {
			return fmt.Errorf("chunk %d is not a part of the text", i)
		}
		s.words += uint64(s.length(i))
	}
	terms := len(s.terms) / termSize
	s.filter = make([]uint64, terms/termsPerWord+1)
	unread := len(s.postings)
	for i := range terms {
		if i > 0 && s.term(i) <= s.term(i-1) {
			return fmt.Errorf("term %d is out of order", i)
		}
		word, bits := filterBits(s.term(i), len(s.filter))
		s.filter[word] |= bits
		at := s.place(i)
		if int(at.offset) > len(s.postings) || at.count == 0 {
			return fmt.Errorf("term %d has no postings", i)
		}
		p := s.postingsAt(at)
		for range at.count {
			last := p.chunk
			if !p.next() || p.chunk <= last || p.chunk >= s.Chunks() || p.n == 0 {
				return fmt.Errorf("postings of term %d are not chunks in order", i)
			}
		}
		// Postings that terms share would make a small segment a long list.
		if unread -= len(s.postings) - int(at.offset) - len(p.data); unread < 0 {
			return fmt.Errorf("postings of term %d are those of others", i)
		}
	}
	if unread > 0 {
		return errors.New("postings of no term")
	}
	return nil
}

// Text returns the whole text.
func (s *Segment) Text() string { return string(s.text) }

// Chunks returns how many chunks there are.
func (s *Segment) Chunks() int { return len(s.chunks) / chunkSize }

// Chunk returns the text of chunk i, from 0.
func (s *Segment) Chunk(i int) string {
	span := s.span(i)
	return string(s.text[span.Start:span.End])
}

// UsageBytes returns how much of a store's quota the document takes, counted as
// the hosted API seems to: its text, and 1 KiB for each chunk.
func (s *Segment) UsageBytes() int64 { return int64(len(s.text)) + 1024*int64(s.Chunks()) }

// span returns where chunk i is in the text.
func (s *Segment) span(i int) Span {
	b := s.chunks[chunkSize*i:]
	return Span{Start: int(binary.LittleEndian.Uint32(b)), End: int(binary.LittleEndian.Uint32(b[4:]))}
}

// length returns how many words chunk i has.
func (s *Segment) length(i int) uint32 { return binary.LittleEndian.Uint32(s.lengths[lengthSize*i:]) }

func (s *Segment) term(i int) term { return term(binary.LittleEndian.Uint64(s.terms[termSize*i:])) }

// A place is where the postings of a term are, and how many. The zero place is
// that of a term that is not there.
type place struct {
	count, offset uint32
}

// place returns where the postings of term i are.
func (s *Segment) place(i int) place {
	b := s.terms[termSize*i+8:]
	return place{count: binary.LittleEndian.Uint32(b), offset: binary.LittleEndian.Uint32(b[4:])}
}

func (s *Segment) postingsAt(at place) postings {
	return postings{data: s.postings[at.offset:], chunk: -1}
}

// termsPerWord is how many terms, on average, share a word of 64 bits of a filter,
// in which each has up to three bits: of terms that are not there, one in thirty
// is found.
const termsPerWord = 8

// mayHave reports whether t may be a term of the segment. It answers from little
// memory, a byte per term: a search of ten thousand segments for a rare word would
// otherwise wait ten thousand times for a dictionary that is in no cache.
func (s *Segment) mayHave(t term) bool {
	word, bits := filterBits(t, len(s.filter))
	return s.filter[word]&bits == bits
}

func filterBits(t term, words int) (word int, bits uint64) {
	return spread(t, words), 1<<(t&63) | 1<<(t>>6&63) | 1<<(t>>12&63)
}

// spread returns which of n things is a term's own, given that terms are hashes
// and hence evenly spread.
func spread(t term, n int) int { return int(uint64(t) >> 32 * uint64(n) >> 32) }

// find returns where the postings of t are. Terms are close to where they ought to
// be, unless somebody made up the segment: looking there first costs one or two
// reads from memory, where halving the dictionary would cost ten.
func (s *Segment) find(t term) place {
	if !s.mayHave(t) {
		return place{}
	}
	low, high := 0, len(s.terms)/termSize // t is at low or after, and before high
	i := spread(t, high)
	for range 64 {
		if i < low || i >= high {
			return place{}
		}
		switch here := s.term(i); {
		case here == t:
			return s.place(i)
		case here < t:
			i++
			low = i
		default:
			high = i
			i--
		}
	}
	for low < high {
		switch middle := int(uint(low+high) / 2); {
		case s.term(middle) == t:
			return s.place(middle)
		case s.term(middle) < t:
			low = middle + 1
		default:
			high = middle
		}
	}
	return place{}
}

// postings reads the postings of a term.
type postings struct {
	data  []byte
	chunk int // the last that was read, -1 before the first
	n     int // how often it has the term
}

// next reads the next posting and reports whether there was one that can be read.
func (p *postings) next() bool {
	if len(p.data) == 0 {
		return false
	}
	d := p.uvarint()
	p.chunk += int(d >> 1)
	p.n = 1
	if d&1 == 0 {
		p.n = int(p.uvarint())
	}
	return true
}

// uvarint reads a number of at most 32 bits, and 0, to the end, if there is none.
func (p *postings) uvarint() uint64 {
	if len(p.data) > 0 && p.data[0] < 0x80 {
		v := uint64(p.data[0])
		p.data = p.data[1:]
		return v
	}
	v, n := binary.Uvarint(p.data)
	if n <= 0 || v > math.MaxUint32 {
		p.data = nil
		return 0
	}
	p.data = p.data[n:]
	return v
}
