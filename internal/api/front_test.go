package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
)

const (
	wantNoKey     = `{"error":{"message":"You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":null}}`
	wantWrongKey  = `{"error":{"message":"Incorrect API key provided: '*****'. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`
	wantNoBeta    = `{"error":{"message":"You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header 'OpenAI-Beta: assistants=v2'.","type":"invalid_request_error","param":null,"code":"invalid_beta"}}`
	wantNotFound  = `{"error":{"message":"Not found. This server has assistants, threads, vector stores, files, uploads and models, at a base URL that ends in /v1 for OpenAI's clients, at an endpoint without a path for Azure's.","type":"invalid_request_error","param":null,"code":null}}`
	wantMethod    = `{"error":{"message":"This path does not support the request's method.","type":"invalid_request_error","param":null,"code":"method_not_supported"}}`
	wantAzureKey  = `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}`
	wantAzure404  = `{"error":{"code":"404","message":"Resource not found"}}`
	wantAzure405  = `{"error":{"code":"405","message":"Method not allowed"}}`
	wantForbidden = `{"error":{"message":"This server has no API keys configured and therefore answers only requests made to a loopback address such as localhost or 127.0.0.1.","type":"invalid_request_error","param":null,"code":null}}`
	wantNoPages   = `{"error":{"message":"This server has no API keys configured and therefore does not answer requests made by web pages.","type":"invalid_request_error","param":null,"code":null}}`
	wantEmptyList = `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`
)

// TestFront covers what is decided before a handler runs.
func TestFront(t *testing.T) {
	const keyed, keyless = true, false
	basic := func(user, password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	for name, tc := range map[string]struct {
		keys   bool
		method string
		target string
		header map[string]string
		host   string
		status int
		want   string
	}{
		"bearer":                {keyed, "GET", "/v1/assistants", map[string]string{"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v2"}, "example.org", 200, wantEmptyList},
		"api-key":               {keyed, "GET", "/v1/assistants", map[string]string{"Api-Key": "sk-right", "OpenAI-Beta": "x=1, assistants=v2"}, "", 200, wantEmptyList},
		"basic":                 {keyed, "GET", "/v1/files", map[string]string{"Authorization": basic("", "sk-right")}, "", 200, wantEmptyList},
		"second key":            {keyed, "GET", "/v1/files", map[string]string{"Authorization": "bearer sk-other"}, "", 200, wantEmptyList},
		"either of two headers": {keyed, "GET", "/v1/files", map[string]string{"Authorization": "Bearer nope", "Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"trailing slash":        {keyed, "GET", "/v1/assistants/", map[string]string{"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v2"}, "", 200, wantEmptyList},
		"doubled slashes":       {keyed, "GET", "/v1//assistants//", map[string]string{"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v2"}, "", 200, wantEmptyList},
		"dot segments":          {keyed, "GET", "/v1/x/../files", map[string]string{"Authorization": "Bearer sk-right"}, "", 200, wantEmptyList},
		"no key":                {keyed, "GET", "/v1/files", nil, "", 401, wantNoKey},
		"wrong key":             {keyed, "GET", "/v1/files", map[string]string{"Authorization": "Bearer sk-xy"}, "", 401, wantWrongKey},
		"empty key":             {keyed, "GET", "/v1/files", map[string]string{"Authorization": "Bearer  "}, "", 401, wantNoKey},
		"basic with a user":     {keyed, "GET", "/v1/files", map[string]string{"Authorization": basic("me", "sk-right")}, "", 401, wantNoKey},
		"no beta":               {keyed, "GET", "/v1/threads/thread_x", map[string]string{"Authorization": "Bearer sk-right"}, "", 401, wantNoBeta},
		"v1":                    {keyed, "GET", "/v1/assistants", map[string]string{"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v1"}, "", 200, wantEmptyList},
		"unknown path":          {keyed, "GET", "/v1/nothing", map[string]string{"Authorization": "Bearer sk-right"}, "", 404, wantNotFound},
		"other API":             {keyed, "POST", "/v1/chat/completions", map[string]string{"Authorization": "Bearer sk-right"}, "", 404, wantNotFound},
		"endpoint with a path":  {keyed, "GET", "/v1/openai/assistants?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 404, wantNotFound},
		"base URL without v1":   {keyed, "GET", "/assistants", map[string]string{"Authorization": "Bearer sk-right"}, "", 404, wantNotFound},
		"similar path":          {keyed, "GET", "/v12/files", map[string]string{"Authorization": "Bearer sk-right"}, "", 404, wantNotFound},
		"root":                  {keyed, "GET", "/", nil, "", 404, wantNotFound},
		"method":                {keyed, "PUT", "/v1/files", map[string]string{"Authorization": "Bearer sk-right"}, "", 405, wantMethod},
		"method of runs":        {keyed, "PUT", "/v1/threads/runs", map[string]string{"Authorization": "Bearer sk-right", "OpenAI-Beta": "assistants=v2"}, "", 405, wantMethod},

		"azure":                 {keyed, "GET", "/openai/assistants?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure doubled slashes": {keyed, "GET", "//openai//assistants/?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"endless id": {keyed, "GET", "/v1/files/" + strings.Repeat("x", 5000), map[string]string{"Api-Key": "sk-right"}, "", 404,
			`{"error":{"message":"No such File object: ` + strings.Repeat("x", 100) + `…","type":"invalid_request_error","param":"id","code":null},"detail":{"message":"No such File object: ` + strings.Repeat("x", 100) + `…","code":null}}`},
		"azure token":              {keyed, "GET", "/openai/assistants/?api-version=2025-04-01-preview", map[string]string{"Authorization": "Bearer sk-right"}, "", 200, wantEmptyList},
		"azure first version":      {keyed, "GET", "/openai/assistants?api-version=2024-02-15-preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure no key":             {keyed, "GET", "/openai/assistants?api-version=2024-05-01-preview", nil, "", 401, wantAzureKey},
		"azure basic":              {keyed, "GET", "/openai/assistants?api-version=2024-05-01-preview", map[string]string{"Authorization": basic("", "sk-right")}, "", 401, wantAzureKey},
		"azure no version":         {keyed, "GET", "/openai/assistants", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure without preview":    {keyed, "GET", "/openai/assistants?api-version=2024-02-01", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure latest version":     {keyed, "GET", "/openai/assistants?api-version=2026-01-01", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure no such day":        {keyed, "GET", "/openai/assistants?api-version=2024-06-31", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure more than a day":    {keyed, "GET", "/openai/assistants?api-version=2024-05-01-preview2", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure ignores betas":      {keyed, "GET", "/openai/threads/thread_x/runs?api-version=2024-06-01", map[string]string{"Api-Key": "sk-right", "OpenAI-Beta": "assistants=v1"}, "", 404, `{"error":{"message":"No thread found with id 'thread_x'.","type":"invalid_request_error","param":null,"code":null}}`},
		"azure undated":            {keyed, "GET", "/openai/v1/assistants", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure undated, preview":   {keyed, "GET", "/openai/v1/assistants?api-version=preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure undated, no key":    {keyed, "GET", "/openai/v1/files", nil, "", 401, wantAzureKey},
		"azure undated, no path":   {keyed, "GET", "/openai/v1/nothing", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure deployment":         {keyed, "GET", "/openai/deployments/gpt-4o/assistants?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure deployment, files":  {keyed, "GET", "/openai/deployments/gpt%2F4/files/?api-version=2024-02-15-preview", map[string]string{"Api-Key": "sk-right"}, "", 200, wantEmptyList},
		"azure deployment, thread": {keyed, "GET", "/openai/deployments/x/threads/thread_x?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 404, `{"error":{"message":"No thread found with id 'thread_x'.","type":"invalid_request_error","param":null,"code":null}}`},
		"azure deployment, chat":   {keyed, "POST", "/openai/deployments/x/chat/completions?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure deployment alone":   {keyed, "GET", "/openai/deployments/threads?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure version of letters": {keyed, "GET", "/openai/assistants?api-version=latest", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure unknown path":       {keyed, "GET", "/openai/nothing?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 404, wantAzure404},
		"azure method":             {keyed, "PATCH", "/openai/files?api-version=2024-05-01-preview", map[string]string{"Api-Key": "sk-right"}, "", 405, wantAzure405},

		"any key":                {keyless, "GET", "/v1/files", map[string]string{"Authorization": "Bearer x"}, "127.0.0.1:8080", 200, wantEmptyList},
		"any key, localhost":     {keyless, "GET", "/v1/files", map[string]string{"Api-Key": "x"}, "LocalHost", 200, wantEmptyList},
		"any key, IPv6":          {keyless, "GET", "/v1/files", map[string]string{"Api-Key": "x"}, "[::1]:80", 200, wantEmptyList},
		"some key is needed":     {keyless, "GET", "/v1/files", nil, "127.0.0.1", 401, wantNoKey},
		"rebound name":           {keyless, "GET", "/v1/files", map[string]string{"Api-Key": "x"}, "evil.example:8080", 403, wantForbidden},
		"address of the network": {keyless, "GET", "/v1/files", map[string]string{"Api-Key": "x"}, "192.168.0.7", 403, wantForbidden},
		"no host":                {keyless, "GET", "/v1/files", map[string]string{"Api-Key": "x"}, "", 403, wantForbidden},
		"rebound name, health":   {keyless, "GET", "/healthz", nil, "evil.example", 403, wantForbidden},
		"web page":               {keyless, "POST", "/v1/threads", map[string]string{"Api-Key": "x", "Sec-Fetch-Site": "cross-site"}, "localhost:8080", 403, wantNoPages},
		"health":                 {keyed, "GET", "/healthz", nil, "example.org", 200, `{"status":"ok"}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *Config) {
				if tc.keys {
					c.Keys = []string{"sk-right", "sk-other"}
				}
			})
			r := httptest.NewRequest(tc.method, tc.target, nil)
			r.Host = tc.host
			for k, v := range tc.header {
				r.Header.Set(k, v)
			}
			w := h.serve(r)
			if w.Code != tc.status {
				t.Errorf("status: got %d, want %d", w.Code, tc.status)
			}
			if diff := cmp.Diff(tc.want, compact(t, w.Body.Bytes())); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type: got %q", got)
			}
			if id := w.Header().Get("X-Request-Id"); !regexp.MustCompile(`^req_[0-9a-f]{32}$`).MatchString(id) {
				t.Errorf("X-Request-Id: got %q", id)
			}
		})
	}
}

// TestMetricsNeedAKey checks who reads the metrics.
func TestMetricsNeedAKey(t *testing.T) {
	const text = "up 1\n"
	keys := func(c *Config) { c.Keys = []string{"sk-right"} }
	metrics := func(c *Config) { c.Metrics = func(context.Context) []byte { return []byte(text) } }
	tokens := func(c *Config) { c.Tokens = new(tokensByName) }
	for name, tc := range map[string]struct {
		change []func(*Config)
		key    string
		host   string
		status int
	}{
		"key":                   {[]func(*Config){metrics, keys}, "sk-right", "example.org", 200},
		"wrong key":             {[]func(*Config){metrics, keys}, "sk-wrong", "localhost", 401},
		"no key":                {[]func(*Config){metrics, keys}, "", "localhost", 401},
		"no key, tokens":        {[]func(*Config){metrics, tokens}, "", "localhost", 401},
		"open":                  {[]func(*Config){metrics}, "", "localhost", 200},
		"open, rebound name":    {[]func(*Config){metrics}, "", "evil.example", 403},
		"open, without metrics": {nil, "", "localhost", 404},
	} {
		h := newHarness(t, func(c *Config) {
			for _, change := range tc.change {
				change(c)
			}
		})
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = tc.host
		if tc.key != "" {
			r.Header.Set("Authorization", "Bearer "+tc.key)
		}
		w := h.serve(r)
		if w.Code != tc.status || (w.Code == 200) != (w.Body.String() == text) {
			t.Errorf("%s: got status %d and %q, want %d", name, w.Code, w.Body, tc.status)
		}
	}
}

func TestHeadersAndForm(t *testing.T) {
	h := newHarness(t, nil)
	w := h.do("POST", "/v1/threads", `{"metadata":{"html":"<a&b>"}}`)
	for name, want := range map[string]string{
		"Openai-Version":         "2020-10-01",
		"X-Content-Type-Options": "nosniff",
		"Content-Length":         fmt.Sprint(w.Body.Len()),
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if w.Header().Get("Openai-Processing-Ms") == "" {
		t.Error("no Openai-Processing-Ms")
	}
	form := regexp.MustCompile(`^\{
  "id": "thread_[A-Za-z0-9]{24}",
  "object": "thread",
  "created_at": \d{10},
  "metadata": \{
    "html": "<a&b>"
  \},
  "tool_resources": \{\}
\}
$`)
	if !form.Match(w.Body.Bytes()) {
		t.Errorf("body: got %s, want it to match %s", w.Body, form)
	}
}

func TestRedactsKeys(t *testing.T) {
	const key = "sk-proj-0123456789abcdefghijklmnop"
	got := mask(key)
	if strings.Contains(got, key[4:len(key)-5]) || !strings.HasPrefix(got, "sk-") {
		t.Errorf("mask(%q) = %q", key, got)
	}
}

// TestErrorsOnTheWire shows each kind of error as a client sees it.
func TestErrorsOnTheWire(t *testing.T) {
	var fail error
	models := func(c *Config) {
		c.Models = func(context.Context) ([]Model, error) { return nil, fail }
	}
	h := newHarness(t, models)
	for name, tc := range map[string]struct {
		err    error
		status int
		want   string
	}{
		"invalid":     {understudy.Invalid("Say %s.", "please"), 400, `{"error":{"message":"Say please.","type":"invalid_request_error","param":null,"code":null}}`},
		"param, code": {&understudy.Error{Kind: understudy.KindInvalid, Message: "m", Param: "p", Code: "c"}, 400, `{"error":{"message":"m","type":"invalid_request_error","param":"p","code":"c"}}`},
		"wrapped":     {fmt.Errorf("outer: %w", understudy.NotFound("thread", "thread_x")), 404, `{"error":{"message":"No thread found with id 'thread_x'.","type":"invalid_request_error","param":null,"code":null}}`},
		"forbidden":   {&understudy.Error{Kind: understudy.KindForbidden, Message: "m"}, 403, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}`},
		"too large":   {&understudy.Error{Kind: understudy.KindTooLarge, Message: "m"}, 413, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":null}}`},
		"rate limit":  {&understudy.Error{Kind: understudy.KindRateLimited, Message: "m", Code: "rate_limit_exceeded"}, 429, `{"error":{"message":"m","type":"requests","param":null,"code":"rate_limit_exceeded"}}`},
		"unavailable": {&understudy.Error{Kind: understudy.KindUnavailable, Message: "m"}, 503, `{"error":{"message":"m","type":"server_error","param":null,"code":null}}`},
		"internal": {errors.New("disk on fire: secret"), 500, `{"error":{"message":"The server had an error processing your request. Sorry about that! You can retry your request, ` +
			`or contact us through our help center at help.openai.com if you keep seeing this error. (Please include the request ID REQ in your email.)","type":"server_error","param":null,"code":null}}`},
	} {
		for _, prefix := range dialects {
			fail = tc.err
			w := h.do("GET", prefix+"/models", "")
			got := strings.ReplaceAll(compact(t, w.Body.Bytes()), w.Header().Get("X-Request-Id"), "REQ")
			if w.Code != tc.status || got != tc.want {
				t.Errorf("%s under %s:\n got %d %s\nwant %d %s", name, prefix, w.Code, got, tc.status, tc.want)
			}
		}
	}
}

func TestPanicIsServerError(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.Models = func(context.Context) ([]Model, error) { panic("secret") }
	})
	w := h.do("GET", "/v1/models", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestModels(t *testing.T) {
	h := newHarness(t, func(c *Config) {
		c.Models = func(context.Context) ([]Model, error) {
			return []Model{{ID: "meta/llama", OwnedBy: "me", Created: 7}}, nil
		}
	})
	const model = `{"id":"meta/llama","object":"model","created":7,"owned_by":"me"}`
	for target, want := range map[string]string{
		"/v1/models":              `{"object":"list","data":[` + model + `]}`,
		"/v1/models/meta/llama":   model,
		"/v1/models/meta%2Fllama": model,
		"/openai/models":          `{"object":"list","data":[` + model + `]}`,
		"/v1/models/gpt":          `{"error":{"message":"The model 'gpt' does not exist","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
	} {
		if got := compact(t, h.do("GET", target, "").Body.Bytes()); got != want {
			t.Errorf("%s:\n got %s\nwant %s", target, got, want)
		}
	}
}

// TestPanicCutsWhatHasBegun shows that a response that cannot be completed is
// not mistaken for a whole one.
func TestPanicCutsWhatHasBegun(t *testing.T) {
	f := New(Config{}).(*front)
	f.health = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("secret")
	})
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("got panic %v, want the one that cuts the connection", got)
		}
	}()
	r := httptest.NewRequest("GET", "/healthz", nil)
	r.Host = "localhost"
	f.ServeHTTP(httptest.NewRecorder(), r)
}
