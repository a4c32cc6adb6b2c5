package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/understudy-dev/understudy"
)

// gate decides who may use the server.
//
//	keys  tokens  accepted
//	no    no      any key, from requests to a loopback address that no web page made
//	yes   no      a key, in whichever header
//	no    yes     a token, on Azure's paths; nothing anywhere else
//	yes   yes     a key; on Azure's paths a token too
//
// A bearer is compared with the keys first, since Azure's clients can send a key
// that way. Who configures tokens wants to know who comes: from then on nobody
// gets in with just any key, not on loopback either.
type gate struct {
	keys   [][sha256.Size]byte // digests, so that comparing takes the same time for keys of all lengths
	tokens Tokens              // nil: none are accepted
	web    *http.CrossOriginProtection
	log    *slog.Logger
}

func newGate(c Config) *gate {
	g := &gate{tokens: c.Tokens, web: http.NewCrossOriginProtection(), log: c.Logger}
	for _, k := range c.Keys {
		g.keys = append(g.keys, sha256.Sum256([]byte(k)))
	}
	return g
}

// open reports whether any key is accepted.
func (g *gate) open() bool { return len(g.keys) == 0 && g.tokens == nil }

// checkHost refuses, on a server that is open, requests made to a name that is
// not loopback's own (a web page can make any name of its own point here) and
// requests that a page of another site made.
func (g *gate) checkHost(r *http.Request) error {
	if !g.open() {
		return nil
	}
	if !isLoopback(r.Host) {
		return forbidden("This server has no API keys configured and therefore answers only requests made to a loopback address such as localhost or 127.0.0.1.")
	}
	if err := g.web.Check(r); err != nil {
		return forbidden("This server has no API keys configured and therefore does not answer requests made by web pages.")
	}
	return nil
}

func forbidden(message string) *refusal {
	return &refusal{status: http.StatusForbidden, azure: message, openAI: understudy.Error{Kind: understudy.KindForbidden, Message: message}}
}

// isLoopback reports whether a Host header names this machine's loopback.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// authenticate refuses requests without an accepted key or token.
func (g *gate) authenticate(d *dialect, w http.ResponseWriter, r *http.Request) error {
	keys := presentedKeys(d, r)
	if slices.ContainsFunc(keys, g.accepts) {
		return nil
	}
	if token := bearer(r); g.tokens != nil && d.azure && token != "" {
		return g.verify(w, r, token)
	}
	e := &refusal{
		status: http.StatusUnauthorized,
		azure: "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key " +
			"for an active subscription and use a correct regional API endpoint for your resource.",
		openAI: understudy.Error{
			Kind: understudy.KindUnauthenticated,
			Message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
				"(i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API " +
				"from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
		},
	}
	if len(keys) > 0 {
		e.openAI.Code = "invalid_api_key"
		e.openAI.Message = "Incorrect API key provided: '" + mask(keys[0]) + "'. You can find your API key at https://platform.openai.com/account/api-keys."
	}
	return e
}

// verify asks whether token is accepted and puts a refusal into Azure's words,
// which are few: the reason is in a header, and in the log.
func (g *gate) verify(w http.ResponseWriter, r *http.Request, token string) error {
	err := g.tokens.Verify(r.Context(), token)
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*understudy.Error](err)
	if !ok {
		return err
	}
	refused := &refusal{status: http.StatusUnauthorized, openAI: *e}
	switch e.Kind {
	case understudy.KindForbidden:
		refused.code, refused.azure = "PermissionDenied", e.Message
	case understudy.KindUnavailable:
		refused.status, refused.azure = http.StatusServiceUnavailable, e.Message
	default:
		refused.azure = "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, e.Message))
	}
	g.log.LogAttrs(r.Context(), slog.LevelInfo, "token refused", slog.String("request_id", w.Header().Get("X-Request-Id")), slog.String("reason", e.Message))
	return refused
}

func (g *gate) accepts(key string) bool {
	if g.open() {
		return true
	}
	digest := sha256.Sum256([]byte(key))
	found := 0
	for i := range g.keys {
		found |= subtle.ConstantTimeCompare(digest[:], g.keys[i][:])
	}
	return found == 1
}

// presentedKeys returns the keys that a request carries, of which one has to be
// right: Azure clients send either header, and some send both.
func presentedKeys(d *dialect, r *http.Request) []string {
	var keys []string
	add := func(k string) {
		if k = strings.TrimSpace(k); k != "" {
			keys = append(keys, k)
		}
	}
	add(bearer(r))
	add(r.Header.Get("Api-Key"))
	if user, password, ok := r.BasicAuth(); ok && user == "" && !d.azure {
		add(password)
	}
	return keys
}

// bearer returns what follows the scheme Bearer in the request's header.
func bearer(r *http.Request) string {
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return ""
}

// mask hides all of a key but what its owner needs to recognize it.
func mask(key string) string {
	const head, tail = 3, 4
	if len(key) < 4*(head+tail) {
		return strings.Repeat("*", min(len(key), 8))
	}
	return strings.ToValidUTF8(key[:head]+"********"+key[len(key)-tail:], "*")
}
