package engine

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// plainText decodes a file that is text as it is.
func plainText(r io.Reader, ext string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return "", fmt.Errorf("read text: %w", err)
	}
	if len(data) > maxText {
		return "", faultError("large", ext)
	}
	text, ok := decode(data)
	switch {
	case ok && (ext == ".json" || ext == ".jsonl"):
		return unescapeJSON(text), nil
	case ok:
		return text, nil
	case formats[ext] == "":
		return "", unsupported(ext)
	}
	return "", invalid("The file is not text in UTF-8, UTF-16 or ASCII.")
}

// decode returns the text that data is: UTF-8; UTF-16 with a byte order mark, or
// with the zeros of mostly Latin text; else Windows-1252, if it looks like that.
// It reports false for other encodings, and for what is no text.
func decode(data []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(data, []byte("\xFF\xFE")):
		data = decodeUTF16(data[2:], 1)
	case bytes.HasPrefix(data, []byte("\xFE\xFF")):
		data = decodeUTF16(data[2:], 0)
	case bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")):
		data = data[3:]
	default:
		if high, ok := guessUTF16(data); ok {
			data = decodeUTF16(data, high)
		}
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", false
	}
	if !utf8.Valid(data) {
		var ok bool
		if data, ok = decode1252(data); !ok {
			return "", false
		}
	}
	return tidy(data), true
}

// guessUTF16 returns which byte of each two, 0 or 1, is the high one, if data looks
// like UTF-16 without a byte order mark: much Latin, so that most of these are zero.
func guessUTF16(data []byte) (high int, ok bool) {
	if len(data)%2 != 0 || len(data) < 4 {
		return 0, false
	}
	var zeros [2]int
	look := data[:min(len(data), sniffed)]
	for i, c := range look {
		if c == 0 {
			zeros[i%2]++
		}
	}
	pairs := len(look) / 2
	for high := range 2 {
		if zeros[high] > pairs/2 && zeros[1-high] <= pairs/10 {
			return high, true
		}
	}
	return 0, false
}

// decodeUTF16 returns data as UTF-8. An odd last byte is dropped, and a surrogate
// that stands alone becomes the replacement character.
func decodeUTF16(data []byte, high int) []byte {
	out := make([]byte, 0, len(data)+len(data)/2)
	unit := func(i int) rune { return rune(data[i+high])<<8 | rune(data[i+1-high]) }
	for i := 0; i+1 < len(data); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if i+3 < len(data) {
				pair = utf16.DecodeRune(r, unit(i+2))
			}
			if r = pair; pair != utf8.RuneError {
				i += 2
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// decode1252 returns data as UTF-8. It reports false if data has characters that
// Windows-1252 lacks, or so many beyond ASCII that it must be another encoding or
// no text at all: no language that Windows-1252 is for has a third of them.
func decode1252(data []byte) ([]byte, bool) {
	out := make([]byte, 0, len(data)+len(data)/8)
	high, control := 0, 0
	for _, c := range data {
		r := charmap.Windows1252.DecodeByte(c)
		switch {
		case r >= 0x80 && r < 0xA0: // what it lacks
			return nil, false
		case c >= 0x80:
			high++
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != '\x1b':
			control++
		}
		out = utf8.AppendRune(out, r)
	}
	return out, high <= len(data)/3 && control <= len(data)/100
}

// tidy makes every end of a line "\n" and drops byte order marks and NUL.
func tidy(data []byte) string {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	if bytes.IndexByte(data, 0) >= 0 {
		data = bytes.ReplaceAll(data, []byte("\x00"), nil)
	}
	return string(data)
}

// unescapeJSON writes the escaped characters of a JSON text that are not ASCII as
// themselves: most programs escape them, and nobody would find them by a search.
// The text means what it meant.
func unescapeJSON(text string) string {
	if !strings.Contains(text, `\u`) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		r, size := escapedRune(text[i:])
		if size == 0 {
			size = 2
			b.WriteString(text[i : i+2])
		} else {
			b.WriteRune(r)
		}
		text = text[i+size:]
	}
}

// escapedRune returns the printable character beyond ASCII that s begins with in
// the form \uXXXX, or a pair of those, and how long that is; 0 if there is none.
func escapedRune(s string) (r rune, size int) {
	if s[1] != 'u' {
		return 0, 0
	}
	r, size = escape(s)
	if r < utf8.RuneSelf || r == utf8.RuneError || !strconv.IsPrint(r) {
		return 0, 0
	}
	return r, size
}
