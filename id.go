package understudy

import (
	"crypto/rand"
	"strings"
)

// Prefixes of the identifiers the server mints. Clients treat identifiers as
// opaque; the prefix is part of the protocol all the same, because path
// parameters are checked against it.
const (
	PrefixAssistant = "asst_"
	PrefixThread    = "thread_"
	PrefixMessage   = "msg_"
	PrefixRun       = "run_"
	PrefixStep      = "step_"
	PrefixCall      = "call_"
	PrefixFile      = "file-"
	PrefixFileAzure = "assistant-"
	PrefixRequest   = "req_"
)

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// NewID returns prefix followed by 24 random letters and digits, about 143
// bits of entropy. It is safe for concurrent use.
func NewID(prefix string) string {
	var b strings.Builder
	b.Grow(len(prefix) + 24)
	b.WriteString(prefix)
	var buf [32]byte
	for n := 0; n < 24; {
		_, _ = rand.Read(buf[:]) // crypto/rand.Read never fails: it aborts the program instead
		for _, c := range buf {
			// 62 letters do not divide 256: reject the tail rather than favour the first letters.
			if c >= 248 {
				continue
			}
			b.WriteByte(idAlphabet[c%62])
			if n++; n == 24 {
				break
			}
		}
	}
	return b.String()
}
