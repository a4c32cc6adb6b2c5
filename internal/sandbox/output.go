package sandbox

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// collector takes what a cell shows and keeps it within the limits: the first
// three quarters of the text pass at once, of the rest the end is kept. It never
// blocks whoever adds, and holds no more than the limits allow. Any goroutine may
// call its methods.
type collector struct {
	limits Limits
	wake   chan struct{} // gets a token when there is something to take

	mu         sync.Mutex
	fresh      transcript // not taken yet
	head       int64      // bytes of text passed
	tail       []byte     // end of the text after the head
	dropped    int64      // bytes between head and tail
	total      int64
	images     int
	imageBytes int64
	lost       int // images not kept
	dataBytes  int
	partial    []byte
}

// Bounds on the data of a cell. More is left out without a word: whoever wants to be
// sure of a value saves it to a file.
const (
	maxData    = 256 << 10 // bytes of one value
	maxAllData = 1 << 20   // bytes of all
	// maxNesting is of lists and objects in one another. Indented, JSON takes as many times
	// its size; SQLite, and the decoders of many clients, give up at a thousand.
	maxNesting = 32
)

func newCollector(l Limits) *collector {
	return &collector{limits: l, wake: make(chan struct{}, 1)}
}

// text adds text. It reports whether the cell is still within FloodBytes.
func (c *collector) text(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(b)
}

// raw adds bytes of the pipe, which may be cut within a character, and rewrites
// of a line, which only a terminal would show one over the other.
func (c *collector) raw(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b = append(c.partial, b...)
	cut := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if utf8.RuneStart(b[len(b)-i]) {
			if !utf8.FullRune(b[len(b)-i:]) {
				cut = len(b) - i
			}
			break
		}
	}
	c.partial = bytes.Clone(b[cut:])
	return c.add(collapseLines(b[:cut]))
}

// pieceBytes is how much text is looked at in one go: what is made of it can take
// several times as much memory.
const pieceBytes = 64 << 10

func (c *collector) add(b []byte) bool {
	for len(b) > pieceBytes {
		n := max(runeFloor(b, pieceBytes), pieceBytes-utf8.UTFMax)
		c.addPiece(b[:n])
		b = b[n:]
	}
	c.addPiece(b)
	return c.total <= c.limits.FloodBytes
}

func (c *collector) addPiece(b []byte) {
	c.total += int64(len(b))
	b = bytes.ToValidUTF8(bytes.ReplaceAll(b, []byte{0}, []byte("\uFFFD")), []byte("\uFFFD"))
	limit := c.limits.OutputBytes / 4 * 3
	if n := runeFloor(b, int(min(limit-c.head, int64(len(b))))); n > 0 && len(c.tail) == 0 && c.dropped == 0 {
		c.head += int64(n)
		c.pass(Output{Logs: string(b[:n])})
		b = b[n:]
	}
	if len(b) > 0 {
		c.keepEnd(b, int(c.limits.OutputBytes/4))
	}
}

// keepEnd appends b to the tail, of which the last limit bytes matter.
func (c *collector) keepEnd(b []byte, limit int) {
	c.tail = append(c.tail, b...)
	if len(c.tail) > 2*limit {
		c.shorten(limit)
	}
}

func (c *collector) shorten(limit int) {
	start := len(c.tail) - limit
	if start <= 0 {
		return
	}
	for start < len(c.tail) && !utf8.RuneStart(c.tail[start]) {
		start++
	}
	c.dropped += int64(start)
	c.tail = append([]byte(nil), c.tail[start:]...)
}

// data adds what the output before it means. Text that is held back comes out behind
// it; then it is left out.
func (c *collector) data(d Data) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(d.JSON) > maxData || c.dataBytes+len(d.JSON) > maxAllData || nesting(d.JSON) > maxNesting || len(c.tail) > 0 || c.lost > 0 {
		return
	}
	c.dataBytes += len(d.JSON)
	c.pass(Output{Data: &d})
}

// nesting returns how deep the lists and objects of well-formed JSON are in one another.
func nesting(text []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			quoted = !quoted
		case quoted && b == '\\':
			i++
		case quoted:
		case b == '[' || b == '{':
			depth++
			deepest = max(deepest, depth)
		case b == ']' || b == '}':
			depth--
		}
	}
	return deepest
}

// image adds an image, or counts it as lost.
func (c *collector) image(i Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.images >= c.limits.Images || c.imageBytes+int64(len(i.Data)) > c.limits.ImageBytes {
		c.lost++
		return
	}
	c.images++
	c.imageBytes += int64(len(i.Data))
	c.pass(Output{Image: &i})
}

// pass queues an output for take. Text joins the text before it.
func (c *collector) pass(o Output) {
	c.fresh.add(o)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take returns what came since the last take.
func (c *collector) take() []Output {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fresh.take()
}

// finish releases the tail and says what was left out; notice is "" if nothing was.
// A last take follows.
func (c *collector) finish() (notice string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.partial) > 0 {
		c.partial = nil
		c.add([]byte("\uFFFD"))
	}
	c.shorten(int(c.limits.OutputBytes / 4))
	if c.dropped > 0 {
		c.pass(Output{Logs: fmt.Sprintf("\n[... %d bytes of output left out ...]\n", c.dropped)})
		notice = fmt.Sprintf("The output was too long: %d bytes in the middle were left out.", c.dropped)
	}
	if len(c.tail) > 0 {
		c.pass(Output{Logs: string(c.tail)})
		c.tail = nil
	}
	if c.lost > 0 {
		notice = strings.TrimSpace(fmt.Sprintf("%s %d images above the limit of %d were left out.", notice, c.lost, c.limits.Images))
	}
	return notice
}

// transcript is a list of outputs in which text is joined with text.
type transcript struct {
	outputs []Output
	text    strings.Builder // follows outputs
}

func (t *transcript) add(o Output) {
	if o.Image == nil && o.Data == nil {
		t.text.WriteString(o.Logs)
		return
	}
	t.outputs = append(t.take(), o)
}

// take returns the outputs and forgets them.
func (t *transcript) take() []Output {
	outputs := t.outputs
	if t.text.Len() > 0 {
		outputs = append(outputs, Output{Logs: t.text.String()})
		t.text.Reset()
	}
	t.outputs = nil
	return outputs
}

// runeFloor returns the largest m <= n at which b may be cut.
func runeFloor(b []byte, n int) int {
	if n <= 0 {
		return 0
	}
	for n < len(b) && n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return n
}

// collapseLines drops from each line of b what a carriage return overwrites.
func collapseLines(b []byte) []byte {
	if !bytes.ContainsRune(b, '\r') {
		return b
	}
	lines := bytes.Split(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"))
	for i, line := range lines {
		line = bytes.TrimRight(line, "\r")
		lines[i] = line[bytes.LastIndexByte(line, '\r')+1:]
	}
	return bytes.Join(lines, []byte("\n"))
}
