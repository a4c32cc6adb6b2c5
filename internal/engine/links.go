package engine

import (
	"context"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/understudy-dev/understudy"
)

const linkPrefix = "sandbox:/mnt/data/"

// maxKept bounds the bytes of the files that one execution keeps: a session can
// give one file many names.
const maxKept = 2 << 30

// linkFiles keeps the files that the message being written links to, and
// annotates the links. A link to a file that is not there stays as it is.
func (x *execution) linkFiles(ctx context.Context) {
	if err := x.settle(); err != nil {
		x.log.Error("cannot announce text", "err", err)
	}
	x.writing.flush()
	for i, c := range x.writing.message.Content {
		if c.Text == nil {
			continue
		}
		for _, l := range findLinks(c.Text.Value) {
			id := x.keepLinked(ctx, &l)
			if id == "" {
				continue
			}
			a := understudy.Annotation{
				Type: understudy.AnnotationFilePath, Text: l.text,
				StartIndex: utf8.RuneCountInString(c.Text.Value[:l.start]),
				FilePath:   &understudy.FilePath{FileID: id},
			}
			a.EndIndex = a.StartIndex + utf8.RuneCountInString(l.text)
			c.Text.Annotations = append(c.Text.Annotations, a)
			a.Index = new(len(c.Text.Annotations) - 1)
			delta := understudy.ContentDelta{Index: i, Type: understudy.ContentText, Text: &understudy.TextDelta{Annotations: []understudy.Annotation{a}}}
			if err := x.publishContent(delta); err != nil {
				x.log.Error("cannot announce a link", "err", err)
			}
		}
	}
}

// keepLinked makes a file of what a link names and returns its id, "" if there
// is no such file. The link's text is cut to what turned out to be the name.
func (x *execution) keepLinked(ctx context.Context, l *link) string {
	if x.e.Sandbox == nil {
		return ""
	}
	for _, text := range l.candidates() {
		for _, spelled := range spellings(strings.TrimPrefix(text, linkPrefix)) {
			name := path.Clean("/" + spelled)
			if id := x.files[name]; id != "" {
				l.text = text
				return id
			}
			if x.kept > maxKept {
				return ""
			}
			file, err := x.openData(ctx, spelled)
			if err != nil {
				continue
			}
			f, err := x.saveFile(ctx, spelled, file)
			_ = file.Close() // it was only read
			if err != nil {
				x.log.Error("cannot keep a linked file", "err", err)
				return ""
			}
			if x.files == nil {
				x.files = make(map[string]string)
			}
			x.files[name] = f.ID
			x.kept += f.Bytes
			l.text = text
			return f.ID
		}
	}
	return ""
}

// spellings are the names that a name in a link may stand for.
func spellings(name string) []string {
	if plain, err := url.PathUnescape(name); err == nil && plain != name {
		return []string{name, plain}
	}
	return []string{name}
}

// link is a place in a text that names a file of the sandbox.
type link struct {
	start int // in bytes
	text  string
}

// candidates are the stretches that may be meant, longest first: a full stop
// behind a link can end the sentence or belong to the name.
func (l *link) candidates() []string {
	all := []string{l.text}
	for t := l.text; ; {
		shorter := strings.TrimRight(t[:len(t)-1], ".,;:!?")
		if !strings.ContainsAny(t[len(t)-1:], ".,;:!?") || len(shorter) <= len(linkPrefix) {
			return all
		}
		t = shorter
		all = append(all, t)
	}
}

// findLinks returns the places in s that begin with sandbox:/mnt/data/. Inside
// the parentheses of a Markdown link a name may hold spaces; elsewhere it ends
// at white space or a quotation mark.
func findLinks(s string) []link {
	var links []link
	for from := 0; ; {
		i := strings.Index(s[from:], linkPrefix)
		if i < 0 {
			return links
		}
		start := from + i
		rest := s[start:]
		end := strings.IndexAny(rest, " \t\r\n\"'`<>)]|")
		if start > 0 && s[start-1] == '(' {
			end = closing(rest)
		}
		if end < 0 {
			end = len(rest)
		}
		if end > len(linkPrefix) {
			links = append(links, link{start: start, text: rest[:end]})
		}
		from = start + max(end, len(linkPrefix))
	}
}

// closing returns where the parenthesis that was open before s closes on the
// same line, -1 if it does not.
func closing(s string) int {
	depth := 1
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		case '\n':
			return i
		}
	}
	return -1
}
