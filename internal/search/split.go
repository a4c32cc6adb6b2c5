package search

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Span is a range of bytes of a text.
type Span struct {
	Start, End int
}

// cl100k counts tokens as the embedding models of the hosted API do. Building it
// takes some ten milliseconds; it is safe for use by many.
var cl100k = sync.OnceValue(codec.NewCl100kBase)

// Split cuts text into chunks of at most maxTokens tokens (cl100k_base), each of
// which begins with up to overlap tokens of the one before. It cuts between
// characters, and where it can at the end of a paragraph, of a sentence, of a line
// or of a word, in this order, if there is one in the last fifth of the chunk; a
// chunk's beginning is chosen likewise, so that it may overlap by a fifth less.
// Stretches of nothing but white space make no chunk.
//
// Overlaps of more than half a chunk count as half a chunk. A character that has
// more tokens than maxTokens is a chunk of its own. Bytes that are not UTF-8 are
// treated as characters.
//
// Time is linear in the length of the text, whatever it is, and besides the
// result little more memory is needed than for one chunk.
func Split(text string, maxTokens, overlap int) []Span {
	maxTokens = max(maxTokens, 1)
	overlap = min(max(overlap, 0), maxTokens/2)
	w := window{text: text}
	var spans []Span
	for w.fill(maxTokens + 1); len(w.ends) > 0; w.fill(maxTokens + 1) {
		start := w.start
		if len(w.ends) <= maxTokens {
			return appendVisible(spans, text, start, len(text))
		}
		cut := w.cut(maxTokens)
		spans = appendVisible(spans, text, start, w.ends[cut-1])
		w.advance(w.begin(cut, overlap))
	}
	return spans
}

// appendVisible adds the span of text from start to end, less the one space
// before its first word, unless it is blank. It replaces a span that, without its
// space, begins at the same place.
func appendVisible(spans []Span, text string, start, end int) []Span {
	if start > 0 && text[start] == ' ' && text[start-1] != '\n' {
		start++
	}
	if strings.TrimSpace(text[start:end]) == "" {
		return spans
	}
	if n := len(spans); n > 0 && spans[n-1].Start == start {
		spans = spans[:n-1]
	}
	return append(spans, Span{Start: start, End: end})
}

// window holds the ends of the tokens that follow start.
type window struct {
	text  string
	start int
	read  int   // where the text that was not yet tokenized begins
	ends  []int // ascending; the last is read
}

const (
	// maxBlock is how many bytes are tokenized at a time.
	maxBlock = 32 << 10
	// maxSpace is how many characters of white space in a row are: for each line
	// break, the codec looks through all that follow it. No token has as many.
	maxSpace = 512
)

// fill tokenizes until n tokens are there or the text is at its end.
func (w *window) fill(n int) {
	for len(w.ends) < n && w.read < len(w.text) {
		block := w.text[w.read : w.read+blockLength(w.text[w.read:])]
		_, tokens, err := cl100k().Encode(validate(block))
		if err != nil || !covers(tokens, len(block)) {
			tokens = strings.Split(block, "") // rather than wait for tokens that never come
		}
		for _, t := range tokens {
			w.read += len(t)
			w.ends = append(w.ends, w.read)
		}
	}
}

// covers reports whether tokens together have n bytes.
func covers(tokens []string, n int) bool {
	for _, t := range tokens {
		n -= len(t)
	}
	return n == 0
}

// validate replaces bytes that are not UTF-8, each by another, so that tokens are
// where they were in the text, and deletions (U+007F), which the codec skips.
func validate(block string) string {
	if utf8.ValidString(block) && strings.IndexByte(block, 0x7f) < 0 {
		return block
	}
	b := []byte(block)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || r == 0x7f {
			b[i] = '?'
		}
		i += n
	}
	return string(b)
}

// blockLength returns how many bytes of text to tokenize together: up to where no
// token can go over, if possible. Tokens never hold both the last newline of some
// and what follows, and a space only before the word that it is followed by.
func blockLength(text string) int {
	text = text[:longSpace(text)]
	if len(text) <= maxBlock {
		return len(text)
	}
	for _, sep := range []byte{'\n', ' '} {
		for i := maxBlock - 1; i > maxBlock/2; i-- {
			after, _ := utf8.DecodeRuneInString(text[i+1:])
			if text[i] != sep || unicode.IsSpace(after) {
				continue
			}
			if sep == '\n' {
				return i + 1
			}
			if before, _ := utf8.DecodeLastRuneInString(text[:i]); !unicode.IsSpace(before) {
				return i
			}
		}
	}
	n := maxBlock
	for range utf8.UTFMax - 1 {
		if !utf8.RuneStart(text[n]) {
			n--
		}
	}
	return n
}

// longSpace returns where more than maxSpace characters of white space have been in
// a row, or the length of text if there is no such place in its first block.
func longSpace(text string) int {
	run := 0
	for i, r := range text[:min(len(text), maxBlock)] {
		switch {
		case !unicode.IsSpace(r):
			run = 0
		case run == maxSpace:
			return i
		default:
			run++
		}
	}
	return len(text)
}

// cut returns how many tokens, at most limit, the chunk at start is to have.
func (w *window) cut(limit int) int {
	best, bestAt := insideCharacter, 0
	for n := limit; n > 0 && n >= limit-limit/5; n-- {
		if b := boundary(w.text, w.ends[n-1]); b > best {
			best, bestAt = b, n
		}
	}
	for n := limit - limit/5 - 1; bestAt == 0 && n > 0; n-- {
		if boundary(w.text, w.ends[n-1]) > insideCharacter {
			bestAt = n
		}
	}
	for n := limit + 1; bestAt == 0; n++ { // the end of the text is not inside a character
		w.fill(n)
		if n >= len(w.ends) || boundary(w.text, w.ends[n-1]) > insideCharacter {
			bestAt = min(n, len(w.ends))
		}
	}
	return bestAt
}

// begin returns how many tokens of a chunk of cut tokens the next one is not to
// have.
func (w *window) begin(cut, overlap int) int {
	best, bestAt := insideCharacter, cut
	for n := max(cut-overlap, 1); n < cut && n <= cut-overlap+overlap/5; n++ {
		if b := boundary(w.text, w.ends[n-1]); b > best {
			best, bestAt = b, n
		}
	}
	return bestAt
}

// advance moves the start past n tokens.
func (w *window) advance(n int) {
	w.start = w.ends[n-1]
	w.ends = w.ends[n:]
}

// breakKind is how good a place to cut is, the best last.
type breakKind int

const (
	insideCharacter breakKind = iota
	betweenCharacters
	betweenWords
	betweenLines
	betweenSentences
	betweenParagraphs
)

// boundary says what is between text[:at] and text[at:], neither of which is empty.
func boundary(text string, at int) breakKind {
	if at >= len(text) {
		return betweenParagraphs
	}
	if !utf8.RuneStart(text[at]) && inside(text, at) {
		return insideCharacter
	}
	after, _ := utf8.DecodeRuneInString(text[at:])
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	if before == '\n' && after == '\n' {
		return betweenCharacters // after all of them is better
	}
	if before == '\n' || before == '\f' {
		if before == '\f' || strings.HasSuffix(text[:at], "\n\n") || strings.HasSuffix(text[:at], "\n\r\n") {
			return betweenParagraphs
		}
		if last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(text[max(0, at-8):at], "\r\n ")); endsSentence(last) {
			return betweenSentences
		}
		return betweenLines
	}
	switch {
	case isFullStop(before), endsSentence(before) && unicode.IsSpace(after):
		return betweenSentences
	case unicode.IsSpace(before) != unicode.IsSpace(after):
		return betweenWords
	}
	return betweenCharacters
}

// inside reports whether at is within a valid character.
func inside(text string, at int) bool {
	for i := at - 1; i >= 0 && i > at-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			_, n := utf8.DecodeRuneInString(text[i:])
			return i+n > at
		}
	}
	return false
}

// endsSentence reports whether a sentence may end with r, if white space follows.
func endsSentence(r rune) bool {
	return r == '.' || r == '!' || r == '?' || r == '…' || r == '।' || r == '؟' || isFullStop(r)
}

// isFullStop reports whether r ends a sentence in scripts without spaces.
func isFullStop(r rune) bool { return r == '。' || r == '！' || r == '？' || r == '．' }
