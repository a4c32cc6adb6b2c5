package model

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScript checks that a script of any content is refused or plays without a
// panic.
func FuzzScript(f *testing.F) {
	f.Add("scenes:\n- when: {user: hello}\n  then:\n  - say: Hi {{.User}}\n")
	f.Add("scenes:\n- then:\n  - call:\n    - {name: f, args: {a: [1, '{{json .User}}']}}\n  - error: {status: 429, retry_after: 1s}\n")
	f.Add("a: &a [x,x]\nscenes: [*a, *a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript("fuzz.yaml", strings.NewReader(text))
		if err != nil {
			if s != nil || !strings.Contains(err.Error(), "fuzz.yaml") {
				t.Fatalf("got %v and error %v, which does not tell which script", s, err)
			}
			return
		}
		if len(s.scenes) == 0 {
			t.Fatal("a script without scenes")
		}
	})
}

// FuzzUpstreamError checks that the answer of an upstream that fails, whatever it
// is, becomes an error that can be shown.
func FuzzUpstreamError(f *testing.F) {
	f.Add(429, "3", []byte(`{"error":{"message":"slow down","code":429,"type":"x","param":null}}`))
	f.Add(400, "-1", []byte(`[{"error":"text","message":"more"}]`))
	f.Add(502, "Fri, 31 Dec 1999 23:59:59 GMT", []byte("<html><title> Bad\n gateway</title><p>x"))
	f.Add(0, "9999999999999", []byte(`{"detail":[{"msg":"x","loc":[1]}]}`))
	f.Add(418, "1e300", []byte("\xff\xfe<"))
	f.Fuzz(func(t *testing.T, status int, retry string, body []byte) {
		e := parseError(status, http.Header{"Retry-After": {retry}, "Retry-After-Ms": {retry}}, body)
		if e.Message == "" || !utf8.ValidString(e.Message) || e.Error() == "" {
			t.Fatalf("got message %q", e.Message)
		}
		if e.RetryAfter < 0 {
			t.Fatalf("retry after %v", e.RetryAfter)
		}
	})
}
