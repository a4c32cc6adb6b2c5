package engine

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// A link is sandbox:/mnt/data/NAME. Models forget parts of it.
const (
	linkScheme = "sandbox:"
	linkFolder = "mnt/data/"
)

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
	have := &folder{list: func() []sandbox.FileInfo { return x.dataFiles(ctx) }}
	for i, c := range x.writing.message.Content {
		if c.Text == nil {
			continue
		}
		for _, l := range findLinks(c.Text.Value) {
			id := x.keepLinked(ctx, &l, have)
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
func (x *execution) keepLinked(ctx context.Context, l *link, have *folder) string {
	if x.e.Sandbox == nil {
		return ""
	}
	for _, text := range l.candidates() {
		for _, name := range spellings(linkName(text)) {
			if id := x.keep(ctx, name); id != "" {
				l.text = text
				return id
			}
		}
	}
	for _, text := range l.candidates() {
		name := have.closest(linkName(text))
		if name == "" {
			continue
		}
		if id := x.keep(ctx, name); id != "" {
			l.text = text
			return id
		}
	}
	return ""
}

// keep makes a file of the one at name in /mnt/data, unless this answer has
// already, and returns its id, "" if that is not possible.
func (x *execution) keep(ctx context.Context, name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if id := x.files[name]; id != "" {
		return id
	}
	if x.kept > maxKept {
		return ""
	}
	file, err := x.openData(ctx, name)
	if err != nil {
		return ""
	}
	f, err := x.saveFile(ctx, name, file)
	_ = file.Close() // it was only read
	if err != nil {
		x.log.Error("cannot keep a file", "err", err)
		return ""
	}
	if x.files == nil {
		x.files = make(map[string]string)
	}
	x.files[name] = f.ID
	x.kept += f.Bytes
	delete(x.made, name)
	return f.ID
}

// spellings are the names that a name in a link may stand for.
func spellings(name string) []string {
	if plain, err := url.PathUnescape(name); err == nil && plain != name {
		return []string{name, plain}
	}
	return []string{name}
}

// folder knows the files of a session by what other names have in common with theirs.
// It asks for the list when it is first needed: a text may have many links, and a
// session many files.
type folder struct {
	list  func() []sandbox.FileInfo
	alike []map[string]string // for each of likenesses the path by its form, "" if several have it
}

// likenesses are the forms in which a name that is none may be that of a file: case
// and separators are overlooked first, then a wrong or missing folder, then both.
func likenesses() []func(string) string {
	return []func(string) string{plainName, path.Base, func(s string) string { return plainName(path.Base(s)) }}
}

// closest returns the path of the file that a name which is none must mean, "" if
// there is no such file or more than one.
func (f *folder) closest(name string) string {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	if f.alike == nil {
		f.index()
	}
	for i, form := range likenesses() {
		if found, ok := f.alike[i][form(name)]; ok {
			return found
		}
	}
	return ""
}

func (f *folder) index() {
	files := f.list()
	for _, form := range likenesses() {
		paths := make(map[string]string, len(files))
		for _, file := range files {
			key := form(file.Path)
			if _, taken := paths[key]; taken {
				paths[key] = ""
			} else {
				paths[key] = file.Path
			}
		}
		f.alike = append(f.alike, paths)
	}
}

// plainName is what two spellings of a name have in common: neither case nor the
// kind of blanks, dashes and underscores matters.
func plainName(name string) string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFC.String(name)), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '_' || r == '+'
	})
	return strings.Join(words, "_")
}

// attachForgotten attaches to the message being written the files that cells of the
// run have made and no message links to: the newest, and no more than a message may have.
func (x *execution) attachForgotten(ctx context.Context) {
	x.recallMade(ctx)
	m := x.writing.message
	for _, name := range x.newestMade() {
		if len(m.Attachments) == understudy.MaxAttachments {
			return
		}
		if id := x.keep(ctx, name); id != "" {
			m.Attachments = append(m.Attachments, understudy.Attachment{FileID: id, Tools: []understudy.AttachmentTool{{Type: understudy.ToolCodeInterpreter}}})
		}
	}
}

// noteMade remembers the files that the next cell of this execution made or changed.
func (x *execution) noteMade(files []sandbox.FileInfo) {
	x.cells++
	x.noteMadeBy(x.cells, files)
}

// earlierCell stands for all cells of earlier executions: they come before the first
// of this one.
const earlierCell = -1

// withoutTwins returns files without those that are an input under its id, where it is
// among them under its name too: in the session both are the same file.
func withoutTwins(files []sandbox.FileInfo, inputs []sandbox.Input) []sandbox.FileInfo {
	names := make(map[string]bool, len(files))
	for _, f := range files {
		names[f.Path] = true
	}
	twins := make(map[string]bool, len(inputs))
	for _, in := range inputs {
		twins[in.ID] = in.Name != in.ID && names[in.Name]
	}
	return slices.DeleteFunc(slices.Clone(files), func(f sandbox.FileInfo) bool { return twins[f.Path] })
}

// noteMadeBy remembers the files of a cell, without those that are by their names not
// meant for anybody.
func (x *execution) noteMadeBy(cell int, files []sandbox.FileInfo) {
	if x.made == nil {
		x.made = make(map[string]int)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, ".") && !strings.Contains(f.Path, "/.") && !strings.Contains(f.Path, "__pycache__/") {
			x.made[f.Path] = cell
		}
	}
}

// newestMade returns the paths of the files that were noted, those of the last cell first.
func (x *execution) newestMade() []string {
	return slices.SortedFunc(maps.Keys(x.made), func(a, b string) int {
		return cmp.Or(cmp.Compare(x.made[b], x.made[a]), cmp.Compare(a, b))
	})
}

// recallMade finds the files that cells of an earlier execution of the run made. A
// file that was linked then may be among them.
func (x *execution) recallMade(ctx context.Context) {
	if x.claim.Fence == 1 || x.e.Sandbox == nil {
		return
	}
	inputs, err := x.inputFiles(ctx)
	if err != nil {
		x.log.Error("cannot tell which files are new", "err", err)
		return
	}
	isInput := func(name string) bool {
		return slices.ContainsFunc(inputs, func(f *understudy.File) bool { return f.ID == name || f.Filename == name })
	}
	var earlier []sandbox.FileInfo
	for _, f := range x.dataFiles(ctx) {
		if x.made[f.Path] == 0 && x.files[f.Path] == "" && f.ModTime.Unix() >= x.run.CreatedAt && !isInput(f.Path) {
			earlier = append(earlier, f)
		}
	}
	x.noteMadeBy(earlierCell, earlier)
}

// link is a place in a text that names a file of the sandbox.
type link struct {
	start int // in bytes
	text  string
}

// linkName is the path below /mnt/data that the text of a link names.
func linkName(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(text, linkScheme), "file:")
	text = strings.TrimLeft(text, "/")
	return strings.TrimLeft(strings.TrimPrefix(text, linkFolder), "/")
}

// candidates are the stretches that may be meant, longest first: a full stop
// behind a link can end the sentence or belong to the name, and a quoted title may
// follow the name.
func (l *link) candidates() []string {
	all := []string{l.text}
	if name, _, titled := strings.Cut(l.text, ` "`); titled && linkName(name) != "" {
		all = append(all, name)
	}
	for t := l.text; ; {
		shorter := strings.TrimRight(t[:len(t)-1], ".,;:!?")
		if !strings.ContainsAny(t[len(t)-1:], ".,;:!?") || linkName(shorter) == "" {
			return all
		}
		t = shorter
		all = append(all, t)
	}
}

// maxLinks bounds the links of one message that are resolved.
const maxLinks = 1000

// findLinks returns the places in s that begin with sandbox:, and targets of Markdown
// links that lie in /mnt/data. Inside the parentheses of a Markdown link a name may
// hold spaces; elsewhere it ends at white space or a quotation mark.
func findLinks(s string) []link {
	var links []link
	for from := 0; ; {
		start := nextLink(s, from)
		if start < 0 || len(links) == maxLinks {
			return links
		}
		rest := s[start:]
		end := strings.IndexAny(rest, " \t\r\n\"'`<>)]|")
		switch {
		case strings.HasSuffix(s[:start], "("):
			end = closing(rest)
		case strings.HasSuffix(s[:start], "(<"):
			end = strings.IndexAny(rest, ">\n")
		}
		if end < 0 {
			end = len(rest)
		}
		if linkName(rest[:end]) != "" {
			links = append(links, link{start: start, text: rest[:end]})
		}
		from = start + max(end, len(linkScheme))
	}
}

// linkStart is what a link begins with; the bracket before a Markdown link's target
// is not part of it.
var linkStart = regexp.MustCompile(linkScheme + `|(\]\(<?)(?:/|file:///)?` + linkFolder)

// nextLink returns where in s, at from or later, something begins that looks like a
// link; -1 if nothing does.
func nextLink(s string, from int) int {
	at := linkStart.FindStringSubmatchIndex(s[from:])
	switch {
	case at == nil:
		return -1
	case at[3] >= 0:
		return from + at[3]
	default:
		return from + at[0]
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
