package api

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/entra"
)

// tokensByName accepts the token "good" and refuses others as their name says.
type tokensByName struct{ asked int }

func (t *tokensByName) Verify(_ context.Context, token string) error {
	t.asked++
	switch token {
	case "good":
		return nil
	case "unadmitted":
		return &understudy.Error{Kind: understudy.KindForbidden, Message: "The principal `x` lacks the required data action."}
	case "later":
		return &understudy.Error{Kind: understudy.KindUnavailable, Message: "No keys."}
	case "broken":
		return errors.New("a secret of the inside")
	}
	return &understudy.Error{Kind: understudy.KindUnauthenticated, Message: "the token is bad"}
}

const wantBadToken = `{"error":{"code":"401","message":"Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."}}`

// TestGate covers the table of gate's comment, and what tokens are told.
func TestGate(t *testing.T) {
	const azurePath, openAIPath = "/openai/files?api-version=2024-05-01-preview", "/v1/files"
	key, bearerKey := map[string]string{"Api-Key": "sk-right"}, map[string]string{"Authorization": "Bearer sk-right"}
	token := func(name string) map[string]string {
		return map[string]string{"Authorization": "bearer  " + name + " "}
	}
	for name, tc := range map[string]struct {
		keys, tokens bool
		target       string
		header       map[string]string
		host         string
		status       int
		want         string // empty: not looked at
		asked        int
	}{
		"open: any key":              {false, false, azurePath, key, "localhost", 200, wantEmptyList, 0},
		"open: a token is a key":     {false, false, azurePath, token("bad"), "localhost", 200, wantEmptyList, 0},
		"open: other hosts":          {false, false, azurePath, key, "example.org", 403, "", 0},
		"keys: key":                  {true, false, azurePath, key, "example.org", 200, wantEmptyList, 0},
		"keys: bearer":               {true, false, azurePath, bearerKey, "example.org", 200, wantEmptyList, 0},
		"keys: token":                {true, false, azurePath, token("good"), "example.org", 401, wantAzureKey, 0},
		"tokens: token":              {false, true, azurePath, token("good"), "example.org", 200, wantEmptyList, 1},
		"tokens: bad token":          {false, true, azurePath, token("bad"), "localhost", 401, wantBadToken, 1},
		"tokens: key":                {false, true, azurePath, key, "localhost", 401, wantAzureKey, 0},
		"tokens: nothing":            {false, true, azurePath, nil, "localhost", 401, wantAzureKey, 0},
		"tokens: OpenAI, any key":    {false, true, openAIPath, bearerKey, "localhost", 401, "", 0},
		"tokens: OpenAI, token":      {false, true, openAIPath, token("good"), "localhost", 401, "", 0},
		"tokens: key and token":      {false, true, azurePath, map[string]string{"Api-Key": "x", "Authorization": "Bearer good"}, "localhost", 200, wantEmptyList, 1},
		"both: token":                {true, true, azurePath, token("good"), "example.org", 200, wantEmptyList, 1},
		"both: key":                  {true, true, azurePath, key, "example.org", 200, wantEmptyList, 0},
		"both: bearer is a key":      {true, true, azurePath, bearerKey, "example.org", 200, wantEmptyList, 0},
		"both: key beside bad token": {true, true, azurePath, map[string]string{"Api-Key": "sk-right", "Authorization": "Bearer bad"}, "example.org", 200, wantEmptyList, 0},
		"both: OpenAI, key":          {true, true, openAIPath, bearerKey, "example.org", 200, wantEmptyList, 0},
		"both: OpenAI, token":        {true, true, openAIPath, token("good"), "example.org", 401, "", 0},
		"both: wrong key":            {true, true, azurePath, map[string]string{"Api-Key": "x"}, "example.org", 401, wantAzureKey, 0},

		"not admitted": {false, true, azurePath, token("unadmitted"), "", 401, "{\"error\":{\"code\":\"PermissionDenied\",\"message\":\"The principal `x` lacks the required data action.\"}}", 1},
		"issuer down":  {false, true, azurePath, token("later"), "", 503, `{"error":{"code":"503","message":"No keys."}}`, 1},
		"fault":        {false, true, azurePath, token("broken"), "", 500, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			tokens := new(tokensByName)
			h := newHarness(t, func(c *Config) {
				if tc.keys {
					c.Keys = []string{"sk-right"}
				}
				if tc.tokens {
					c.Tokens = tokens
				}
			})
			r := httptest.NewRequest("GET", tc.target, nil)
			r.Host = tc.host
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := h.serve(r)
			if w.Code != tc.status || tokens.asked != tc.asked {
				t.Errorf("got status %d, Verify called %d times; want %d, %d", w.Code, tokens.asked, tc.status, tc.asked)
			}
			if diff := cmp.Diff(tc.want, compact(t, w.Body.Bytes())); tc.want != "" && diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			reason := ""
			if tc.want == wantBadToken {
				reason = `Bearer error="invalid_token", error_description="the token is bad"`
			}
			if got := w.Header().Get("WWW-Authenticate"); got != reason {
				t.Errorf("WWW-Authenticate: got %q, want %q", got, reason)
			}
			if strings.Contains(w.Body.String(), "secret of the inside") {
				t.Errorf("body tells too much: %s", w.Body)
			}
		})
	}
}

// TestEntraClient sends what the official Python SDK's AzureOpenAI with an
// azure_ad_token_provider sends, to a server that asks a real issuer over HTTPS.
func TestEntraClient(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := jose.JSONWebKey{Key: private, KeyID: "k1"}
	mux := http.NewServeMux()
	issuer := httptest.NewTLSServer(mux)
	defer issuer.Close()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL + "/", "jwks_uri": issuer.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	verifier, err := entra.New(entra.Config{Issuer: issuer.URL + "/", Client: issuer.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token := func(expiry time.Duration) string {
		s, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: issuer.URL + "/", Audience: jwt.Audience{"https://cognitiveservices.azure.com"},
			Expiry: jwt.NewNumericDate(time.Now().Add(expiry))}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := newHarness(t, func(c *Config) { c.Tokens = verifier })
	server := httptest.NewServer(h.handler)
	defer server.Close()
	for bearer, want := range map[string]int{
		token(time.Hour):          http.StatusOK,
		token(-time.Hour):         http.StatusUnauthorized,
		token(time.Hour) + "x":    http.StatusUnauthorized,
		"sk-any-key-on-loopback":  http.StatusUnauthorized,
		strings.Repeat("x", 9000): http.StatusUnauthorized,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/openai/threads?api-version=2024-05-01-preview", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("OpenAI-Beta", "assistants=v2")
		req.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%.20s…: got %d, want %d", bearer, resp.StatusCode, want)
		}
	}
}
