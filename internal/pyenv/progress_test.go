package pyenv

import (
	"bytes"
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
