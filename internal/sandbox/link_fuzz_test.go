package sandbox

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// connected is a process of which there is only the connection.
type connected struct {
	process
	c net.Conn
}

func (p *connected) streams() (net.Conn, *os.File) { return p.c, nil }

// installerFunc is an Installer for what an index does not do at will.
type installerFunc func(ctx context.Context, arguments []string, deliver func(string, int64, io.Reader) error) (string, error)

func (f installerFunc) Install(ctx context.Context, arguments []string, deliver func(string, int64, io.Reader) error) (string, error) {
	return f(ctx, arguments, deliver)
}

// FuzzLink sends frames of any content to a link whose cell is running: it takes
// them or says that the session is at fault, and no second end ever waits.
func FuzzLink(f *testing.F) {
	f.Add(byte(frameStdout), uint32(1), []byte(nil), []byte("text\xff"))
	f.Add(byte(frameImage), uint32(1), []byte(`{"mime":"image/png"}`), []byte("\x89PNG"))
	f.Add(byte(frameResult), uint32(1), []byte(`{"data":{"type":"table","table":{"rows":[[1,null]]}}}`), []byte("a\n"))
	f.Add(byte(frameImage), uint32(1), []byte(`{"mime":"image/gif","data":{"type":"chart","table":{}}}`), []byte("GIF"))
	f.Add(byte(frameDone), uint32(1), []byte(`{"status":"ok","cpu":1e-3}`), []byte(nil))
	f.Add(byte(frameSync), uint32(1), []byte(`7`), []byte(nil))
	f.Add(byte(frameInstall), uint32(1), []byte(`{"arguments":["six","-U"]}`), []byte(nil))
	f.Add(byte(frameStop), uint32(1), []byte(nil), []byte(nil))
	f.Add(byte(frameError), uint32(2), []byte(`{`), []byte("of another cell"))
	server, session := net.Pipe()
	go io.Copy(io.Discard, session) // ends when the pipe is closed
	f.Cleanup(func() { server.Close() })
	installer := installerFunc(func(_ context.Context, arguments []string, deliver func(string, int64, io.Reader) error) (string, error) {
		text := strings.Join(arguments, " ")
		return text, deliver(text, int64(len(text)), strings.NewReader(text))
	})
	f.Fuzz(func(t *testing.T, kind byte, cell uint32, text, blob []byte) {
		limits := Limits{OutputBytes: 64, FloodBytes: 1 << 10}.WithDefaults()
		k := &link{process: &connected{c: server}, limits: limits, installer: installer, done: make(chan doneFrame, 1), cell: 1, sink: newCollector(limits)}
		defer k.readers.Wait()
		for range 3 {
			err := k.handle(frame{kind: kind, cell: cell, json: text, blob: blob})
			if err != nil && !errors.Is(err, errFrame) && !errors.Is(err, errFlood) {
				t.Fatalf("got error %v, which is not the session's", err)
			}
		}
	})
}
