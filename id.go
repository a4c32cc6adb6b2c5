package understudy

import (
	"crypto/rand"
	"time"
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

	PrefixVectorStore = "vs_"
	PrefixFileBatch   = "vsfb_"

	PrefixUpload = "upload_"
	PrefixPart   = "part_"
)

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" // in the order of the bytes

// NewID returns prefix followed by 24 letters and digits: eight that grow with
// time, so that the objects of one moment lie side by side in an index, and
// sixteen random ones, 95 bits, so that identifiers cannot be guessed. It is
// safe for concurrent use.
func NewID(prefix string) string {
	b := make([]byte, len(prefix)+24)
	copy(b, prefix)
	id := b[len(prefix):]
	for i, t := 7, time.Now().UnixMilli(); i >= 0; i-- {
		id[i] = idAlphabet[t%62]
		t /= 62
	}
	var buf [32]byte
	for n := 8; n < 24; {
		_, _ = rand.Read(buf[:]) // crypto/rand.Read never fails: it aborts the program instead
		for _, c := range buf {
			// 62 letters do not divide 256: reject the tail rather than favour the first letters.
			if c >= 248 {
				continue
			}
			id[n] = idAlphabet[c%62]
			if n++; n == 24 {
				break
			}
		}
	}
	return string(b)
}
