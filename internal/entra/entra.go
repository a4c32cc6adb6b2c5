// Package entra decides whether a bearer token was issued by a given OpenID
// Connect issuer for this server: by Microsoft Entra ID for clients of Azure
// OpenAI, or by any other issuer that publishes its keys.
//
// [Verifier.Verify] is all of it; keys.go looks after the issuer's keys. The
// package knows nothing of HTTP requests to this server. It trusts the issuer's
// keys as TLS brought them, and of a token nothing that is not signed with one.
package entra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/understudy-dev/understudy"
)

// MaxToken is the length of the longest token that is looked at. Real ones of
// users in many groups reach 10 KiB.
const MaxToken = 16 << 10

// algorithms are those that a token may be signed with: no shared secrets, and
// not "none". A key has to fit the algorithm, see fits.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384,
}

// DefaultAudiences are what Azure OpenAI's clients ask for: the scope
// https://cognitiveservices.azure.com/.default. Entra ID repeats a slash at the
// end if the client has put one there.
func DefaultAudiences() []string {
	return []string{"https://cognitiveservices.azure.com", "https://cognitiveservices.azure.com/"}
}

// TenantIssuer is how Entra ID names itself in such tokens of a tenant, in
// Azure's public cloud.
func TenantIssuer(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }

// Config says which tokens are accepted.
type Config struct {
	// Issuer is the iss of tokens, to the letter, and the https address below
	// which .well-known/openid-configuration is found. Empty: Tenant's.
	Issuer string
	// Audiences are the values of aud of which a token needs one. None: DefaultAudiences.
	Audiences []string
	// Tenant is the tid that tokens must have. Empty: any.
	Tenant string
	// Principals are the object ids (oid) and application ids (appid, azp) of
	// those who are admitted. None: everybody with a token.
	Principals []string
	// Roles are the application roles of which a token needs one. None: no role is needed.
	Roles []string
	// ClockSkew is how far the issuer's clock and this one may differ.
	ClockSkew time.Duration

	Client *http.Client // for the issuer; nil: one of its own
	Logger *slog.Logger // nil: no log
}

// A Verifier decides about tokens. It asks the issuer for its keys when the
// first token comes, never before, so that a server starts without the issuer.
// It may be used by many goroutines at once. Close it to end its requests.
type Verifier struct {
	cfg  Config
	keys *keySet
}

// New returns a verifier for c, or an error if c makes no sense.
func New(c Config) (*Verifier, error) {
	if c.Issuer == "" && c.Tenant == "" {
		return nil, errors.New("neither an issuer nor a tenant is set")
	}
	c.Issuer = cmp.Or(c.Issuer, TenantIssuer(c.Tenant))
	if u, err := url.Parse(c.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("issuer %q is not an https address", c.Issuer)
	}
	if c.ClockSkew < 0 {
		return nil, fmt.Errorf("clock skew %v is negative", c.ClockSkew)
	}
	if len(c.Audiences) == 0 {
		c.Audiences = DefaultAudiences()
	}
	if slices.Contains(c.Audiences, "") {
		return nil, errors.New("an audience is empty")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Verifier{cfg: c, keys: newKeySet(c.Issuer, c.Client, c.Logger)}, nil
}

// Close ends requests to the issuer that are under way. Verify must not be
// called afterwards.
func (v *Verifier) Close() error {
	v.keys.close()
	return nil
}

// Probe asks the issuer for its keys now and returns how many are usable.
func (v *Verifier) Probe(ctx context.Context) (int, error) {
	keys, err := v.keys.fetch(ctx)
	return len(keys), err
}

// claims are the parts of a token that are looked at.
type claims struct {
	jwt.Claims
	Tenant          string   `json:"tid"`
	Object          string   `json:"oid"`
	Application     string   `json:"appid"` // of version 1 tokens
	AuthorizedParty string   `json:"azp"`   // of version 2 tokens
	Roles           []string `json:"roles"`
}

// Verify reports whether token is one that the configuration accepts now. The
// error is an [*understudy.Error]: unauthenticated for a token that is not
// accepted, forbidden for a good token of somebody who is not admitted,
// unavailable if the issuer's keys cannot be had. Its message says why, and
// repeats nothing of the token but the principal's id once that is proven.
//
// It waits for the issuer's keys, bounded by ctx and a time-out, only if none fits.
func (v *Verifier) Verify(ctx context.Context, token string) error {
	if len(token) > MaxToken {
		return invalid("the token is longer than %d characters", MaxToken)
	}
	t, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(t.Headers) != 1 {
		return invalid("the token is not a JWT that is signed with an accepted algorithm")
	}
	// What the token says of itself comes first, though nothing vouches for it yet:
	// a token that would be refused anyway is no reason to ask the issuer for keys.
	var said claims
	if err := t.UnsafeClaimsWithoutVerification(&said); err != nil {
		return invalid("the token's claims cannot be read")
	}
	if err := v.check(&said, time.Now()); err != nil {
		return err
	}
	header := t.Headers[0]
	keys, err := v.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if err != nil {
		return err
	}
	for _, key := range keys {
		var proven claims
		if t.Claims(key, &proven) == nil {
			return v.admit(&proven)
		}
	}
	return invalid("the token's signature is wrong")
}

// check tells whether the claims are of a token for this server that is valid
// at the given time.
func (v *Verifier) check(c *claims, now time.Time) error {
	switch err := c.ValidateWithLeeway(jwt.Expected{Issuer: v.cfg.Issuer, AnyAudience: v.cfg.Audiences, Time: now}, v.cfg.ClockSkew); {
	case c.Expiry == nil:
		return invalid("the token has no time of expiry")
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return invalid("the token is of another issuer")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return invalid("the token is for another audience")
	case errors.Is(err, jwt.ErrExpired):
		return invalid("the token has expired")
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return invalid("the token is not valid yet")
	case err != nil:
		return invalid("the token's claims are not accepted")
	}
	if v.cfg.Tenant != "" && !strings.EqualFold(c.Tenant, v.cfg.Tenant) {
		return invalid("the token is of another tenant")
	}
	return nil
}

// admit tells whether whom the token is about may use the server.
func (v *Verifier) admit(c *claims) error {
	who := cmp.Or(c.Object, c.Application, c.AuthorizedParty, c.Subject)
	ids := []string{c.Object, c.Application, c.AuthorizedParty}
	if len(v.cfg.Principals) > 0 && !slices.ContainsFunc(v.cfg.Principals, func(p string) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return id != "" && strings.EqualFold(id, p) })
	}) {
		return forbidden("The principal `%.100s` lacks the required data action: this server does not admit it.", who)
	}
	if len(v.cfg.Roles) > 0 && !slices.ContainsFunc(v.cfg.Roles, func(role string) bool { return slices.Contains(c.Roles, role) }) {
		return forbidden("The principal `%.100s` lacks the required data action: its token has none of the roles %s.", who, strings.Join(v.cfg.Roles, ", "))
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &understudy.Error{Kind: understudy.KindUnauthenticated, Message: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) error {
	return &understudy.Error{Kind: understudy.KindForbidden, Message: fmt.Sprintf(format, args...)}
}
