package pyenv

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestProgressInPlainLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		p.stage("downloading", 105)
		p.step(40, "numpy (16.6 MB)")
		time.Sleep(plainEvery + time.Millisecond)
		p.step(41, "pandas")
		p.watch(func() int { return 7 })
		p.stage("unpacking", 105)
		time.Sleep(plainEvery)
		p.stage("compiling", 0)
		p.close()
		want := `python packages: downloading, 0 of 105 (0 s)
python packages: downloading numpy (16.6 MB), 40 of 105 (3 s)
python packages: unpacking, 7 of 105 (3 s)
python packages: unpacking, 7 of 105 (6 s)
python packages: compiling (6 s)
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var got tail
	want := ""
	for i := range 5000 {
		line := strings.Repeat("x", i%7) + "\n"
		got.Write([]byte(line))
		want += line
	}
	want = strings.TrimSpace(want[len(want)-tailSize:])
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("tail (-want +got):\n%s", diff)
	}
}

// What pip 21, 23 and 25 say, and what is made of it.
func TestFollowPip(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, said   string
		n            int
		stage, shown string
	}{
		{"collecting", "Collecting numpy==2.4.6 (from -r requirements.txt (line 1))\n", 0, "downloading", "numpy"},
		{"downloading", "Collecting a==1\n  Downloading a-1.whl.metadata (2.1 kB)\nCollecting b==2 (from x)\n  Downloading b-2-py3-none-any.whl (16.6 MB)\n", 1, "downloading", "b (16.6 MB)"},
		{"cached", "Collecting a==1\n  Using cached a-1-py3-none-any.whl (3 kB)\n", 0, "downloading", "a (3 kB)"},
		{"from a folder", "Looking in links: /wheels\nProcessing /wheels/a-1-py3-none-any.whl\n", 0, "downloading", ""},
		{"unpacking", "Collecting a==1\nInstalling collected packages: a, b\nSuccessfully installed a-1 b-2\n", 0, "unpacking", ""},
		{"a line without end", "Collecting a==1\n" + strings.Repeat("x", 1<<20), 0, "downloading", "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := build{progress: newProgress(nil), logger: slog.New(slog.DiscardHandler)}
			defer b.progress.close()
			b.progress.stage("downloading", 2)
			said := strings.NewReader(test.said)
			b.follow(said, 2)
			got := []any{b.progress.n, b.progress.name, b.progress.detail, said.Len()}
			if diff := cmp.Diff([]any{test.n, test.stage, test.shown, 0}, got); diff != "" {
				t.Errorf("steps, stage, detail, unread bytes (-want +got):\n%s", diff)
			}
		})
	}
}
