package model

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Upstream says how to reach a server that speaks chat completions.
type Upstream struct {
	// Name identifies the upstream in routes, logs and the list of models.
	Name string `json:"name"`
	// BaseURL is what an SDK would be given, such as https://api.openai.com/v1;
	// without a path, /v1 is added. For Azure it is the resource's endpoint,
	// such as https://example.openai.azure.com.
	BaseURL string `json:"base_url"`
	// APIKey is sent as a bearer token, to Azure as api-key. It may be empty.
	APIKey string `json:"api_key"`
	// Azure is set for Azure OpenAI's deployment paths. Azure's newer /openai/v1
	// is an ordinary upstream.
	Azure *Azure `json:"azure"`
	// Headers are sent with every request.
	Headers map[string]string `json:"headers"`
	// Timeout is the longest silence: before the first byte and between any
	// two. 0 means 5 minutes, which a local model may need to read a long prompt.
	Timeout time.Duration `json:"timeout"`
	// Attempts is how often a request is sent in all when the upstream is busy,
	// broken or unreachable. 0 means 6, which with the usual back-off is half a
	// minute.
	Attempts int `json:"attempts"`
}

// Azure is what Azure OpenAI needs beside an address and a key.
type Azure struct {
	APIVersion string `json:"api_version"` // such as 2024-10-21
	Deployment string `json:"deployment"`  // used for every model name; "": the model name is the deployment
}

const (
	defaultTimeout  = 5 * time.Minute
	defaultAttempts = 6
)

// String describes u without its key.
func (u Upstream) String() string {
	return fmt.Sprintf("%s (%s)", u.Name, redact(u.BaseURL))
}

// GoString describes u without its key.
func (u Upstream) GoString() string { return u.String() }

// LogValue describes u without its key.
func (u Upstream) LogValue() slog.Value { return slog.StringValue(u.String()) }

// redact removes from an address what may be secret.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "unreadable address"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// validate checks u and returns it with its defaults filled in and its address
// in the form that paths are appended to.
func (u Upstream) validate() (Upstream, error) {
	if u.Name == "" {
		return u, errors.New("upstream without a name")
	}
	base, err := url.Parse(strings.TrimSpace(u.BaseURL))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return u, fmt.Errorf("upstream %s: base URL %q is not an http or https address", u.Name, redact(u.BaseURL))
	}
	path := strings.TrimRight(base.Path, "/")
	path = strings.TrimSuffix(path, "/chat/completions")
	if u.Azure != nil {
		if u.Azure.APIVersion == "" {
			return u, fmt.Errorf("upstream %s: Azure needs an API version", u.Name)
		}
		path = strings.TrimSuffix(path, "/openai")
	} else if path == "" {
		path = "/v1"
	}
	if u.Timeout < 0 || u.Attempts < 0 {
		return u, fmt.Errorf("upstream %s: the timeout or the number of attempts is negative", u.Name)
	}
	base.Path, base.RawPath = path, ""
	u.BaseURL = base.String()
	u.Timeout = cmp.Or(u.Timeout, defaultTimeout)
	u.Attempts = cmp.Or(u.Attempts, defaultAttempts)
	return u, nil
}

// chatURL is where chat completions of model are asked for.
func (u *Upstream) chatURL(model string) string {
	if u.Azure == nil {
		return u.join("/chat/completions", "")
	}
	deployment := url.PathEscape(cmp.Or(u.Azure.Deployment, model))
	return u.join("/openai/deployments/"+deployment+"/chat/completions", u.Azure.APIVersion)
}

// modelsURL is where the upstream lists its models; "" if it cannot: Azure lists
// what could be deployed, not what is.
func (u *Upstream) modelsURL() string {
	if u.Azure != nil {
		return ""
	}
	return u.join("/models", "")
}

// join appends an escaped path to the base URL, before its query if it has one.
func (u *Upstream) join(path, apiVersion string) string {
	base, query, _ := strings.Cut(u.BaseURL, "?")
	if apiVersion != "" {
		if query != "" {
			query += "&"
		}
		query += "api-version=" + url.QueryEscape(apiVersion)
	}
	if query != "" {
		path += "?" + query
	}
	return base + path
}

// authorize sets the headers that every request carries.
func (u *Upstream) authorize(h http.Header) {
	switch {
	case u.APIKey == "":
	case u.Azure != nil:
		h.Set("Api-Key", u.APIKey)
	default:
		h.Set("Authorization", "Bearer "+u.APIKey)
	}
	for k, v := range u.Headers {
		h.Set(k, v)
	}
}
