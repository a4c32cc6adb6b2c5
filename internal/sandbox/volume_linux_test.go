package sandbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

func input(id, name, content string) Input {
	return Input{ID: id, Name: name, Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	opened := 0
	counted := input("file-1", "../dir/sales.csv", "a,b\n")
	open := counted.Open
	counted.Open = func(ctx context.Context) (io.ReadCloser, error) {
		opened++
		return open(ctx)
	}
	for range 2 {
		r, err := m.Run(t.Context(), key, Cell{
			Code: "import os\nfor n in sorted(os.listdir()): print(n, repr(open(n).read()))",
			Inputs: []Input{
				counted, input("file-2", "", "2"), input("file-3", "sales.csv", "other"), input("file-4", "a\nb", "4"),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		want := `file-1 'a,b\n'
file-2 '2'
file-3 'other'
file-4 '4'
sales.csv 'a,b\n'
`
		if diff := cmp.Diff(want, r.Text()); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if len(r.Files) != 0 {
			t.Errorf("got files %v, want none: inputs are not made by the cell", r.Files)
		}
	}
	if opened != 1 {
		t.Errorf("the input was opened %d times, want once", opened)
	}
	r := run(t, m, key, "open('sales.csv', 'a').write('more')\nopen('file-9', 'w').close()")
	want := []FileInfo{{Path: "file-1", Size: 8}, {Path: "file-9"}, {Path: "sales.csv", Size: 8}}
	if diff := cmp.Diff(want, r.Files, cmpopts.IgnoreFields(FileInfo{}, "ModTime")); diff != "" {
		t.Errorf("changed files (-want +got):\n%s", diff)
	}
}

func TestInputsAreRefused(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.FileSize = 1 << 20 })
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		in   Input
		want error
	}{
		"path in the id": {input("../x", "", ""), ErrUnsafe},
		"no id":          {input("", "x", ""), ErrUnsafe},
		"cannot be read": {Input{ID: "file-1", Open: func(context.Context) (io.ReadCloser, error) { return nil, broken }}, broken},
	} {
		if _, err := m.Run(t.Context(), "k", Cell{Code: "1", Inputs: []Input{c.in}}); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
	if got := run(t, m, "k", "import os; os.listdir()").Text(); got != "[]\n" {
		t.Errorf("left behind: %s", got)
	}
}

// TestInputsWithoutRoom gives a session more than it can hold: its code runs all the
// same, is told what is missing, and can make room.
func TestInputsWithoutRoom(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.DataBytes, c.Limits.FileSize = 3<<20, 1<<20 })
	megabyte := strings.Repeat("x", 1<<20)
	inputs := []Input{
		input("file-1", "large.csv", megabyte+"x"), input("file-2", "a.csv", megabyte), input("file-3", "b.csv", megabyte[1:]), input("file-4", "c.csv", "c"),
	}
	const listed = "import os; print(*sorted(os.listdir()))"
	for _, c := range []struct{ code, text, notice string }{
		{listed, "a.csv b.csv c.csv file-2 file-3 file-4\n", "large.csv."},
		{listed + "\nos.remove('a.csv'); os.remove('file-2'); open('full', 'wb').write(bytes(1 << 20)); f = open('rest', 'wb', 0)\ntry:\n    while f.write(bytes(4096)): pass\nexcept OSError: pass", "a.csv b.csv c.csv file-2 file-3 file-4\n", ""},
		{"0", "0\n", "new.csv."},
		{"os.chmod('/mnt/data', 0)", "", ""},
		{"os.chmod('/mnt/data', 0o700); os.remove('full')", "", ""},
		{listed, "b.csv c.csv file-3 file-4 file-5 new.csv rest\n", ""},
	} {
		r, err := m.Run(t.Context(), "k", Cell{Code: c.code, Inputs: inputs})
		if err != nil {
			t.Fatalf("Run(%q): %v", c.code, err)
		}
		if !strings.HasPrefix(r.Text(), c.text) || (c.notice == "") != (r.Notice == "") || !strings.Contains(r.Notice, c.notice) {
			t.Errorf("%q: got %q and notice %q, want %q and %q", c.code, r.Text(), r.Notice, c.text, c.notice)
		}
		if strings.Contains(c.code, "open('full'") {
			inputs = append(inputs, input("file-5", "new.csv", megabyte[:500_000]))
		}
	}
}

func TestInputReplacesALink(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, "import os\nopen('victim', 'w').write('safe')\nos.symlink('victim', 'file-1')\nos.symlink('/mnt/data/victim', 'n.csv')")
	r, err := m.Run(t.Context(), key, Cell{
		Code: "print(open('victim').read(), open('file-1').read())", Inputs: []Input{input("file-1", "n.csv", "new")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Text(), "safe new\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.DownloadSize = 1000 })
	if _, err := m.Open("k", "x"); !errors.Is(err, ErrNoSession) {
		t.Errorf("no session: got error %v, want %v", err, ErrNoSession)
	}
	run(t, m, "k", `
import os, socket
open('x.csv', 'w').write('csv')
os.makedirs('sub/deep')
open('sub/x.csv', 'w').write('sub')
open('long', 'w').write('x' * 5000)
os.symlink('/etc/passwd', 'link')
os.symlink('x.csv', 'near')
os.symlink('/', 'root')
os.symlink('sub', 'sublink')
os.symlink('/proc/self/root', 'magic')
open('secret', 'w').write('s'); os.chmod('secret', 0)
s = socket.socket(socket.AF_UNIX); s.bind('sock')
`)
	v := m.sessions["k"].volume // a session cannot make a pipe with a name
	if err := v.asOwner(func() error { return unix.Mknodat(int(v.dir.Fd()), "fifo", unix.S_IFIFO|0o666, 0) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want string
		err  error
	}{
		{"x.csv", "csv", nil},
		{"/mnt/data/x.csv", "csv", nil},
		{"/mnt/data/sub/../x.csv", "csv", nil},
		{"sub/x.csv", "sub", nil},
		{"./sub//x.csv", "sub", nil},
		{"long", strings.Repeat("x", 1000), nil},
		{"missing", "", fs.ErrNotExist},
		{"x.csv/y", "", fs.ErrNotExist},
		{"", "", ErrUnsafe},
		{".", "", ErrUnsafe},
		{"..", "", ErrUnsafe},
		{"../data/x.csv", "", ErrUnsafe},
		{"/etc/passwd", "", ErrUnsafe},
		{"/mnt/data", "", ErrUnsafe},
		{"x\x00.csv", "", ErrUnsafe},
		{"\xff", "", ErrUnsafe},
		{"link", "", ErrUnsafe},
		{"near", "", ErrUnsafe},
		{"root/etc/passwd", "", ErrUnsafe},
		{"sublink/x.csv", "", ErrUnsafe},
		{"magic/etc/passwd", "", ErrUnsafe},
		{"sub", "", ErrUnsafe},
		{"fifo", "", ErrUnsafe},
		{"sock", "", ErrUnsafe},
	} {
		if c.name == "sock" && onGVisor() {
			continue // sockets have no place in the volume there
		}
		f, err := m.Open("k", c.name)
		if !errors.Is(err, c.err) {
			t.Errorf("%q: got error %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		b, err := io.ReadAll(f)
		if err != nil || string(b) != c.want || f.Size != int64(len(c.want)) {
			t.Errorf("%q: got %.20q (size %d), %v, want %.20q", c.name, b, f.Size, err, c.want)
		}
		f.Close()
	}
}

// TestOpenRace swaps a file and a link under the reader: it may see the file or an
// error, never what the link leads to.
func TestOpenRace(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	run(t, m, key, `
import os, threading
open('good', 'w').write('good')
os.symlink('/etc/passwd', 'bad')
def swap():
    while True:
        for source in ('good', 'bad'):
            os.link(source, 'next', follow_symlinks=False)
            os.rename('next', 'out')
threading.Thread(target=swap, daemon=True).start()
`)
	for range 2000 {
		f, err := m.Open(key, "out")
		if err != nil {
			if !errors.Is(err, ErrUnsafe) && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got error %v", err)
			}
			continue
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(b) != "good" {
			t.Fatalf("read %.40q, %v", b, err)
		}
	}
}

func TestVolumeIsBounded(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) {
		c.Limits.DataBytes, c.Limits.DataInodes, c.Limits.TmpBytes, c.Limits.FileSize = 4<<20, 100, 4<<20, 3<<20
	})
	for _, c := range []struct{ code, want string }{
		{"for i in range(3):\n    open(f'f{i}', 'wb').write(bytes(2 << 20))", "No space left on device"},
		{"import os\nfor i in range(3): os.path.exists(f'f{i}') and os.remove(f'f{i}')\nfor i in range(200): open(f'e{i}', 'w').close()", "No space left on device"},
		{"for i in range(9):\n    open(f'/tmp/f{i}', 'wb').write(bytes(2 << 20))", "No space left on device"},
		{"for i in range(9):\n    open(f'/dev/shm/f{i}', 'wb').write(bytes(1 << 20))", "No space left on device"},
		{"open('/tmp/g', 'wb').write(bytes(4 << 20))", "File too large"},
	} {
		r := run(t, m, "k", c.code)
		if r.Status != StatusError || !strings.Contains(r.Text(), c.want) {
			t.Errorf("%s: got %q %s, want %q", c.code, r.Status, r.Text(), c.want)
		}
		run(t, m, "k", "import shutil, os; [os.remove('/tmp/' + n) for n in os.listdir('/tmp') if n.startswith('f')]")
	}
}

// TestInputsBeforeAnUnreadableOne are inputs all the same, and no files of the session.
func TestInputsBeforeAnUnreadableOne(t *testing.T) {
	t.Parallel()
	for _, used := range []bool{false, true} {
		k := newKeeping(t)
		if used {
			k.run("1")
		}
		one, away := input("file-1", "one", "1"), input("file-2", "two", "2")
		away.Open = func(context.Context) (io.ReadCloser, error) { return nil, errors.New("the store is away") }
		if _, err := k.m.Run(t.Context(), k.key, Cell{Code: "1", Keep: &k.shelf, Inputs: []Input{one, away}}); err == nil {
			t.Error("a cell was run without an input that could not be read")
		}
		if r := k.run("open('one').read()", one); r.Text() != "'1'\n" || len(r.Files) > 0 {
			t.Errorf("used %v: got %q and changed files %v, want none", used, r.Text(), r.Files)
		}
		k.want(map[string]string{})
	}
}

// TestInputsWithoutRoomAreTold with the first cell that runs.
func TestInputsWithoutRoomAreTold(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.FileSize = 1 << 20 })
	large, away := input("file-1", "large", strings.Repeat("x", 2<<20)), input("file-2", "two", "2")
	away.Open = func(context.Context) (io.ReadCloser, error) { return nil, errors.New("the store is away") }
	if _, err := m.Run(t.Context(), "k", Cell{Code: "1", Inputs: []Input{large, away}}); err == nil {
		t.Error("a cell was run without an input that could not be read")
	}
	interrupted, interrupt := context.WithCancel(t.Context())
	if _, err := m.Run(interrupted, "k", Cell{Code: "1", Inputs: []Input{large}, Keep: emptyKeep(interrupt)}); err == nil {
		t.Error("a cell was run that was not wanted any more")
	}
	r, err := m.Run(t.Context(), "k", Cell{Code: "1", Inputs: []Input{large}})
	if err != nil || !strings.Contains(r.Notice, "Could not be put into /mnt/data: large.") {
		t.Errorf("got notice %q and %v", r.Notice, err)
	}
}

// emptyKeep has no files, and is called when it is asked for them.
type emptyKeep func()

func (k emptyKeep) Version(context.Context) (string, error)         { return "", nil }
func (k emptyKeep) Files(context.Context) ([]KeptFile, bool, error) { k(); return nil, false, nil }
func (k emptyKeep) Save(context.Context, Changes) (string, error)   { return "", nil }

// TestInputsOfAClosedFolder come as soon as code opens it again.
func TestInputsOfAClosedFolder(t *testing.T) {
	t.Parallel()
	m, key := shared(t)
	in := input("file-1", "name", "x")
	run(t, m, key, "import os; os.chmod('/mnt/data', 0)")
	for _, test := range []struct{ code, want, notice string }{
		{"os.chmod('/mnt/data', 0o700)", "", "Could not be put into /mnt/data: name (permission denied). It is tried again with the next piece of code."},
		{"open('name').read()", "'x'\n", ""},
	} {
		r, err := m.Run(t.Context(), key, Cell{Code: test.code, Inputs: []Input{in}})
		if err != nil || r.Text() != test.want || !strings.Contains(r.Notice, test.notice) || (test.notice == "") != (r.Notice == "") {
			t.Errorf("%s: got %q, notice %q, %v", test.code, r.Text(), r.Notice, err)
		}
	}
}

// TestInputWithoutRoomForItsName is not there under its id either.
func TestInputWithoutRoomForItsName(t *testing.T) {
	t.Parallel()
	m := newManager(t, func(c *Config) { c.Limits.DataInodes = 20 })
	const fill = "import os\ntry:\n  for n in range(20): open(f'f{n}', 'w')\nexcept OSError: os.remove('f0')"
	run(t, m, "k", fill)
	cell := Cell{Code: "import os; os.path.exists('file-1'), os.path.exists('name')", Inputs: []Input{input("file-1", "name", "x")}}
	for _, want := range []string{"(False, False)\n", "(True, True)\n"} {
		r, err := m.Run(t.Context(), "k", cell)
		if err != nil || r.Text() != want || len(r.Files) > 0 {
			t.Errorf("got %q, changed files %v and error %v, want %q and none", r.Text(), r.Files, err, want)
		}
		run(t, m, "k", "import os; os.remove('f1')")
	}
}
