package model

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// A Detected is what [Detect] found.
type Detected struct {
	Config Config // empty: nothing was found, the rehearsal model will answer
	// Description says, for the start-up log, what will answer and why. It
	// holds no secret.
	Description string
	// Notes say what was found and not used, and why.
	Notes []string
}

const (
	ollamaTime   = 200 * time.Millisecond // for a server that may not be there
	azureVersion = "2024-10-21"           // when the environment names none
)

// Detect looks for a model in the environment, which it reads through getenv,
// as the SDKs and tools of OpenAI, Azure and Ollama do: OPENAI_BASE_URL and
// OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, OLLAMA_HOST. If
// none is set, it asks for an Ollama at its usual address, for 200 ms at most.
//
// self reports whether an address is the server's own (see [SelfCheck]): the
// same variables tell the server's clients where it is, and a server that is its
// own model never answers. Such an address is noted and passed over.
func Detect(ctx context.Context, getenv func(string) string, self func(address string) bool) Detected {
	d := detector{getenv: getenv, self: self}
	for _, look := range []func(context.Context) bool{d.openAI, d.azure, d.ollama} {
		if look(ctx) {
			return d.found
		}
	}
	d.found.Description = "no model is configured: the rehearsal model answers, which plays scripts and is not a language model"
	return d.found
}

type detector struct {
	getenv func(string) string
	self   func(string) bool
	found  Detected
}

func (d *detector) note(format string, args ...any) {
	d.found.Notes = append(d.found.Notes, fmt.Sprintf(format, args...))
}

// own reports whether address is the server's, and notes it.
func (d *detector) own(variable, address string) bool {
	if !d.self(address) {
		return false
	}
	d.note("%s is %s, which is this server itself: not used as its model", variable, redact(address))
	return true
}

// use takes u, if it is usable.
func (d *detector) use(u Upstream, source string) bool {
	checked, err := u.validate()
	if err != nil {
		d.note("%s is not used: %v", source, err)
		return false
	}
	key := "with a key"
	if u.APIKey == "" {
		key = "without a key"
	}
	d.found.Config = Config{Upstreams: []Upstream{u}, Default: u.Name}
	d.found.Description = fmt.Sprintf("models are asked for at %s, %s (from %s)", redact(checked.BaseURL), key, source)
	return true
}

func (d *detector) openAI(context.Context) bool {
	variable, base := "OPENAI_BASE_URL", d.getenv("OPENAI_BASE_URL")
	if base == "" {
		if base = d.getenv("OPENAI_API_BASE"); base != "" {
			variable = "OPENAI_API_BASE"
		}
	}
	key := d.getenv("OPENAI_API_KEY")
	if base == "" && key == "" || base != "" && d.own(variable, base) {
		return false
	}
	if base == "" {
		variable = "OPENAI_API_KEY"
	}
	u := Upstream{Name: "openai", BaseURL: cmp.Or(base, "https://api.openai.com/v1"), APIKey: key, Headers: map[string]string{}}
	for name, header := range map[string]string{"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"} {
		if v := d.getenv(name); v != "" {
			u.Headers[header] = v
		}
	}
	return d.use(u, variable)
}

func (d *detector) azure(context.Context) bool {
	endpoint := d.getenv("AZURE_OPENAI_ENDPOINT")
	if endpoint == "" || d.own("AZURE_OPENAI_ENDPOINT", endpoint) {
		return false
	}
	u := Upstream{Name: "azure", BaseURL: endpoint, APIKey: d.getenv("AZURE_OPENAI_API_KEY")}
	if !strings.HasSuffix(strings.TrimRight(endpoint, "/"), "/openai/v1") {
		u.Azure = &Azure{
			APIVersion: cmp.Or(d.getenv("OPENAI_API_VERSION"), azureVersion),
			Deployment: cmp.Or(d.getenv("AZURE_OPENAI_DEPLOYMENT"), d.getenv("AZURE_OPENAI_DEPLOYMENT_NAME")),
		}
	}
	return d.use(u, "AZURE_OPENAI_ENDPOINT")
}

// ollama uses an Ollama that answers. Its models are known by their own names,
// and any other name leads to the first of them.
func (d *detector) ollama(ctx context.Context) bool {
	host := d.getenv("OLLAMA_HOST")
	address := ollamaURL(host)
	if host != "" && d.own("OLLAMA_HOST", address) {
		return false
	}
	u := Upstream{Name: "ollama", BaseURL: address + "/v1"}
	names, err := ollamaModels(ctx, address, &u)
	if err != nil {
		if host != "" {
			d.note("OLLAMA_HOST is %s, where no Ollama answers: %v", redact(address), err)
		}
		return false
	}
	if len(names) == 0 {
		d.note("the Ollama at %s has no chat model: pull one and start again", redact(address))
		return false
	}
	source := "OLLAMA_HOST"
	if host == "" {
		source = "an Ollama that answers there"
	}
	if !d.use(u, source) {
		return false
	}
	for _, name := range names {
		d.found.Config.Routes = append(d.found.Config.Routes, Route{Match: name, Upstream: u.Name})
		if short, ok := strings.CutSuffix(name, ":latest"); ok {
			d.found.Config.Routes = append(d.found.Config.Routes, Route{Match: short, Upstream: u.Name})
		}
	}
	d.found.Config.Routes = append(d.found.Config.Routes, Route{Match: "*", Upstream: u.Name, Model: names[0]})
	d.found.Description += fmt.Sprintf("; a model it does not have is played by %s", names[0])
	return true
}

// ollamaURL makes an address of OLLAMA_HOST, which is also what the Ollama
// server listens on: any part may be missing, and the host may be a wildcard.
func ollamaURL(host string) string {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(host), "://")
	if !ok {
		scheme, rest = "http", scheme
	}
	rest, _, _ = strings.Cut(rest, "/")
	name, port, err := net.SplitHostPort(rest)
	if err != nil {
		name, port = strings.Trim(rest, "[]"), "11434"
	}
	if ip, err := netip.ParseAddr(name); name == "" || err == nil && ip.IsUnspecified() {
		name = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(name, port)
}

// ollamaModels lists the models of an Ollama that can chat, as it lists them.
func ollamaModels(ctx context.Context, address string, u *Upstream) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ollamaTime, errors.New("no answer within "+ollamaTime.String()))
	defer cancel()
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	body, err := get(ctx, hc, address+"/api/tags", u)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	var tags struct {
		Models []struct {
			Name    string `json:"name"`
			Details struct {
				Family string `json:"family"`
			} `json:"details"`
		} `json:"models"`
	}
	if err := json.Unmarshal(body, &tags); err != nil {
		return nil, fmt.Errorf("its list of models is unreadable: %w", err)
	}
	var names []string
	for _, m := range tags.Models {
		if embeds := strings.Contains(m.Name, "embed") || strings.Contains(m.Details.Family, "bert"); !embeds && m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return names, nil
}

// SelfCheck returns a function that reports whether an address leads to the
// server that listens on listen (host:port). All names of the loopback interface
// are taken as one; a server that listens everywhere is reached by any of them
// and by each of local, the other addresses of the machine.
func SelfCheck(listen string, local ...netip.Addr) func(address string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return func(string) bool { return false }
	}
	return func(address string) bool {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return false
		}
		theirs := u.Port()
		if theirs == "" {
			theirs = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		if theirs != port {
			return false
		}
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			ip, err := netip.ParseAddr(u.Hostname())
			return loopback(u.Hostname()) || err == nil && containsAddr(local, ip)
		}
		return strings.EqualFold(u.Hostname(), host) || loopback(host) && loopback(u.Hostname())
	}
}

func containsAddr(list []netip.Addr, ip netip.Addr) bool {
	for _, l := range list {
		if l.Unmap() == ip.Unmap() {
			return true
		}
	}
	return false
}

// loopback reports whether host names this machine to itself.
func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
}
