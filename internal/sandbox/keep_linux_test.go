package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shelf is a Keeper in memory.
type shelf struct {
	version int
	files   map[string]keptBytes
	saves   int
	broken  error // of the next Save
}

type keptBytes struct {
	content  string
	modified time.Time
	lost     bool
}

func (k *shelf) Version(context.Context) (string, error) {
	if k.version == 0 {
		return "", nil
	}
	return fmt.Sprint(k.version), nil
}

func (k *shelf) Files(context.Context) ([]KeptFile, bool, error) {
	var all []KeptFile
	for name, f := range k.files {
		all = append(all, KeptFile{
			FileInfo: FileInfo{Path: name, Size: int64(len(f.content)), ModTime: f.modified},
			Open: func(context.Context) (io.ReadCloser, error) {
				if f.lost {
					return nil, fs.ErrNotExist
				}
				return io.NopCloser(strings.NewReader(f.content)), nil
			},
		})
	}
	return all, k.saves > 0, nil
}

func (k *shelf) Save(ctx context.Context, c Changes) (string, error) {
	if err := k.broken; err != nil {
		k.broken = nil
		return "", err
	}
	if at, _ := k.Version(ctx); at != c.Since {
		return "", errors.New("stale")
	}
	next := maps.Clone(k.files)
	if next == nil {
		next = map[string]keptBytes{}
	}
	for _, name := range c.Gone {
		delete(next, name)
	}
	for f, content := range c.Files {
		b, err := io.ReadAll(content)
		if err != nil {
			return "", err
		}
		next[f.Path] = keptBytes{content: string(b), modified: f.ModTime}
	}
	k.files = next
	k.version++
	k.saves++
	return fmt.Sprint(k.version), nil
}

func (k *shelf) contents() map[string]string {
	all := map[string]string{}
	for name, f := range k.files {
		all[name] = f.content
	}
	return all
}

// keeping runs cells of one key with a Keeper.
type keeping struct {
	t     *testing.T
	m     *Manager
	key   string
	shelf shelf
}

func (k *keeping) run(code string, inputs ...Input) Result {
	k.t.Helper()
	r, err := k.m.Run(k.t.Context(), k.key, Cell{Code: code, Keep: &k.shelf, Inputs: inputs})
	if err != nil {
		k.t.Fatalf("Run(%q): %v", code, err)
	}
	return r
}

// want checks what is kept.
func (k *keeping) want(files map[string]string) {
	k.t.Helper()
	if diff := cmp.Diff(files, k.shelf.contents()); diff != "" {
		k.t.Errorf("kept files (-want +got):\n%s", diff)
	}
}

func newKeeping(t *testing.T) *keeping {
	m, key := shared(t)
	return &keeping{t: t, m: m, key: key}
}

// show prints all regular files of /mnt/data.
const show = `
import os
for d, _, names in sorted(os.walk('.')):
    for n in sorted(names):
        p = os.path.join(d, n)
        print(p[2:], open(p).read())
`

func TestFilesOutliveTheirSession(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	r := k.run("x = 1\nopen('a.txt', 'w').write('1')\nos = __import__('os')\nos.makedirs('d/e'); open('d/e/b', 'w').write('2')\n" +
		"os.utime('a.txt', (1e9, 1e9)); os.symlink('a.txt', 'link'); os.mkdir('empty')\nopen('gone', 'w').write('3')")
	if r.Notice != "" {
		t.Errorf("first cell: got notice %q, want none", r.Notice)
	}
	k.want(map[string]string{"a.txt": "1", "d/e/b": "2", "gone": "3"})
	saves := k.shelf.saves
	if k.run("x += 1\nopen('a.txt').read()"); k.shelf.saves != saves {
		t.Errorf("a cell that changed nothing was saved")
	}
	k.run("os.remove('gone'); open('d/e/b', 'a').write('2')")
	k.m.Kill(k.key)

	r = k.run(show + "print(int(os.stat('a.txt').st_mtime), 'x' in globals(), os.listdir('d'))")
	if got, want := r.Text(), "a.txt 1\nd/e/b 22\n1000000000 False ['e']\n"; got != want {
		t.Errorf("in the next session: got %q, want %q", got, want)
	}
	if r.Notice != freshSession {
		t.Errorf("got notice %q, want %q", r.Notice, freshSession)
	}
	if len(r.Files) != 0 || k.shelf.saves != saves+1 {
		t.Errorf("restored files count as changed: %v, %d saves", r.Files, k.shelf.saves-saves)
	}
	if r := k.run("open('a.txt', 'a').write('+')"); r.Notice != "" {
		t.Errorf("second cell: got notice %q, want none", r.Notice)
	}
	k.want(map[string]string{"a.txt": "1+", "d/e/b": "22"})
}

func TestKeptFilesAfterDeath(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	k.run("open('a', 'w').write('1')\nimport os; os._exit(1)") // its files are saved all the same
	k.want(map[string]string{"a": "1"})
	r := k.run(show)
	if r.Text() != "a 1\n" || !strings.Contains(r.Notice, "fresh session") {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
	if k.shelf.saves != 1 {
		t.Errorf("got %d saves, want 1: nothing changed since", k.shelf.saves)
	}
}

func TestKeptFilesAfterLifetime(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, m: newManager(t, func(c *Config) { c.Lifetime = 3 * time.Second }), key: "k"}
	r := k.run("open('a', 'w').write('1')\nimport time; time.sleep(60)")
	if r.Status != StatusDied || !strings.Contains(r.Notice, "expired") || !strings.Contains(r.Notice, "kept") {
		t.Errorf("got status %q and notice %q, want died, expired and kept", r.Status, r.Notice)
	}
	r = k.run(show)
	if r.Text() != "a 1\n" || r.Notice != freshSession {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

func TestKeptFilesAfterEviction(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, m: newManager(t, func(c *Config) { c.MaxSessions = 1 }), key: "k"}
	k.run("open('a', 'w').write('1')")
	run(t, k.m, "other", "1")
	if r := k.run(show); r.Text() != "a 1\n" || r.Notice != freshSession {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

// TestKeptFilesOfALostJail replaces the process that all sessions descend from:
// what is copied into the next one has not changed.
func TestKeptFilesOfALostJail(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, m: newManager(t, nil), key: "k"}
	in := input("file-1", "in.csv", "input")
	k.run("open('a', 'w').write('1')", in)
	if err := k.m.driver.(*jailDriver).current.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-k.m.sessions["k"].link.process.exited()
	r := k.run("x = 1\n"+show, in)
	if got, want := r.Text(), "a 1\nfile-1 input\nin.csv input\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if k.want(map[string]string{"a": "1"}); k.shelf.saves != 1 {
		t.Errorf("got %d saves, want 1", k.shelf.saves)
	}
}

func TestInputsAreNotKept(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	a, b, c := input("file-1", "a.csv", "a"), input("file-2", "b.csv", "b"), input("file-3", "c.csv", "c")
	k.run("open('out', 'w').write('o')", a, b, c)
	k.want(map[string]string{"out": "o"})
	k.run("open('b.csv', 'a').write('!')\nimport os; os.remove('file-3')", a, b, c)
	k.want(map[string]string{"out": "o", "b.csv": "b!", "file-2": "b!"})
	k.m.Kill(k.key)
	r := k.run(show, a, b, c)
	if diff := cmp.Diff("a.csv a\nb.csv b!\nc.csv c\nfile-1 a\nfile-2 b!\nfile-3 c\nout o\n", r.Text()); diff != "" {
		t.Errorf("in the next session (-want +got):\n%s", diff)
	}
}

func TestKeptFileBecomesFolder(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	k.run("import os, shutil\nos.mkdir('a'); open('a/b', 'w').write('1'); open('c', 'w').write('2')")
	k.run("shutil.rmtree('a'); open('a', 'w').write('3'); os.remove('c'); os.mkdir('c'); open('c/d', 'w').write('4')")
	k.want(map[string]string{"a": "3", "c/d": "4"})
	k.m.Kill(k.key)
	if r := k.run(show); r.Text() != "a 3\nc/d 4\n" || r.Notice != freshSession {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

func TestKeptFilesAreBounded(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, key: "k", m: newManager(t, func(c *Config) { c.Limits.KeptBytes, c.Limits.KeptFiles = 1<<20, 3 })}
	for _, c := range []struct {
		name, code string
		kept       []string
		notice     string // a part of it
	}{
		{"too large", "open('big', 'w').write('x' * (1 << 20)); open('small', 'w').write('x')", []string{"small"}, "big. Kept"},
		{"told once", "open('other', 'w').write('x')", []string{"other", "small"}, ""},
		{"a hole", "open('hole', 'w').truncate(1 << 28)", []string{"other", "small"}, "big, hole. Kept"},
		{"too many", "import os; os.remove('big'); os.remove('hole')\nfor i in range(9): open(f'{i}', 'w').write('')", []string{"0", "1", "2"}, "3, 4, 5 and 5 more. Kept"},
		{"room again", "for i in range(8): os.remove(f'{i}')", []string{"8", "other", "small"}, ""},
	} {
		r := k.run(c.code)
		if got := slices.Sorted(maps.Keys(k.shelf.files)); !slices.Equal(got, c.kept) {
			t.Errorf("%s: kept %v, want %v", c.name, got, c.kept)
		}
		if (c.notice == "") != (r.Notice == "") || !strings.Contains(r.Notice, c.notice) {
			t.Errorf("%s: got notice %q, want %q in it", c.name, r.Notice, c.notice)
		}
	}
}

// TestKeptFilesLeaveRoomForInputs restores what takes more room than before: a
// thread whose files do not fit must be able to run code, if only to remove some.
func TestKeptFilesLeaveRoomForInputs(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, key: "k", m: newManager(t, func(c *Config) { c.Limits.DataBytes, c.Limits.KeptBytes = 1<<20, 1<<30 })}
	in := input("file-1", "in.csv", strings.Repeat("x", 600_000))
	k.run("open('hole', 'w').truncate(900_000); open('a', 'w').write('1')", in)
	k.m.Kill(k.key)
	r := k.run("import os; print(os.path.getsize('in.csv'), open('a').read(), os.path.exists('hole'))", in)
	if r.Text() != "600000 1 False\n" || !strings.Contains(r.Notice, "could not be restored: hole.") {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

// TestAbsentFilesCount loses a file to an input in each session: what could not be
// restored stays kept, and leaves the less room for others.
func TestAbsentFilesCount(t *testing.T) {
	t.Parallel()
	k := &keeping{t: t, key: "k", m: newManager(t, func(c *Config) { c.Limits.KeptBytes = 1 << 20 })}
	in := input("file-1", "in.csv", "x")
	const turn = "import os\nif os.path.isfile('file-1'):\n    os.remove('file-1'); os.mkdir('file-1')\n"
	for n := range 3 {
		r := k.run(turn+fmt.Sprintf("open('file-1/%d', 'w').write('x' * 600_000)", n), in)
		if got := slices.Collect(maps.Keys(k.shelf.files)); !slices.Equal(got, []string{"file-1/0"}) {
			t.Fatalf("after %d sessions %v are kept", n+1, got)
		}
		if want := fmt.Sprintf("Not kept when this session ends: file-1/%d.", n); n > 0 && !strings.Contains(r.Notice, want) {
			t.Errorf("got notice %q, want %q in it", r.Notice, want)
		}
		k.m.Kill(k.key)
	}
	k.run(turn+"open('file-1/0', 'w').write('y'); open('new', 'w').write('z' * 900_000)", in) // in place of what is absent
	if k.shelf.files["file-1/0"].content != "y" || len(k.shelf.files["new"].content) != 900_000 {
		t.Errorf("got %d kept files, want the new file-1/0 and new", len(k.shelf.files))
	}
}

// TestLongPaths makes the paths of files as long as they can be: the server holds the
// names that it was shown.
func TestLongPaths(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	r := run(t, m, key, `import os
for _ in range(3):
    os.mkdir('d' * 250); os.chdir('d' * 250)
open('x', 'w').close()
for i in range(20): open(f'{i:0255}', 'w').close()
os.mkdir('e'); os.chdir('e')
for i in range(9999): open(f'{i:0200}', 'w').close()
os.chdir('/mnt/data')
`)
	var bytes int
	for _, f := range r.Files {
		bytes += len(f.Path)
	}
	if most := m.Limits().ListedFiles * meanPath; bytes > most || bytes < most/2 {
		t.Errorf("%d files have paths of %d bytes together, want %d at most", len(r.Files), bytes, most)
	}
	if _, err := m.Open(key, strings.Repeat(strings.Repeat("d", 250)+"/", 3)+"x"); err != nil {
		t.Error(err)
	}
}

func TestUnlistedFilesAreTold(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	r := k.run("open('a\\nb', 'w').write('x'); open('c', 'w').write('y')\nimport os; os.makedirs('/'.join('d' * 20))")
	k.want(map[string]string{"c": "y"})
	if !strings.Contains(r.Notice, "unprintable or very long names, too deep") {
		t.Errorf("got notice %q, want it to tell of both", r.Notice)
	}
}

// TestUnreadableFile is about a file that nobody may read: an ordinary server
// cannot either.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	r := k.run("import os\nopen('a', 'w').write('1'); os.chmod('a', 0); open('b', 'w').write('2')")
	if k.shelf.files["b"].content != "2" {
		t.Error("a readable file was not kept")
	}
	if _, kept := k.shelf.files["a"]; !kept && !strings.Contains(r.Notice, "Not kept when this session ends: a.") {
		t.Errorf("got notice %q, want it to name the file that is not kept", r.Notice)
	}
	saves := k.shelf.saves
	if r := k.run("1"); k.shelf.saves != saves || r.Notice != "" {
		t.Errorf("the next cell: %d saves and notice %q, want none", k.shelf.saves-saves, r.Notice)
	}
}

// TestSaveFails shows that nothing is forgotten that could not be saved.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	k.shelf.broken = errors.New("disk full")
	if r := k.run("open('a', 'w').write('1')"); !strings.Contains(r.Notice, "could not be saved") {
		t.Errorf("got notice %q", r.Notice)
	}
	if r := k.run("x = 1"); r.Notice != "" {
		t.Errorf("got notice %q, want none", r.Notice)
	}
	k.want(map[string]string{"a": "1"})
	k.shelf.files["lost"] = keptBytes{content: "x", lost: true}
	k.m.Kill(k.key)
	if r := k.run(show); r.Text() != "a 1\n" || !strings.Contains(r.Notice, "could not be restored: lost.") {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

// TestStaleSession lets somebody else save: the session here is of no use any more.
func TestStaleSession(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	k.run("x = 1\nopen('a', 'w').write('1')")
	k.shelf.version++
	k.shelf.files = map[string]keptBytes{"b": {content: "2"}}
	if r := k.run(show + "print('x' in globals())"); r.Text() != "b 2\nFalse\n" || r.Notice != freshSession {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
	k.shelf.version, k.shelf.files = 0, nil // all was dropped
	if r := k.run(show); r.Text() != "" || !strings.Contains(r.Notice, "variables and files of earlier cells are gone") {
		t.Errorf("got %q and notice %q", r.Text(), r.Notice)
	}
}

// TestInterruptedCellIsSavedWithTheNext: whoever stops a cell does not wait for its files.
func TestInterruptedCellIsSavedWithTheNext(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := k.m.Run(ctx, k.key, Cell{
		Code: "open('a', 'w').write('1')\nprint('on')\nimport time; time.sleep(60)", Keep: &k.shelf, Output: func(Output) { cancel() },
	}); err != nil {
		t.Fatal(err)
	}
	k.want(map[string]string{})
	k.run("1")
	k.want(map[string]string{"a": "1"})
}

// BenchmarkSave measures what saving adds to a cell, apart from where it is saved.
func BenchmarkSave(b *testing.B) {
	for _, c := range []struct{ name, code string }{
		{"nothing", "1"},
		{"1kB", "open('a', 'wb').write(b'x' * 1000)"},
		{"100MB", "open('a', 'wb').write(b'x' * 100_000_000)"},
	} {
		for _, keep := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/%t", c.name, keep), func(b *testing.B) {
				m := newManager(b, nil)
				cell := Cell{Code: c.code}
				if keep {
					cell.Keep = new(drain)
				}
				for b.Loop() {
					if r, err := m.Run(b.Context(), "k", cell); err != nil || r.Status != StatusOK {
						b.Fatal(r, err)
					}
				}
			})
		}
	}
}

// drain is a Keeper that reads all and keeps nothing.
type drain struct{ shelf }

func (d *drain) Save(ctx context.Context, c Changes) (string, error) {
	for _, content := range c.Files {
		if _, err := io.Copy(io.Discard, content); err != nil {
			return "", err
		}
	}
	d.version++
	return fmt.Sprint(d.version), nil
}
