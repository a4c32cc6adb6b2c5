package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A screen shows a conversation as it is streamed. Pieces of one speaker are
// joined; a new speaker begins a new paragraph.
type screen struct {
	w       io.Writer
	color   bool
	speaker string
	midline bool
}

func newScreen(w io.Writer) *screen {
	f, ok := w.(*os.File)
	return &screen{w: w, color: ok && term.IsTerminal(int(f.Fd()))}
}

// Colours of the terminal.
const (
	bold  = "1"
	faint = "2"
	green = "32"
	blue  = "34"
	cyan  = "36"
)

func (s *screen) paint(color, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// title begins a part of the demo.
func (s *screen) title(format string, args ...any) {
	s.endLine()
	s.speaker = ""
	fmt.Fprintf(s.w, "\n%s\n", s.paint(bold, "== "+fmt.Sprintf(format, args...)))
}

// note shows a line of the demo's own.
func (s *screen) note(format string, args ...any) {
	s.endLine()
	s.speaker = ""
	fmt.Fprintln(s.w, s.paint(faint, "   "+fmt.Sprintf(format, args...)))
}

// say shows a piece of what speaker says. It is text from a model, a program or
// a file, so nothing in it may steer the terminal.
func (s *screen) say(speaker, color, piece string) {
	if piece == "" {
		return
	}
	if s.speaker != speaker {
		s.endLine()
		s.speaker = speaker
		fmt.Fprintf(s.w, "%s\n", s.paint(bold, speaker))
	}
	for line := range strings.Lines(piece) {
		text, ended := strings.CutSuffix(line, "\n")
		if !s.midline && text != "" {
			fmt.Fprint(s.w, "   ")
		}
		fmt.Fprint(s.w, s.paint(color, harmless(text)))
		s.midline = !ended && (s.midline || text != "")
		if ended {
			fmt.Fprintln(s.w)
		}
	}
}

func (s *screen) endLine() {
	if s.midline {
		fmt.Fprintln(s.w)
	}
	s.midline = false
}

// harmless drops control characters from text, except tabs.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, text)
}
