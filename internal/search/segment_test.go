package search

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func indexed(text string) *Segment { return Build(text, Split(text, 100, 50)) }

func TestSegmentRoundTrip(t *testing.T) {
	for _, text := range []string{"", "a", "Hello, world", prose()} {
		spans := Split(text, 100, 50)
		s := Build(text, spans)
		data, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := Build(text, spans).MarshalBinary(); !bytes.Equal(data, again) {
			t.Errorf("%.20q: two segments of the same text differ", text)
		}
		p, err := Parse(data)
		if err != nil {
			t.Fatalf("%.20q: %v", text, err)
		}
		if p.Text() != text {
			t.Errorf("got text %.20q, want %.20q", p.Text(), text)
		}
		got := []string{}
		for i := range p.Chunks() {
			got = append(got, p.Chunk(i))
		}
		if diff := cmp.Diff(chunksOf(text, spans), got); diff != "" {
			t.Errorf("%.20q: chunks (-want +got):\n%s", text, diff)
		}
		if got, want := p.UsageBytes(), int64(len(text)+1024*len(spans)); got != want {
			t.Errorf("%.20q: got %d bytes of usage, want %d", text, got, want)
		}
		if p.words != s.words {
			t.Errorf("%.20q: got %d words, want %d", text, p.words, s.words)
		}
	}
}

// TestSegmentFind checks the dictionary against the words of every chunk.
func TestSegmentFind(t *testing.T) {
	text := prose()
	s := indexed(text)
	want := map[term]map[int]int{}
	for i := range s.Chunks() {
		a := analyzer{emit: func(t term, _ role) {
			if want[t] == nil {
				want[t] = map[int]int{}
			}
			want[t][i]++
		}}
		a.analyze(s.Chunk(i))
	}
	if got := len(s.terms) / termSize; got != len(want) {
		t.Errorf("got %d terms, want %d", got, len(want))
	}
	for term, chunks := range want {
		got := map[int]int{}
		at := s.find(term)
		p := s.postingsAt(at)
		for range at.count {
			p.next()
			got[p.chunk] = p.n
		}
		if diff := cmp.Diff(chunks, got); diff != "" {
			t.Fatalf("postings of %x (-want +got):\n%s", term, diff)
		}
	}
	for i := range 1000 {
		if at := s.find(hash(fmt.Appendf(nil, "absent%d", i))); at != (place{}) {
			t.Errorf("found absent%d", i)
		}
	}
	for _, term := range []term{0, 1<<64 - 1} {
		if s.find(term) != (place{}) {
			t.Errorf("found %x", term)
		}
	}
}

// sign makes the checksum of a changed segment right.
func sign(b []byte) []byte {
	if len(b) >= 12 {
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	}
	return b
}

func TestParseRefuses(t *testing.T) {
	segment := indexed("one two two three. one")
	good, _ := segment.MarshalBinary()
	change := func(at int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[at] ^= b
		return bad
	}
	set := func(at int, b ...byte) []byte {
		bad := bytes.Clone(good)
		copy(bad[at:], b)
		return sign(bad)
	}
	chunk := headerSize + len("one two two three. one")
	terms := chunk + chunkSize
	postings := terms + 3*termSize + lengthSize
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not a search segment"},
		{"another file", []byte("%PDF-1.7 and many more bytes than a header"), "not a search segment"},
		{"newer", change(4, 2), "version 3"},
		{"a flipped bit", change(len(good)-1, 1), "checksum"},
		{"cut", sign(bytes.Clone(good[:len(good)-1])), "sizes do not add up"},
		{"longer", sign(append(bytes.Clone(good), 0)), "sizes do not add up"},
		{"huge sizes", sign(change(23, 0xff)), "sizes do not add up"},
		{"chunk outside", sign(change(chunk+7, 0x7f)), "chunk 0 is not a part"},
		{"chunk reversed", sign(change(chunk, 0x3f)), "chunk 0 is not a part"},
		{"terms out of order", set(terms+termSize, good[terms:terms+8]...), "out of order"},
		{"postings outside", set(terms+14, 1), "has no postings"},
		{"no postings", set(terms+8, 0), "has no postings"},
		{"postings of more chunks", set(terms+8, 2), "not chunks in order"},
		{"postings of another chunk", set(postings, 4|good[postings]), "not chunks in order"},
		{"shared postings", set(terms+termSize+12, good[terms+12]), "those of others"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.data)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, err, tt.want)
		}
	}
	for i := range good {
		if _, err := Parse(good[:i]); err == nil {
			t.Errorf("the first %d bytes are taken for a segment", i)
		}
	}
}

// FuzzParse checks that whatever is parsed can be used.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "one two two three. one", strings.Repeat("ação 検索 getUserName. ", 40)} {
		data, _ := indexed(text).MarshalBinary()
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(sign(data))
		if err != nil {
			return
		}
		s.Text()
		for i := range s.Chunks() {
			s.Chunk(i)
		}
		for i := range len(s.terms) / termSize {
			if s.find(s.term(i)) != s.place(i) {
				t.Errorf("term %d is not found", i)
			}
		}
		for _, r := range Rank([]*Segment{s, s}, []string{"one two", "three ação 検索"}, 10) {
			if r.Score <= 0 || r.Score > 1 {
				t.Errorf("score %v", r.Score)
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	text := strings.Repeat(prose(), 20)
	spans := Split(text, 800, 400)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Build(text, spans)
	}
}

func BenchmarkParse(b *testing.B) {
	text := strings.Repeat(prose(), 20)
	data, _ := Build(text, Split(text, 800, 400)).MarshalBinary()
	b.SetBytes(int64(len(data)))
	b.ReportMetric(float64(len(data))/float64(len(text)), "bytes/text-byte")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
