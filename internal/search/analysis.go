package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A term is the hash of a folded word, or of a part or a compound of words. With
// 64 bits, words of any corpus that fits into memory do not collide; somebody who
// makes a word collide with another gains what writing the other would gain.
type term uint64

// role says what a term is in its text.
type role uint8

const (
	word    role = iota // counts for the length of the text
	variant             // of words that are there too: a compound of them, or a part of one
)

// An analyzer takes texts apart. It is not safe for concurrent use.
type analyzer struct {
	query bool // whether texts are queries, which ask for the closest form only
	emit  func(t term, r role)

	buf, folded []byte
}

// class says what a character does to words.
type class uint8

const (
	separator class = iota
	letter          // or digit or mark, of a script with spaces between words
	joiner          // within a word, if between letters
	unspaced        // a letter of a script without spaces
)

// unspacedScripts are taken as pairs of characters.
var unspacedScripts = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

const softHyphen = '\u00ad'

func classify(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return letter
		case r == '.', r == '-', r == ',':
			return joiner
		}
		return separator
	case r == softHyphen:
		return joiner
	case r < 0xe00: // before Thai, the first of those scripts
	case r == 'ー', r == 'ｰ', r == 'ﾞ', r == 'ﾟ': // marks of kana that count as common to all scripts
		return unspaced
	case unicode.In(r, unspacedScripts...) && (unicode.IsLetter(r) || unicode.IsMark(r)):
		return unspaced
	}
	if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) {
		return letter
	}
	return separator
}

// analyze calls emit for every term of text, in order.
func (a *analyzer) analyze(text string) {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch classify(r) {
		case letter:
			end := compoundEnd(text, i+n)
			a.compound(text[i:end])
			i = end
		case unspaced:
			end := i + n
			for end < len(text) {
				r, n := utf8.DecodeRuneInString(text[end:])
				if classify(r) != unspaced {
					break
				}
				end += n
			}
			a.pairs(text[i:end])
			i = end
		default:
			i += n
		}
	}
}

// compoundEnd returns where the compound ends whose first letter ends at i.
func compoundEnd(text string, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch classify(r) {
		case letter:
			i += n
			continue
		case joiner:
			if r == ',' && !(isDigit(text[i-1]) && i+1 < len(text) && isDigit(text[i+1])) {
				return i
			}
			next, m := utf8.DecodeRuneInString(text[i+n:])
			if classify(next) == letter {
				i += n + m
				continue
			}
		}
		return i
	}
	return i
}

// compound emits the words of what is joined, and the whole if there are several.
func (a *analyzer) compound(text string) {
	text = strings.Trim(text, "_")
	words := 0
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "_.-,")
		part := rest
		if i < 0 {
			rest = ""
		} else {
			part, rest = rest[:i], rest[i+1:]
		}
		if part != "" {
			words++
			a.word(part)
		}
	}
	if words > 1 {
		a.emit(a.fold(text), variant)
	}
}

// word emits a word, and its parts if it is in camel case.
func (a *analyzer) word(text string) {
	a.emit(a.fold(text), word)
	start := 0
	for i := 1; i < len(text); i++ {
		if camelBreak(text, i) {
			a.emit(a.fold(text[start:i]), variant)
			start = i
		}
	}
	if start > 0 {
		a.emit(a.fold(text[start:]), variant)
	}
}

// camelBreak reports whether a part of a word in camel case begins at i: aB, 1B
// and the last of the capitals in ABc.
func camelBreak(text string, i int) bool {
	if !isUpper(text[i]) {
		return false
	}
	before := text[i-1]
	return isLower(before) || isDigit(before) || isUpper(before) && i+1 < len(text) && isLower(text[i+1])
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// pairs emits the pairs of neighbouring characters of a run of unspaced letters,
// and single ones where they may be a word: Chinese characters, which a query
// asks for one by one only if there is just one. In a query no pair is a word,
// because it may be of the end of one and the beginning of another.
func (a *analyzer) pairs(run string) {
	var it norm.Iter
	it.InitString(norm.NFKC, run)
	var last []byte // the character before, in a buffer of its own
	a.buf = a.buf[:0]
	n := 0
	pair := word
	if a.query {
		pair = variant
	}
	for !it.Done() {
		for segment := it.Next(); len(segment) > 0; n++ {
			r, size := utf8.DecodeRune(segment)
			char := segment[:size]
			segment = segment[size:]
			if n > 0 {
				a.emit(hash(append(last, char...)), pair)
			}
			if !a.query && unicode.Is(unicode.Han, r) {
				a.emit(hash(char), variant)
			}
			a.buf = append(a.buf[:0], char...)
			last = a.buf
		}
	}
	if n == 1 && (a.query || !isHan(last)) {
		a.emit(hash(last), word)
	}
}

func isHan(char []byte) bool {
	r, _ := utf8.DecodeRune(char)
	return unicode.Is(unicode.Han, r)
}

// fold returns the term of a word: that of its letters without case, diacritics
// and other differences of form.
func (a *analyzer) fold(text string) term {
	ascii := true
	h := hashStart
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= utf8.RuneSelf {
			ascii = false
			break
		}
		if isUpper(c) {
			c += 'a' - 'A'
		}
		h = h.add(c)
	}
	if ascii {
		return h.term()
	}
	a.buf = norm.NFKD.AppendString(a.buf[:0], text)
	a.folded = a.folded[:0]
	for i := 0; i < len(a.buf); {
		r, n := utf8.DecodeRune(a.buf[i:])
		i += n
		a.folded = appendFolded(a.folded, r)
	}
	a.buf = norm.NFC.Append(a.buf[:0], a.folded...)
	return hash(a.buf)
}

// appendFolded appends the lower case of r, or its replacement, or nothing if it
// is a diacritic.
func appendFolded(b []byte, r rune) []byte {
	switch r = unicode.ToLower(r); {
	case isDiacritic(r):
		return b
	case r == 'ß':
		return append(b, "ss"...)
	case r == 'æ':
		return append(b, "ae"...)
	case r == 'œ':
		return append(b, "oe"...)
	case r == 'þ':
		return append(b, "th"...)
	case r == 'ø':
		r = 'o'
	case r == 'đ', r == 'ð':
		r = 'd'
	case r == 'ł':
		r = 'l'
	case r == 'ı':
		r = 'i'
	case r == 'ς':
		r = 'σ'
	}
	return utf8.AppendRune(b, r)
}

// isDiacritic reports whether r is a mark that people leave out when they search,
// or is not seen at all. Marks of other scripts may be vowels, and count.
func isDiacritic(r rune) bool {
	switch {
	case r < softHyphen:
		return false
	case r == softHyphen,
		0x0300 <= r && r <= 0x036f,                              // Latin, Greek, Cyrillic
		0x0591 <= r && r <= 0x05c7 && unicode.Is(unicode.Mn, r), // Hebrew points
		0x064b <= r && r <= 0x065f, r == 0x0670, r == 0x0640,    // Arabic vowels, and the stretch between letters
		0x1ab0 <= r && r <= 0x1aff, 0x1dc0 <= r && r <= 0x1dff, // rarer ones
		0xfe00 <= r && r <= 0xfe0f, 0xe0100 <= r && r <= 0xe01ef: // selectors of glyphs
		return true
	}
	return false
}

// hashState is FNV-1a. The hash is part of the format of segments.
type hashState uint64

const hashStart hashState = 14695981039346656037

func (h hashState) add(c byte) hashState { return (h ^ hashState(c)) * 1099511628211 }

// term spreads the hash over all bits (the finalizer of MurmurHash3), because
// dictionaries are searched by where a term ought to be.
func (h hashState) term() term {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return term(h)
}

func hash(b []byte) term {
	h := hashStart
	for _, c := range b {
		h = h.add(c)
	}
	return h.term()
}
