package api

import (
	"net/http"
	"testing"
)

// BenchmarkGetRun is one poll: routing, authentication, one row, one object.
func BenchmarkGetRun(b *testing.B) {
	h := newHarness(b, nil)
	path, _, _ := h.newRun("/v1")
	b.ReportAllocs()
	for b.Loop() {
		if w := h.do("GET", path, ""); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkPreflight is what every request costs before its handler runs: one
// to a list of models that is empty.
func BenchmarkPreflight(b *testing.B) {
	h := newHarness(b, func(c *Config) { c.Keys = []string{"test", "other"} })
	b.ReportAllocs()
	for b.Loop() {
		if w := h.do("GET", "/v1/models", ""); w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}
