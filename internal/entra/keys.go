package entra

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/understudy-dev/understudy"
)

const (
	// freshFor is how long keys are used before the issuer is asked again, and
	// staleFor how long they are if it does not answer: after that, a key that
	// was withdrawn long ago could still be in use.
	freshFor = time.Hour
	staleFor = 24 * time.Hour
	// A key that is not known may be new. Asking for it is what strangers can
	// make this server do with tokens of their own making, hence not more often
	// than this; nor sooner again if the issuer did not answer.
	askEvery   = 30 * time.Second
	retryAfter = 5 * time.Second

	fetchTimeout = 10 * time.Second // for the discovery document and the keys together
	maxDocument  = 1 << 20          // bytes of either
	maxKeys      = 100
	minRSA       = 2048 // bits
)

// keySet has the issuer's keys and fetches them when they are needed: by one
// request at a time, which all who wait for it share.
type keySet struct {
	discovery string // address of the discovery document
	issuer    string
	client    *http.Client
	log       *slog.Logger

	fetches sync.WaitGroup

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	fetched time.Time // when keys were; zero: never
	tried   time.Time // when the last fetch ended
	err     error     // of the last fetch
	running *fetch    // nil: none
	closed  bool
}

// fetch is one under way.
type fetch struct {
	done   chan struct{} // closed when it has ended
	cancel context.CancelFunc
}

func newKeySet(issuer string, client *http.Client, log *slog.Logger) *keySet {
	c := http.Client{Transport: http.DefaultTransport}
	if client != nil {
		c = *client
	}
	// The keys are where the issuer says: an address that leads elsewhere is a fault.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("the issuer redirects") }
	return &keySet{
		discovery: strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration",
		issuer:    issuer, client: &c, log: log,
	}
}

// find returns the keys that a token with this header may be signed with, at
// least one. It waits for a fetch only if it has none.
func (s *keySet) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for asked := false; ; asked = true {
		age := time.Since(s.fetched)
		usable := age < staleFor
		if usable {
			if keys := s.matching(kid, alg); len(keys) > 0 {
				if age >= freshFor && s.running == nil && s.mayAsk() {
					s.start(ctx)
				}
				return keys, nil
			}
		}
		if asked || s.running == nil && !s.mayAsk() {
			if usable && s.err == nil {
				return nil, invalid("the token is signed with a key that the issuer does not have")
			}
			return nil, errUnavailable
		}
		if s.running == nil {
			s.start(ctx)
		}
		running := s.running
		s.mu.Unlock()
		select {
		case <-running.done:
		case <-ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil {
			return nil, errUnavailable
		}
	}
}

var errUnavailable = &understudy.Error{Kind: understudy.KindUnavailable,
	Message: "The keys of the token's issuer cannot be had at the moment. You can retry your request."}

// mayAsk reports whether it is time for another fetch.
func (s *keySet) mayAsk() bool {
	wait := askEvery
	if s.err != nil {
		wait = retryAfter
	}
	return !s.closed && (s.tried.IsZero() || time.Since(s.tried) >= wait)
}

// matching returns the keys with the id that can have made a signature with
// alg. A token without an id leaves no doubt only if there is one such key.
func (s *keySet) matching(kid string, alg jose.SignatureAlgorithm) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, k := range s.keys {
		if (kid == "" || k.KeyID == kid) && fits(&k, alg) {
			keys = append(keys, k)
		}
	}
	if kid == "" && len(keys) > 1 {
		return nil
	}
	return keys
}

// fits reports whether a key is of alg's type. Secrets never are: a public key
// must not become the secret of an HMAC.
func fits(k *jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(alg) {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return alg[0] != 'E' && key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey:
		return alg == jose.ES256 && key.Curve == elliptic.P256() || alg == jose.ES384 && key.Curve == elliptic.P384()
	}
	return false
}

// start begins a fetch, which outlives the request that needs it: others wait
// for it too. It is called with mu held.
func (s *keySet) start(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	f := &fetch{done: make(chan struct{}), cancel: cancel}
	s.running = f
	s.fetches.Go(func() {
		defer cancel()
		keys, err := s.fetch(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running, s.tried, s.err = nil, time.Now(), err
		if err == nil {
			s.keys, s.fetched = keys, s.tried
			s.log.Info("entra: the issuer's keys were fetched", "issuer", s.issuer, "keys", len(keys))
		} else if !s.closed {
			s.log.Warn("entra: the issuer's keys cannot be fetched", "issuer", s.issuer, "err", err)
		}
		close(f.done)
	})
}

// close ends a fetch under way and waits for its end.
func (s *keySet) close() {
	s.mu.Lock()
	s.closed = true
	if s.running != nil {
		s.running.cancel()
	}
	s.mu.Unlock()
	s.fetches.Wait()
}

// fetch asks the issuer where its keys are and for them.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	var config struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := s.get(ctx, s.discovery, &config); err != nil {
		return nil, err
	}
	if config.Issuer != s.issuer {
		return nil, fmt.Errorf("%s says that its issuer is %q, not %q", s.discovery, config.Issuer, s.issuer)
	}
	if u, err := url.Parse(config.Keys); err != nil || u.Scheme != "https" {
		return nil, fmt.Errorf("%s says that its keys are at %q, which is no https address", s.discovery, config.Keys)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.get(ctx, config.Keys, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%s has %d keys, more than %d", config.Keys, len(set.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		// Keys of kinds that are not understood, or for other uses, are none of this server's.
		if k.UnmarshalJSON(raw) == nil && k.Valid() && k.IsPublic() && k.Use != "enc" &&
			slices.ContainsFunc(algorithms, func(alg jose.SignatureAlgorithm) bool { return fits(&k, alg) }) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key that could be used", config.Keys)
	}
	return keys, nil
}

// get fetches a JSON document.
func (s *keySet) get(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %d", address, resp.StatusCode)
	case len(body) > maxDocument:
		return fmt.Errorf("%s is longer than %d bytes", address, maxDocument)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	return nil
}
