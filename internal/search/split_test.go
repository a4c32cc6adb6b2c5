package search

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func chunksOf(text string, spans []Span) []string {
	chunks := make([]string, len(spans))
	for i, s := range spans {
		chunks[i] = text[s.Start:s.End]
	}
	return chunks
}

func tokens(t testing.TB, text string) int {
	t.Helper()
	n, err := cl100k().Count(validate(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name         string
		text         string
		max, overlap int
		want         []string
	}{
		{"empty", "", 10, 5, []string{}},
		{"blank", " \n\n\t ", 1, 0, []string{}},
		{"short", "one two three", 10, 5, []string{"one two three"}},
		{"words", "one two three four five six", 2, 0, []string{"one two", "three four", "five six"}},
		{"overlap", "one two three four five six", 4, 2, []string{"one two three four", "three four five six"}},
		{"overlap too large", "one two three four five six", 4, 9, []string{"one two three four", "three four five six"}},
		{"sentence", "One two three four. Five six seven", 6, 0, []string{"One two three four.", "Five six seven"}},
		{"paragraph", "a b. c d e\n\nf. g h i", 8, 0, []string{"a b. c d e\n\n", "f. g h i"}},
		{"line", "a b c d\n  e f g h i j k", 6, 0, []string{"a b c d\n", "  e f g h i", "j k"}},
		{"characters", "日本語", 1, 0, []string{"日", "本", "語"}},
		{"not in two", "🜁🜂", 2, 0, []string{"🜁", "🜂"}},
		{"deletion", "a\x7fb c\x7f", 3, 0, []string{"a\x7fb", "c\x7f"}},
		{"invalid", "a\xff\xfeb", 2, 0, []string{"a\xff\xfe", "b"}},
	}
	for _, tt := range tests {
		spans := Split(tt.text, tt.max, tt.overlap)
		if diff := cmp.Diff(tt.want, chunksOf(tt.text, spans)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// prose has paragraphs, sentences, code, accents and other scripts.
func prose() string {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "Parágrafo %d começa aqui. The assistant reads the file, and answers: \"é isto\".\nA new line; func main() { fmt.Println(%d) }\n", i, i*i)
		if i%3 == 0 {
			b.WriteString("日本語の文章もあります。検索できますか？\n\n")
		}
	}
	return b.String()
}

// checkSpans checks what Split promises about spans, but for the sizes of chunks.
func checkSpans(t *testing.T, text string, spans []Span) {
	t.Helper()
	end, start := 0, -1
	valid := utf8.ValidString(text)
	for i, s := range spans {
		if s.Start <= start || s.End <= s.Start || s.End > len(text) {
			t.Fatalf("span %d is %v after one that begins at %d", i, s, start)
		}
		if s.Start > end && strings.TrimSpace(text[end:s.Start]) != "" {
			t.Fatalf("span %d is %v: %q is in none", i, s, text[end:s.Start])
		}
		if valid && !utf8.ValidString(text[s.Start:s.End]) {
			t.Fatalf("span %d is %v: cuts a character", i, s)
		}
		start, end = s.Start, max(end, s.End)
	}
	if strings.TrimSpace(text[end:]) != "" {
		t.Fatalf("%q is in no chunk", text[end:])
	}
}

func TestSplitSizes(t *testing.T) {
	text := prose()
	for _, size := range [][2]int{{800, 400}, {100, 0}, {100, 50}, {4096, 2048}, {250, 10}} {
		spans := Split(text, size[0], size[1])
		checkSpans(t, text, spans)
		for i, s := range spans {
			// The space before the first word was cut off, which can make another token of it.
			if n := tokens(t, text[s.Start:s.End]); n > size[0]+1 || i < len(spans)-1 && n < size[0]*4/5-1 {
				t.Errorf("%v: chunk %d has %d tokens", size, i, n)
			}
			if i == 0 {
				continue
			}
			shared := 0
			if before := spans[i-1]; before.End > s.Start {
				shared = tokens(t, text[s.Start:before.End])
			}
			if shared > size[1]+1 || shared < size[1]*4/5-2 {
				t.Errorf("%v: chunk %d shares %d tokens with the one before", size, i, shared)
			}
		}
	}
}

// The blocks in which a text is tokenized do not show in the count.
func TestSplitCountsAsATokenizerOfTheWhole(t *testing.T) {
	text := prose()
	w := window{text: text}
	w.fill(len(text))
	if got, want := len(w.ends), tokens(t, text); got != want {
		t.Errorf("got %d tokens, want %d", got, want)
	}
	if w.read != len(text) {
		t.Errorf("read %d of %d bytes", w.read, len(text))
	}
}

// hostile are texts of n bytes that have made tokenizers quadratic.
func hostile(n int) map[string]string {
	return map[string]string{
		"one letter": strings.Repeat("a", n),
		"newlines":   strings.Repeat("\n", n),
		"spaces":     strings.Repeat(" ", n),
		"CJK":        strings.Repeat("検索", n/6),
		"one CJK":    strings.Repeat("語", n/3),
		"marks":      "a" + strings.Repeat("\u0301", n/2),
		"invalid":    strings.Repeat("\xff", n),
		"joined":     strings.Repeat("a.", n/2),
		"camels":     strings.Repeat("aB", n/2),
		"digits":     strings.Repeat("7", n),
		"emoji":      strings.Repeat("👩‍👩‍👧", n/18),
		"blank":      strings.Repeat(" \n", n/2),
	}
}

// TestHostileTextIsLinear compares the time for a text with that for one eight
// times as long: a quadratic algorithm takes 64 times as long.
func TestHostileTextIsLinear(t *testing.T) {
	const small, factor = 25_000, 8
	long := hostile(small * factor)
	for name, text := range hostile(small) {
		var took [2]time.Duration
		for i, text := range []string{text, long[name]} {
			best := time.Hour
			for range 2 {
				start := time.Now()
				spans := Split(text, 800, 400)
				checkSpans(t, text, spans)
				Build(text, spans)
				best = min(best, time.Since(start))
			}
			took[i] = best
		}
		t.Logf("%-10s %8v for 25 kB, %8v for 200 kB", name, took[0].Round(time.Microsecond), took[1].Round(time.Microsecond))
		if took[1] > took[0]*factor*4 && took[1] > time.Second {
			t.Errorf("%s: %v for 25 kB, %v for 200 kB", name, took[0], took[1])
		}
	}
}

// White space is tokenized in pieces: the codec's time for a run of it that has
// line breaks is quadratic, and a block of nothing else took half a second.
func TestBlockLength(t *testing.T) {
	space := func(n int) string { return strings.Repeat(" \n", n/2) }
	for _, c := range []struct {
		name, text string
		want       int
	}{
		{"short", "one two", 7},
		{"as much as is allowed", "a" + space(maxSpace) + "b", 2 + maxSpace},
		{"more", "a" + space(maxSpace+2) + "b", 1 + maxSpace},
		{"nothing else", space(10 * maxSpace), maxSpace},
		{"wide", strings.Repeat("\u3000", maxSpace+1), 3 * maxSpace},
		{"several runs", strings.Repeat(space(maxSpace)+"a", 3), 3 * (maxSpace + 1)},
		{"beyond the block", strings.Repeat("a", maxBlock) + space(10*maxSpace), maxBlock},
	} {
		if got := blockLength(c.text); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("One. Two three.\n\nFour", 2, 1)
	f.Add("日本語\xff\xf0\x9f🜁", 1, 1)
	f.Add(strings.Repeat("ab\r\n ", 9000), 4096, 2048)
	f.Fuzz(func(t *testing.T, text string, maxTokens, overlap int) {
		spans := Split(text, maxTokens%5000, overlap%5000)
		checkSpans(t, text, spans)
	})
}

func BenchmarkSplit(b *testing.B) {
	texts := hostile(5 << 20)
	texts["prose"] = strings.Repeat(prose(), (5<<20)/len(prose()))
	for _, name := range []string{"prose", "one letter", "newlines", "spaces", "CJK", "invalid", "marks"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(texts[name])))
			b.ReportAllocs()
			for b.Loop() {
				Split(texts[name], 800, 400)
			}
		})
	}
}
