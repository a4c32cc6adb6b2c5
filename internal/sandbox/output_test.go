package sandbox

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestCollectorKeepsHeadAndTail(t *testing.T) {
	t.Parallel()
	limits := Limits{OutputBytes: 40}.WithDefaults()
	for _, c := range []struct {
		name   string
		pieces []string
		want   string
		notice string
	}{
		{"short", []string{"a", "b\n"}, "ab\n", ""},
		{"exactly the limit", []string{strings.Repeat("x", 30), strings.Repeat("y", 10)},
			strings.Repeat("x", 30) + strings.Repeat("y", 10), ""},
		{"long", []string{strings.Repeat("x", 35), strings.Repeat("y", 35)},
			strings.Repeat("x", 30) + "\n[... 30 bytes of output left out ...]\n" + strings.Repeat("y", 10),
			"The output was too long: 30 bytes in the middle were left out."},
		{"cut between characters", []string{strings.Repeat("é", 40)},
			strings.Repeat("é", 15) + "\n[... 40 bytes of output left out ...]\n" + strings.Repeat("é", 5),
			"The output was too long: 40 bytes in the middle were left out."},
		{"invalid", []string{"a\xff\x00b"}, "a\uFFFD\uFFFDb", ""},
	} {
		sink := newCollector(limits)
		var shown transcript
		for _, p := range c.pieces {
			sink.text([]byte(p))
			for _, o := range sink.take() {
				shown.add(o)
			}
		}
		notice := sink.finish()
		for _, o := range sink.take() {
			shown.add(o)
		}
		want := []Output{{Logs: c.want}}
		if diff := cmp.Diff(want, shown.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if notice != c.notice {
			t.Errorf("%s: got notice %q, want %q", c.name, notice, c.notice)
		}
	}
}

func TestCollectorOrdersTextAndImages(t *testing.T) {
	t.Parallel()
	sink := newCollector(Limits{Images: 2}.WithDefaults())
	sink.text([]byte("a"))
	sink.text([]byte("b"))
	sink.image(Image{MIME: "image/png", Data: []byte("1")})
	sink.image(Image{MIME: "image/png", Data: []byte("2")})
	sink.text([]byte("c"))
	sink.image(Image{MIME: "image/png", Data: []byte("3")})
	notice := sink.finish()
	want := []Output{
		{Logs: "ab"},
		{Image: &Image{MIME: "image/png", Data: []byte("1")}},
		{Image: &Image{MIME: "image/png", Data: []byte("2")}},
		{Logs: "c"},
	}
	if diff := cmp.Diff(want, sink.take()); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if want := "1 images above the limit of 2 were left out."; notice != want {
		t.Errorf("got notice %q, want %q", notice, want)
	}
}

func TestCollectorBoundsData(t *testing.T) {
	t.Parallel()
	data := func(n int) Data { return Data{Kind: "table", JSON: bytes.Repeat([]byte("1"), n)} }
	sink := newCollector(Limits{}.WithDefaults())
	sink.data(data(maxData + 1))
	sink.data(Data{Kind: "table", JSON: []byte(strings.Repeat("[", maxNesting+1) + strings.Repeat("]", maxNesting+1))})
	for range maxAllData/maxData + 1 {
		sink.text([]byte("a"))
		sink.data(data(maxData))
	}
	sink.finish()
	var got strings.Builder
	for _, o := range sink.take() {
		got.WriteString(o.Logs)
		if o.Data != nil {
			got.WriteString("!")
		}
	}
	if want := strings.Repeat("a!", maxAllData/maxData) + "a"; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}

func TestNesting(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{`1`: 0, `[]`: 1, `{"a":[1,{}],"b":[]}`: 3, `"[["`: 0, `["\"[[",[]]`: 2, `["\\",[]]`: 2} {
		if got := nesting([]byte(text)); got != want {
			t.Errorf("nesting(%s) = %d, want %d", text, got, want)
		}
	}
}

// TestCollectorTakesPieces adds text that is looked at in several pieces.
func TestCollectorTakesPieces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("aé😀", pieceBytes/3), strings.Repeat("\x80", 3*pieceBytes)} {
		sink := newCollector(Limits{}.WithDefaults())
		sink.text([]byte(text))
		sink.finish()
		var got strings.Builder
		for _, o := range sink.take() {
			got.WriteString(o.Logs)
		}
		if utf8.ValidString(text) && got.String() != text {
			t.Errorf("text of %d bytes came out as another one of %d bytes", len(text), got.Len())
		}
		if !utf8.ValidString(got.String()) || got.Len() == 0 || sink.total != int64(len(text)) {
			t.Errorf("%d bytes came out as %.20q, counted as %d", len(text), got.String(), sink.total)
		}
	}
}

func TestCollectorRawBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		pieces []string
		want   string
	}{
		{"character cut in two", []string{"a\xc3", "\xa9b"}, "aéb"},
		{"character cut in four", []string{"\xf0", "\x9f", "\x98", "\x80"}, "😀"},
		{"never finished", []string{"a\xc3"}, "a\uFFFD"},
		{"progress bar", []string{"10%\r20%\r30%\n", "done\r\n"}, "30%\ndone\n"},
	} {
		sink := newCollector(Limits{}.WithDefaults())
		for _, p := range c.pieces {
			sink.raw([]byte(p))
		}
		sink.finish()
		if diff := cmp.Diff([]Output{{Logs: c.want}}, sink.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestCollectorFlood(t *testing.T) {
	t.Parallel()
	sink := newCollector(Limits{OutputBytes: 1000, FloodBytes: 10_000}.WithDefaults())
	line := []byte(strings.Repeat("x", 100))
	n := 0
	for sink.text(line) {
		n++
	}
	if n != 100 {
		t.Errorf("took %d lines of 100 bytes, want 100", n)
	}
	if got := len(sink.tail); got > 500+100 {
		t.Errorf("holds %d bytes of the end, want at most 600", got)
	}
}

func FuzzCollector(f *testing.F) {
	f.Add([]byte("a\xc3"), []byte("\xa9\r\x00b"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		sink := newCollector(Limits{OutputBytes: 16}.WithDefaults())
		sink.raw(a)
		sink.raw(b)
		sink.text(a)
		sink.finish()
		for _, o := range sink.take() {
			if !utf8.ValidString(o.Logs) {
				t.Fatalf("invalid UTF-8: %q", o.Logs)
			}
			if len(o.Logs) > 16+64+16 {
				t.Fatalf("%d bytes kept", len(o.Logs))
			}
		}
	})
}
