package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]frame{
		"empty": {kind: frameReady, json: []byte{}, blob: []byte{}},
		"json":  {kind: frameDone, cell: 7, json: []byte(`{"status":"ok"}`), blob: []byte{}},
		"blob":  {kind: frameStdout, cell: 1<<32 - 1, json: []byte{}, blob: []byte("text\n")},
		"both":  {kind: frameImage, cell: 1, json: []byte(`{"mime":"image/png"}`), blob: bytes.Repeat([]byte{0xff}, 3<<10)},
	} {
		got, err := readFrame(bytes.NewReader(appendFrame(nil, want)), frameMax)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(frame{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadFrameRefuses(t *testing.T) {
	t.Parallel()
	header := func(total, text uint32) []byte {
		b := binary.LittleEndian.AppendUint32(nil, total)
		b = append(b, frameStdout, 1, 0, 0, 0)
		return binary.LittleEndian.AppendUint32(b, text)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"nothing", nil, io.EOF},
		{"half a header", header(9, 0)[:5], io.ErrUnexpectedEOF},
		{"shorter than its header", header(8, 0), errFrame},
		{"longer than allowed", header(1<<20, 0), errFrame},
		{"4 GB", header(1<<32-1, 0), errFrame},
		{"JSON longer than the frame", header(9+10, 11), errFrame},
		{"body cut off", append(header(9+10, 0), "abc"...), io.ErrUnexpectedEOF},
		{"no body", header(9+10, 0), io.ErrUnexpectedEOF},
	} {
		_, err := readFrame(bytes.NewReader(c.bytes), 1000)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, frame{kind: frameDone, cell: 1, json: []byte(`{}`)}))
	f.Add(appendFrame(appendFrame(nil, frame{kind: frameStdout, blob: []byte("a")}), frame{kind: frameReady}))
	f.Add([]byte{255, 255, 255, 255, 1, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		for {
			before := r.Len()
			got, err := readFrame(r, 1<<16)
			if err != nil {
				return
			}
			used := b[len(b)-before : len(b)-r.Len()]
			if again := appendFrame(nil, got); !bytes.Equal(again, used) {
				t.Fatalf("read %x from %x, which encodes as %x", got, used, again)
			}
		}
	})
}

func TestDecodeMeaning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"mime":"image/png","data":null}`:                   "",
		`{"data":{"type":"table","table":{"rows":[[1]] }}}`:  `table {"rows":[[1]]}`,
		`{"data":{"type":"secrets","secrets":[]}}`:           "error",
		`{"data":{"type":"table","chart":[]}}`:               "error",
		"{\"data\":{\"type\":\"table\",\"table\":\"\xff\"}}": "error",
		strings.Repeat("[", 20_000):                          "error",
	} {
		m, err := decodeMeaning(frame{json: []byte(text)})
		got := ""
		switch {
		case err != nil:
			got = "error"
		case m.Data != nil:
			got = m.Data.Kind + " " + string(m.Data.JSON)
		}
		if got != want {
			t.Errorf("decodeMeaning(%.60q) = %s, want %s", text, got, want)
		}
	}
}
