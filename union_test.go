package understudy_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

// FuzzUnions checks that what decodes as one of the protocol's values of several
// forms decodes from its own encoding to the same.
func FuzzUnions(f *testing.F) {
	f.Add(`"auto"`)
	f.Add(`null`)
	f.Add(`{"type":"function","function":{"name":"f"}}`)
	f.Add(`{"type":"json_schema","json_schema":{"name":"x","schema":{}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		roundTrip[understudy.ToolChoice](t, text)
		roundTrip[understudy.ResponseFormat](t, text)
	})
}

func roundTrip[T any](t *testing.T, text string) {
	t.Helper()
	var first, second T
	if json.Unmarshal([]byte(text), &first) != nil {
		return
	}
	again, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%T from %s: %v", first, text, err)
	}
	if err := json.Unmarshal(again, &second); err != nil {
		t.Fatalf("%T from %s became %s: %v", first, text, again, err)
	}
	third, err := json.Marshal(second)
	if diff := cmp.Diff(string(again), string(third)); err != nil || diff != "" {
		t.Fatalf("%T from %s (-first +second): %v\n%s", first, text, err, diff)
	}
}
