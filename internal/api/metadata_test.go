package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMetadataValues decodes what version 1 takes for metadata. The texts are
// those that Python's str returns for the value.
func TestMetadataValues(t *testing.T) {
	for value, want := range map[string]string{
		`"x"`: "x", `""`: "", `"True"`: "True",
		`true`: "True", `false`: "False",
		`0`: "0", `-7`: "-7", `12345678901234567890`: "12345678901234567890",
		`1.0`: "1.0", `1.50`: "1.5", `-0.0`: "-0.0", `0.1`: "0.1", `1e3`: "1000.0", `12e-1`: "1.2",
		`0.0001`: "0.0001", `0.00001`: "1e-05", `1.5E-7`: "1.5e-07",
		`1e15`: "1000000000000000.0", `1e16`: "1e+16", `123456789012345678.0`: "1.2345678901234568e+17",
		`1e999`: "inf", `-1e999`: "-inf",
	} {
		var got metadataValues
		if err := json.Unmarshal([]byte(`{"k":`+value+`,"s":"t"}`), &got); err != nil {
			t.Errorf("%s: %v", value, err)
		}
		if diff := cmp.Diff(metadataValues{"k": want, "s": "t"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	var got metadataValues
	if err := json.Unmarshal([]byte(`null`), &got); err != nil || got != nil {
		t.Errorf("null: got %v, %v", got, err)
	}
	long := `{"metadata":{"k":` + strings.Repeat("7", 513) + `}}`
	for _, d := range newDialects() {
		want := problem{"Invalid type for 'metadata.k': expected a string, but got an integer instead.", "metadata.k", "invalid_type"}
		if d.v1 {
			want = problem{"Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.", "metadata.k", "string_above_max_length"}
		}
		if diff := cmp.Diff(want, problemOf(t, validate([]byte(long), newSchemas(d).metadataOnly, d.strict))); diff != "" {
			t.Errorf("%s, a long number (-want +got):\n%s", d.name, diff)
		}
	}
}
