package engine

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

// maxMarker bounds, in bytes, what is held back while it may become a marker.
const maxMarker = 512

const (
	markerStart = "【"
	markerEnd   = "】"
	markerSplit = "†"
)

// citations finds the markers in a text that arrives in pieces. A marker is
// passed on whole: its annotation needs all of it.
type citations struct {
	held string // the beginning of what may be a marker
}

// fragment is a piece of text: a whole marker, or text without one.
type fragment struct {
	text   string
	marker bool
}

// read takes the next piece of the text and returns what can be passed on.
func (c *citations) read(piece string) (ready []fragment) {
	s := c.held + piece
	c.held = ""
	plain := func(text string) {
		if text != "" {
			ready = append(ready, fragment{text: text})
		}
	}
	for {
		start := strings.Index(s, markerStart)
		if start < 0 {
			plain(s)
			return ready
		}
		plain(s[:start])
		s = s[start:]
		end := strings.Index(s, markerEnd)
		again := strings.Index(s[len(markerStart):], markerStart)
		switch {
		case end >= 0 && (again < 0 || end < again+len(markerStart)):
			end += len(markerEnd)
			ready = append(ready, fragment{text: s[:end], marker: true})
			s = s[end:]
		case again >= 0: // the first was none
			plain(s[:again+len(markerStart)])
			s = s[again+len(markerStart):]
		case len(s) > maxMarker || strings.Contains(s, "\n"):
			plain(s)
			return ready
		default:
			c.held = s
			return ready
		}
	}
}

// rest returns what was held back and turned out to be no marker.
func (c *citations) rest() string {
	s := c.held
	c.held = ""
	return s
}

// parseMarker reads the two numbers of a marker such as 【4:0†name】.
func parseMarker(s string) (call, result int, ok bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, markerStart), markerEnd)
	numbers, _, found := strings.Cut(s, markerSplit)
	first, second, colon := strings.Cut(numbers, ":")
	if !found || !colon {
		return 0, 0, false
	}
	call, err1 := strconv.Atoi(strings.TrimSpace(first))
	result, err2 := strconv.Atoi(strings.TrimSpace(second))
	return call, result, err1 == nil && err2 == nil && call >= 0 && result >= 0
}

// source is the place that a marker stands for.
type source struct{ call, result int }

// cited returns the file that a fragment cites, "" if it is no marker or stands
// for nothing that was found in this thread.
func (x *execution) cited(p fragment) string {
	if !p.marker {
		return ""
	}
	call, result, ok := parseMarker(p.text)
	if !ok {
		return ""
	}
	return x.sources[source{call, result}]
}

// remember makes the results of a search citable.
func (x *execution) remember(c *understudy.FileSearchCall) {
	if x.sources == nil {
		x.sources = make(map[source]string)
	}
	for i, r := range c.Results {
		x.sources[source{c.CitationIndex, i}] = r.FileID
	}
	x.lastCitation = max(x.lastCitation, c.CitationIndex)
}

// nextCitation returns the number by which results of the i-th call of a turn are
// cited: as in the hosted API, where the call's output stands in the conversation,
// counting two messages before the user's first. No two calls of a thread that
// the model sees share it.
func (x *execution) nextCitation(i int) int {
	x.lastCitation = max(x.lastCitation+1, x.shown+3+i)
	return x.lastCitation
}

// writeText appends a piece of text to the message's last part, which is a text.
func (x *execution) writeText(piece string) error {
	if !x.has(understudy.ToolFileSearch) {
		return x.writeFragment(fragment{text: piece})
	}
	for _, p := range x.writing.citations.read(piece) {
		if err := x.writeFragment(p); err != nil {
			return err
		}
	}
	return nil
}

// settle writes what was held back of the message's last part, before something
// else follows it.
func (x *execution) settle() error {
	if rest := x.writing.citations.rest(); rest != "" {
		return x.writeFragment(fragment{text: rest})
	}
	return nil
}

func (x *execution) writeFragment(p fragment) error {
	w := x.writing
	delta := &understudy.TextDelta{Value: p.text}
	if w.runes == 0 { // the part's first delta says so
		delta.Annotations = []understudy.Annotation{}
	}
	last := len(w.message.Content) - 1
	length := utf8.RuneCountInString(p.text)
	if id := x.cited(p); id != "" {
		a := understudy.Annotation{
			Type: understudy.AnnotationFileCitation, Text: p.text,
			StartIndex: w.runes, EndIndex: w.runes + length,
			FileCitation: &understudy.FileCitation{FileID: id},
		}
		t := w.message.Content[last].Text
		t.Annotations = append(t.Annotations, a)
		a.Index = new(len(t.Annotations) - 1)
		a.FileCitation = &understudy.FileCitation{FileID: id, Quote: new("")}
		delta.Annotations = append(delta.Annotations, a)
	}
	w.text.WriteString(p.text)
	w.runes += length
	return x.publishContent(understudy.ContentDelta{Index: last, Type: understudy.ContentText, Text: delta})
}
