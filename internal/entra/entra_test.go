package entra

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-dev/understudy"
)

const (
	tenant    = "11111111-2222-3333-4444-555555555555"
	principal = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
)

// signer is a private key with its id and the algorithm that it signs with.
type signer struct {
	kid string
	alg jose.SignatureAlgorithm
	key any
}

func rsaSigner(t testing.TB, kid string, bits int) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, jose.RS256, key}
}

func ecSigner(t testing.TB, kid string, alg jose.SignatureAlgorithm, curve elliptic.Curve) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, alg, key}
}

func (s signer) with(alg jose.SignatureAlgorithm) signer { s.alg = alg; return s }

// token signs claims.
func (s signer) token(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if s.kid != "" {
		opts = opts.WithHeader("kid", s.kid)
	}
	js, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := js.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// public returns the signer's JWK.
func (s signer) public() jose.JSONWebKey {
	key := jose.JSONWebKey{Key: s.key, KeyID: s.kid, Use: "sig"}
	return key.Public()
}

// issuer is an OpenID Connect issuer.
type issuer struct {
	url     string
	fetches atomic.Int32 // of keys

	mu      sync.Mutex
	keys    []any         // JWKs
	answers string        // instead of the discovery document
	broken  bool          // answers 500
	hold    chan struct{} // the keys are answered when it is closed; nil: at once
	asked   chan struct{} // closed when somebody waits for the keys
}

func (i *issuer) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) publish(signers ...signer) {
	i.set(func() {
		i.keys = nil
		for _, s := range signers {
			i.keys = append(i.keys, s.public())
		}
	})
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	keys, answers, broken, hold, asked := i.keys, i.answers, i.broken, i.hold, i.asked
	i.mu.Unlock()
	switch {
	case broken:
		http.Error(w, "broken", http.StatusInternalServerError)
	case r.URL.Path == "/t/.well-known/openid-configuration" && answers != "":
		_, _ = w.Write([]byte(answers))
	case r.URL.Path == "/t/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": strings.TrimSuffix(i.url, "/t/") + "/keys"})
	case r.URL.Path == "/keys":
		i.fetches.Add(1)
		if hold != nil {
			close(asked)
			<-hold
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	default:
		http.NotFound(w, r)
	}
}

// newIssuer serves an issuer over HTTPS and returns a verifier of its tokens.
func newIssuer(t testing.TB, change func(*Config), signers ...signer) (*issuer, *Verifier) {
	t.Helper()
	i := new(issuer)
	i.publish(signers...)
	server := httptest.NewTLSServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL + "/t/"
	return i, newVerifier(t, i, server.Client(), change)
}

func newVerifier(t testing.TB, i *issuer, client *http.Client, change func(*Config)) *Verifier {
	t.Helper()
	c := Config{Issuer: i.url, Tenant: tenant, ClockSkew: 5 * time.Minute, Client: client}
	if change != nil {
		change(&c)
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// claims returns those of a good token of Entra ID with some changed; nil
// removes one.
func (i *issuer) claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{
		"iss": i.url, "aud": "https://cognitiveservices.azure.com", "iat": now, "nbf": now, "exp": now + 3600,
		"tid": tenant, "oid": principal, "appid": "app-1", "sub": "someone", "ver": "1.0",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func kindOf(err error) understudy.ErrorKind {
	if e, ok := errors.AsType[*understudy.Error](err); ok {
		return e.Kind
	}
	if err != nil {
		return "internal: " + understudy.ErrorKind(err.Error())
	}
	return ""
}

const (
	good        understudy.ErrorKind = ""
	bad                              = understudy.KindUnauthenticated
	unadmitted                       = understudy.KindForbidden
	unavailable                      = understudy.KindUnavailable
)

func TestVerifyClaims(t *testing.T) {
	key := rsaSigner(t, "k1", 2048)
	now := time.Now().Unix()
	for name, tc := range map[string]struct {
		change  func(*Config)
		changes map[string]any
		want    understudy.ErrorKind
	}{
		"good":                         {nil, nil, good},
		"audience with slash":          {nil, map[string]any{"aud": "https://cognitiveservices.azure.com/"}, good},
		"one of several audiences":     {nil, map[string]any{"aud": []string{"x", "https://cognitiveservices.azure.com"}}, good},
		"audience of our own":          {func(c *Config) { c.Audiences = []string{"api://understudy", "b"} }, map[string]any{"aud": "b"}, good},
		"default audience switched":    {func(c *Config) { c.Audiences = []string{"api://understudy"} }, nil, bad},
		"other audience":               {nil, map[string]any{"aud": "https://management.azure.com"}, bad},
		"audience that begins alike":   {nil, map[string]any{"aud": "https://cognitiveservices.azure.com.evil.example"}, bad},
		"no audience":                  {nil, map[string]any{"aud": nil}, bad},
		"audience is a number":         {nil, map[string]any{"aud": 7}, bad},
		"other issuer":                 {nil, map[string]any{"iss": "https://sts.windows.net/other/"}, bad},
		"issuer without slash":         {nil, map[string]any{"iss": "https://127.0.0.1/t"}, bad},
		"no issuer":                    {nil, map[string]any{"iss": nil}, bad},
		"expired within skew":          {nil, map[string]any{"exp": now - 240}, good},
		"expired beyond skew":          {nil, map[string]any{"exp": now - 360}, bad},
		"expired, no skew":             {func(c *Config) { c.ClockSkew = 0 }, map[string]any{"exp": now - 10}, bad},
		"no expiry":                    {nil, map[string]any{"exp": nil}, bad},
		"expiry is text":               {nil, map[string]any{"exp": "tomorrow"}, bad},
		"not yet, within skew":         {nil, map[string]any{"nbf": now + 240}, good},
		"not yet, beyond skew":         {nil, map[string]any{"nbf": now + 360}, bad},
		"issued in the future":         {nil, map[string]any{"iat": now + 360, "nbf": nil}, bad},
		"other tenant":                 {nil, map[string]any{"tid": "99999999-2222-3333-4444-555555555555"}, bad},
		"no tenant":                    {nil, map[string]any{"tid": nil}, bad},
		"tenant in capitals":           {func(c *Config) { c.Tenant = strings.ToUpper(tenant) }, nil, good},
		"any tenant":                   {func(c *Config) { c.Tenant = "" }, map[string]any{"tid": nil}, good},
		"admitted by object":           {func(c *Config) { c.Principals = []string{strings.ToUpper(principal)} }, nil, good},
		"admitted by application":      {func(c *Config) { c.Principals = []string{"x", "app-1"} }, nil, good},
		"admitted by authorized party": {func(c *Config) { c.Principals = []string{"app-2"} }, map[string]any{"azp": "app-2"}, good},
		"not admitted":                 {func(c *Config) { c.Principals = []string{"x"} }, nil, unadmitted},
		"nobody in particular":         {func(c *Config) { c.Principals = []string{""} }, map[string]any{"oid": nil, "appid": nil}, unadmitted},
		"subject is no principal":      {func(c *Config) { c.Principals = []string{"someone"} }, nil, unadmitted},
		"role":                         {func(c *Config) { c.Roles = []string{"Admin", "User"} }, map[string]any{"roles": []string{"Reader", "User"}}, good},
		"other role":                   {func(c *Config) { c.Roles = []string{"User"} }, map[string]any{"roles": []string{"Reader"}}, unadmitted},
		"no role":                      {func(c *Config) { c.Roles = []string{"User"} }, nil, unadmitted},
		"scope is no role":             {func(c *Config) { c.Roles = []string{"User"} }, map[string]any{"scp": "User"}, unadmitted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, v := newIssuer(t, tc.change, key)
			err := v.Verify(t.Context(), key.token(t, i.claims(tc.changes)))
			if got := kindOf(err); got != tc.want {
				t.Errorf("got %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestVerifySignatures covers algorithms and keys.
func TestVerifySignatures(t *testing.T) {
	key, other := rsaSigner(t, "rsa", 2048), rsaSigner(t, "rsa", 2048)
	weak := rsaSigner(t, "weak", 1024)
	p256, p384 := ecSigner(t, "p256", jose.ES256, elliptic.P256()), ecSigner(t, "p384", jose.ES384, elliptic.P384())
	p521 := ecSigner(t, "p521", jose.ES512, elliptic.P521())
	i, v := newIssuer(t, nil, key, weak, p256, p384, p521)
	i.set(func() {
		// An issuer's set has keys of other kinds and uses beside.
		bound := rsaSigner(t, "bound", 2048).public()
		bound.Algorithm = "PS512"
		i.keys = append(i.keys, bound, map[string]any{"kty": "new", "kid": "x"}, 7,
			jose.JSONWebKey{Key: []byte("a secret that is in the set"), KeyID: "secret", Algorithm: "HS256"},
			jose.JSONWebKey{Key: key.public().Key, KeyID: "enc", Use: "enc"})
	})
	// The classic: the public key's text as the secret of an HMAC.
	hmacToken := func(kid string, secret []byte) string {
		payload, err := json.Marshal(i.claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		signed := b64(`{"alg":"HS256","typ":"JWT","kid":"`+kid+`"}`) + "." + b64(string(payload))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	der, err := x509.MarshalPKIXPublicKey(key.public().Key)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	token := key.token(t, i.claims(nil))
	parts := strings.Split(token, ".")
	none := func(header string) string { return b64(header) + "." + parts[1] + "." }
	embedded, err := json.Marshal(other.public())
	if err != nil {
		t.Fatal(err)
	}
	withJWK := other
	withJWK.kid = ""
	for name, tc := range map[string]struct {
		token string
		want  understudy.ErrorKind
	}{
		"RS256":                      {token, good},
		"RS384":                      {key.with(jose.RS384).token(t, i.claims(nil)), good},
		"RS512":                      {key.with(jose.RS512).token(t, i.claims(nil)), good},
		"PS256":                      {key.with(jose.PS256).token(t, i.claims(nil)), good},
		"PS384":                      {key.with(jose.PS384).token(t, i.claims(nil)), good},
		"PS512":                      {key.with(jose.PS512).token(t, i.claims(nil)), good},
		"ES256":                      {p256.token(t, i.claims(nil)), good},
		"ES384":                      {p384.token(t, i.claims(nil)), good},
		"ES512 is not accepted":      {p521.token(t, i.claims(nil)), bad},
		"weak key":                   {weak.token(t, i.claims(nil)), bad},
		"key of somebody else":       {other.token(t, i.claims(nil)), bad},
		"key for encryption":         {signer{"enc", jose.RS256, key.key}.token(t, i.claims(nil)), bad},
		"key bound to another alg":   {signer{"bound", jose.RS256, key.key}.token(t, i.claims(nil)), bad},
		"no id, several keys":        {withJWK.token(t, i.claims(nil)), bad},
		"no id, one key of the kind": {signer{"", jose.ES256, p256.key}.token(t, i.claims(nil)), good},
		"HS256 with the public key":  {hmacToken("rsa", publicPEM), bad},
		"HS256 with the DER":         {hmacToken("rsa", der), bad},
		"HS256 with a key of ours":   {hmacToken("secret", []byte("a secret that is in the set")), bad},
		"none":                       {none(`{"alg":"none","kid":"rsa"}`), bad},
		"None":                       {none(`{"alg":"None","kid":"rsa"}`), bad},
		"no alg":                     {none(`{"kid":"rsa"}`), bad},
		"none with a signature":      {b64(`{"alg":"none","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], bad},
		"no signature":               {parts[0] + "." + parts[1] + ".", bad},
		"key in the header":          {b64(`{"alg":"RS256","jwk":`+string(embedded)+`}`) + "." + parts[1] + "." + parts[2], bad},
		"critical header":            {b64(`{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}`) + "." + parts[1] + "." + parts[2], bad},
		"changed payload":            {parts[0] + "." + strings.Split(key.token(t, i.claims(map[string]any{"oid": "x"})), ".")[1] + "." + parts[2], bad},
		"RS256 relabelled ES256":     {b64(`{"alg":"ES256","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], bad},
		"encrypted":                  {b64(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".a.b.c.d", bad},
		"JSON serialization":         {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, bad},
		"empty":                      {"", bad},
		"a key":                      {"sk-1234567890", bad},
		"dots":                       {"..", bad},
		"many dots":                  {strings.Repeat(".", 10_000), bad},
		"huge":                       {parts[0] + "." + strings.Repeat("A", 10<<20) + "." + parts[2], bad},
		"nested deeply":              {parts[0] + "." + b64(strings.Repeat(`{"a":`, 2000)) + "." + parts[2], bad},
		"payload is no object":       {parts[0] + "." + b64("[]") + "." + parts[2], bad},
	} {
		t.Run(name, func(t *testing.T) {
			err := v.Verify(t.Context(), tc.token)
			if got := kindOf(err); got != tc.want {
				t.Errorf("got %q (%v), want %q", got, err, tc.want)
			}
		})
	}
	if got := i.fetches.Load(); got != 1 {
		t.Errorf("the keys were fetched %d times, want once: unknown keys do not count for a while", got)
	}
	if n, err := v.Probe(t.Context()); n != 4 || err != nil {
		t.Errorf("Probe: got %d, %v, want the 4 usable keys", n, err)
	}
}

func TestNew(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  Config
		good bool
	}{
		"tenant":         {Config{Tenant: tenant}, true},
		"issuer":         {Config{Issuer: "https://login.example/realms/x"}, true},
		"nothing":        {Config{}, false},
		"http":           {Config{Issuer: "http://login.example"}, false},
		"no host":        {Config{Issuer: "https:///x"}, false},
		"query":          {Config{Issuer: "https://login.example/?x=1"}, false},
		"negative skew":  {Config{Tenant: tenant, ClockSkew: -1}, false},
		"empty audience": {Config{Tenant: tenant, Audiences: []string{"a", ""}}, false},
	} {
		v, err := New(tc.cfg)
		if (err == nil) != tc.good {
			t.Errorf("%s: got error %v", name, err)
		}
		if err == nil {
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestConcurrentFirstUse(t *testing.T) {
	key := rsaSigner(t, "k1", 2048)
	i, v := newIssuer(t, nil, key)
	hold := make(chan struct{})
	i.set(func() { i.hold, i.asked = hold, make(chan struct{}) })
	token := key.token(t, i.claims(nil))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	// One that leaves does not take the fetch with it.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := kindOf(v.Verify(ctx, token)); got != unavailable {
		t.Errorf("cancelled: got %q", got)
	}
	close(hold)
	all.Wait()
	if got := i.fetches.Load(); got != 1 {
		t.Errorf("got %d fetches, want 1", got)
	}
}

func TestIssuerFaults(t *testing.T) {
	key := rsaSigner(t, "k1", 2048)
	for name, answers := range map[string]string{
		"other issuer":  `{"issuer":"https://other.example/","jwks_uri":"https://127.0.0.1/keys"}`,
		"keys by http":  `{"issuer":"ISSUER","jwks_uri":"http://127.0.0.1/keys"}`,
		"keys nowhere":  `{"issuer":"ISSUER"}`,
		"no JSON":       `<html>`,
		"endless":       `{"issuer":"` + strings.Repeat("x", maxDocument) + `"}`,
		"keys are lost": `{"issuer":"ISSUER","jwks_uri":"KEYS/lost"}`,
	} {
		i, v := newIssuer(t, nil, key)
		i.set(func() {
			i.answers = strings.NewReplacer("ISSUER", i.url, "KEYS", strings.TrimSuffix(i.url, "/t/")).Replace(answers)
		})
		if got := kindOf(v.Verify(t.Context(), key.token(t, i.claims(nil)))); got != unavailable {
			t.Errorf("%s: got %q, want %q", name, got, unavailable)
		}
		if _, err := v.Probe(t.Context()); err == nil {
			t.Errorf("%s: Probe found no fault", name)
		}
	}
	// No key that can be used.
	i, v := newIssuer(t, nil, rsaSigner(t, "weak", 1024))
	if got := kindOf(v.Verify(t.Context(), key.token(t, i.claims(nil)))); got != unavailable {
		t.Errorf("only weak keys: got %q, want %q", got, unavailable)
	}
	// Redirects lead to somebody else.
	server := httptest.NewTLSServer(http.RedirectHandler(i.url, http.StatusFound))
	defer server.Close()
	v = newVerifier(t, &issuer{url: server.URL + "/"}, server.Client(), nil)
	if _, err := v.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("redirect: got %v", err)
	}
}

func TestCloseEndsFetch(t *testing.T) {
	key := rsaSigner(t, "k1", 2048)
	i, v := newIssuer(t, nil, key)
	hold := make(chan struct{})
	defer close(hold)
	i.set(func() { i.hold, i.asked = hold, make(chan struct{}) })
	done := make(chan error, 1)
	go func() { done <- v.Verify(t.Context(), key.token(t, i.claims(nil))) }()
	<-i.asked
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if got := kindOf(<-done); got != unavailable {
		t.Errorf("got %q, want %q", got, unavailable)
	}
}

// within serves an issuer without a network, so that time can be a bubble's.
type within struct{ handler http.Handler }

func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// TestRotation follows an issuer through its life, in virtual time.
func TestRotation(t *testing.T) {
	one, two, never := rsaSigner(t, "one", 2048), rsaSigner(t, "two", 2048), rsaSigner(t, "never", 2048)
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{url: "https://login.example/t/"}
		v := newVerifier(t, i, &http.Client{Transport: within{i}}, nil)
		expect := func(what string, s signer, want understudy.ErrorKind, fetches int32) {
			t.Helper()
			err := v.Verify(t.Context(), s.token(t, i.claims(nil)))
			synctest.Wait() // for a fetch in the background
			if got := kindOf(err); got != want || i.fetches.Load() != fetches {
				t.Errorf("%s: got %q (%v) after %d fetches, want %q after %d", what, got, err, i.fetches.Load(), want, fetches)
			}
		}
		i.set(func() { i.broken = true })
		expect("issuer down at first", one, unavailable, 0)
		i.set(func() { i.broken = false })
		i.publish(one)
		expect("asked just now", one, unavailable, 0)
		time.Sleep(retryAfter)
		expect("issuer back", one, good, 1)
		expect("known key", one, good, 1)

		for range 1000 {
			expect("garbage right after a fetch", never, bad, 1)
		}
		time.Sleep(askEvery)
		for range 1000 {
			expect("garbage", never, bad, 2)
		}
		i.publish(one, two)
		expect("new key, asked just now", two, bad, 2)
		time.Sleep(askEvery)
		expect("new key", two, good, 3)
		i.publish(two)
		expect("withdrawn key, for a while", one, good, 3)
		time.Sleep(freshFor)
		expect("withdrawn key, refreshed behind it", one, good, 4)
		expect("withdrawn key", one, bad, 4)
		expect("key that is left", two, good, 4)

		i.set(func() { i.broken = true })
		time.Sleep(freshFor)
		expect("issuer down: old keys do", two, good, 4)
		expect("issuer down: unknown key", one, unavailable, 4)
		time.Sleep(staleFor)
		expect("issuer down for a day", two, unavailable, 4)
		i.set(func() { i.broken = false })
		time.Sleep(retryAfter)
		expect("issuer back after a day", two, good, 5)
	})
}

func FuzzVerify(f *testing.F) {
	key := rsaSigner(f, "k1", 2048)
	i, v := newIssuer(f, nil, key)
	token := key.token(f, i.claims(nil))
	parts := strings.Split(token, ".")
	f.Add(parts[0], parts[1], parts[2])
	f.Add(b64(`{"alg":"none"}`), parts[1], "")
	f.Add(b64(`{"alg":"HS256","kid":"k1"}`), parts[1], parts[2])
	f.Add(b64(`{"alg":"RS256","kid":"k1","crit":["exp"]}`), parts[1], parts[2])
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, header, payload, signature string) {
		for _, garbled := range []string{
			header + "." + payload + "." + signature,
			b64(header) + "." + b64(payload) + "." + parts[2],
			parts[0] + "." + b64(payload) + "." + b64(signature),
		} {
			// The same token may be written in no other way.
			if err := v.Verify(t.Context(), garbled); err == nil && garbled != token {
				t.Errorf("%q was accepted", garbled)
			} else if kind := kindOf(err); err != nil && kind != bad {
				t.Errorf("%q: got %q (%v), want %q", garbled, kind, err, bad)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, s := range []signer{rsaSigner(b, "rsa", 2048), ecSigner(b, "ec", jose.ES256, elliptic.P256())} {
		b.Run(string(s.alg), func(b *testing.B) {
			i, v := newIssuer(b, nil, s)
			token := s.token(b, i.claims(nil))
			b.ReportAllocs()
			for b.Loop() {
				if err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
