package model

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A scanner walks one JSON document in place. A chunk of a stream is read once
// per token, so it is walked by hand: known keys are picked out, everything else
// is stepped over, and nothing but the wanted strings is allocated. Unlike
// encoding/json it takes a value of an unexpected type as absent instead of
// failing, which is what servers of many makes need.
//
// It accepts every valid document, and some invalid ones; bad is set when it
// cannot go on, and every method is then a no-op.
type scanner struct {
	b   []byte
	i   int
	bad bool
}

// maxDepth bounds how deep stepped-over values may nest.
const maxDepth = 512

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) fail() { s.bad, s.i = true, len(s.b) }

// open enters an object or array, or steps over a value that is neither and
// reports false.
func (s *scanner) open(c byte) bool {
	if s.peek() != c {
		s.skip()
		return false
	}
	s.i++
	return true
}

// more reports whether a list has another element, given the byte that closes
// it, and steps over the comma before or the byte itself. first is true before
// the first element and is cleared.
func (s *scanner) more(closing byte, first *bool) bool {
	c := s.peek()
	switch {
	case s.bad:
		return false
	case c == closing:
		s.i++
		return false
	case *first && c != 0:
		*first = false
		return true
	case c == ',' && !*first:
		s.i++
		return true
	}
	s.fail()
	return false
}

// key returns the next key of the object entered by open, nil at its end. It is
// valid until the next call. Escaped keys are returned as they are written: no
// key that is looked for needs an escape.
func (s *scanner) key(first *bool) []byte {
	if !s.more('}', first) {
		return nil
	}
	if s.peek() != '"' {
		s.fail()
		return nil
	}
	k := s.quoted()
	if s.bad || s.peek() != ':' {
		s.fail()
		return nil
	}
	s.i++
	return k[1 : len(k)-1]
}

// quoted steps over a string and returns it with its quotes.
func (s *scanner) quoted() []byte {
	start := s.i
	for j := start + 1; j < len(s.b); j++ {
		switch s.b[j] {
		case '"':
			s.i = j + 1
			return s.b[start:s.i]
		case '\\':
			j++
		}
	}
	s.fail()
	return nil
}

// text returns the next value if it is a string and "" if it is anything else.
func (s *scanner) text() string {
	if s.peek() != '"' {
		s.skip()
		return ""
	}
	q := s.quoted()
	if s.bad {
		return ""
	}
	t, ok := unquote(q)
	if !ok {
		s.fail()
	}
	return t
}

func unquote(q []byte) (string, bool) {
	inner := q[1 : len(q)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		if utf8.Valid(inner) {
			return string(inner), true
		}
		return strings.ToValidUTF8(string(inner), "\uFFFD"), true
	}
	var t string
	err := json.Unmarshal(q, &t)
	return t, err == nil
}

// label returns the next value as text if it is a string or a number: codes and
// ids come as either.
func (s *scanner) label() string {
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '-' || c >= '0' && c <= '9':
		return string(s.raw())
	}
	s.skip()
	return ""
}

// integer returns the next value if it is a whole number, or a string that holds one.
func (s *scanner) integer() (int, bool) {
	var digits string
	switch s.peek() {
	case '"':
		digits = s.text()
	default:
		digits = string(s.raw())
	}
	if n, err := strconv.Atoi(digits); err == nil {
		return n, true
	}
	// 1e3 and 12.0 are whole numbers too.
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || f != float64(int(f)) {
		return 0, false
	}
	return int(f), true
}

// raw steps over the next value and returns it as it is written.
func (s *scanner) raw() []byte {
	s.peek()
	start := s.i
	s.skip()
	if s.bad {
		return nil
	}
	return s.b[start:s.i]
}

// skip steps over the next value.
func (s *scanner) skip() {
	switch s.peek() {
	case '"':
		s.quoted()
	case '{', '[':
		s.skipNested()
	case 0, '}', ']', ',', ':':
		s.fail()
	default:
		for s.i < len(s.b) {
			switch s.b[s.i] {
			case ',', '}', ']', ':', '"', ' ', '\t', '\n', '\r':
				return
			}
			s.i++
		}
	}
}

// skipNested steps over an object or array by counting brackets outside of strings.
func (s *scanner) skipNested() {
	depth := 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			s.quoted()
			continue
		case '{', '[':
			if depth++; depth > maxDepth {
				s.fail()
				return
			}
		case '}', ']':
			if depth--; depth == 0 {
				s.i++
				return
			}
		}
		s.i++
	}
	s.fail()
}
