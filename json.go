package understudy

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Float is a JSON number that always shows a fraction: the hosted API writes
// temperature as 1.0, never as 1.
type Float float64

// MarshalJSON writes f with at least one digit after the point.
func (f Float) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat(nil, float64(f), 'f', -1, 64)
	if !bytes.ContainsRune(b, '.') {
		b = append(b, '.', '0')
	}
	return b, nil
}

// Metadata is the caller's own data on an object: at most [MaxMetadataPairs]
// pairs. It is never null on the wire.
type Metadata map[string]string

// MarshalJSON writes the empty object for nil.
func (m Metadata) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return marshal(map[string]string(m))
}

// marshal is json.Marshal without HTML escaping: the hosted API sends <, > and
// & as they are.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Encode returns v as one line of JSON as the wire wants it: compact, with <,
// > and & unescaped.
func Encode(v any) (json.RawMessage, error) { return marshal(v) }
