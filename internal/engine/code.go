package engine

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// codeReader finds the code in the arguments of a code interpreter call while
// they arrive: the value of "code" in a JSON object. What it has returned so
// far is always a prefix of the code, if the arguments turn out well-formed.
//
// Some models write the bare code where the object should be; then all the
// arguments are the code.
type codeReader struct {
	args    strings.Builder
	state   codeState
	pos     int // in args: what stands before it has been read
	written strings.Builder
}

type codeState int

const (
	beforeCode codeState = iota
	insideCode
	afterCode
)

// read takes the next piece of the arguments and returns the next piece of the
// code, which may be empty.
func (c *codeReader) read(piece string) string {
	c.args.WriteString(piece)
	args := c.args.String()
	if c.state == beforeCode {
		start := codeStart(args)
		if start < 0 {
			return ""
		}
		c.state, c.pos = insideCode, start
	}
	if c.state != insideCode {
		return ""
	}
	text, n, closed := unquote(args[c.pos:])
	c.pos += n
	if closed {
		c.state = afterCode
	}
	c.written.WriteString(text)
	return text
}

// finish returns the whole code, and the part of it that read has not returned.
func (c *codeReader) finish() (code, rest string) {
	args := c.args.String()
	var object struct {
		Code *string `json:"code"`
	}
	switch err := json.Unmarshal([]byte(args), &object); {
	case err == nil && object.Code != nil:
		code = *object.Code
	case err != nil && c.written.Len() > 0:
		code = c.written.String() // cut off or malformed: run what there is, and let the model see the error
	default:
		code = args
	}
	rest, ok := strings.CutPrefix(code, c.written.String())
	if !ok {
		rest = "" // a second "code" key, say: what was shown cannot be taken back
	}
	return code, rest
}

// codeStart returns where the value of the key "code" begins in an object that
// may be incomplete, behind its quotation mark; -1 if it is not there yet. The
// key is looked for at the start of the object only: any other layout is left
// to finish.
func codeStart(args string) int {
	rest := strings.TrimLeft(args, " \t\r\n")
	for _, want := range []string{"{", `"code"`, ":", `"`} {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, want); !ok {
			return -1
		}
		if want != `"` {
			rest = strings.TrimLeft(rest, " \t\r\n")
		}
	}
	return len(args) - len(rest)
}

// unquote decodes the inside of a JSON string as far as it is complete. It
// returns the text, how much of s it came from, and whether the closing mark
// was met (and consumed).
func unquote(s string) (text string, n int, closed bool) {
	var b strings.Builder
	for n < len(s) {
		switch c := s[n]; {
		case c == '"':
			return b.String(), n + 1, true
		case c == '\\':
			r, size := escape(s[n:])
			if size == 0 {
				return b.String(), n, false
			}
			b.WriteRune(r)
			n += size
		case c < utf8.RuneSelf:
			b.WriteByte(c)
			n++
		default:
			if !utf8.FullRuneInString(s[n:]) {
				return b.String(), n, false
			}
			r, size := utf8.DecodeRuneInString(s[n:])
			b.WriteRune(r)
			n += size
		}
	}
	return b.String(), n, false
}

var simpleEscapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape decodes the escape sequence that s begins with and returns its length,
// 0 if it is incomplete. A malformed one stands for the replacement character.
func escape(s string) (r rune, size int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] != 'u' {
		if r, ok := simpleEscapes[s[1]]; ok {
			return r, 2
		}
		return utf8.RuneError, 2
	}
	if len(s) < 6 {
		return 0, 0
	}
	r = hex4(s[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	switch {
	case len(s) == 6 || len(s) < 12 && s[6] == '\\' && (len(s) == 7 || s[7] == 'u'):
		return 0, 0 // the second half is still to come
	case len(s) >= 12 && s[6] == '\\' && s[7] == 'u':
		if pair := utf16.DecodeRune(r, hex4(s[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s string) (r rune) {
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return utf8.RuneError
		}
	}
	return r
}
