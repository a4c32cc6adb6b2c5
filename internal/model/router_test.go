package model_test

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/model/modeltest"
)

// named answers with a name and the model it was asked for.
type named string

// Stream says which model was asked for, and of whom.
func (n named) Stream(_ context.Context, req *model.Request) iter.Seq2[model.Delta, error] {
	return func(yield func(model.Delta, error) bool) {
		if yield(model.Delta{Text: string(n) + ":" + req.Model}, nil) {
			yield(model.Delta{FinishReason: model.FinishStop}, nil)
		}
	}
}

func newRouter(t *testing.T, cfg model.Config) *model.Router {
	t.Helper()
	r, err := model.NewRouter(cfg, named("rehearsal"), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestResolve(t *testing.T) {
	t.Parallel()
	r := newRouter(t, model.Config{
		Upstreams: []model.Upstream{{Name: "a", BaseURL: "http://a"}, {Name: "b", BaseURL: "http://b"}},
		Default:   "b",
		Routes: model.Routes{
			{Match: "gpt-4*", Upstream: "a", Model: "qwen3:14b"},
			{Match: "gpt-4o", Upstream: "b"},
			{Match: "*/llama*-chat", Model: "llama"},
			{Match: "play", Upstream: model.RehearsalName},
		},
	})
	tests := []struct{ name, want string }{
		{"gpt-4-1106-preview", "a qwen3:14b"},
		{"gpt-4", "a qwen3:14b"},
		{"gpt-4o", "b gpt-4o"},
		{"meta/llama-3-chat", "b llama"},
		{"meta/llama-3", "b meta/llama-3"},
		{"play", "rehearsal play"},
		{"", "b "},
	}
	for _, test := range tests {
		upstream, name := r.Resolve(test.name)
		if got := upstream + " " + name; got != test.want {
			t.Errorf("%q leads to %q, want %q", test.name, got, test.want)
		}
	}
	req := ask("hi")
	req.Model = "play"
	if a, _ := collect(t, r.Stream(t.Context(), req)); a.Text != "rehearsal:play" {
		t.Errorf("got %q", a.Text)
	}
	if a, _ := collect(t, newRouter(t, model.Config{Routes: model.Routes{{Match: "*", Model: "x"}}}).Stream(t.Context(), req)); a.Text != "rehearsal:x" || req.Model != "play" {
		t.Errorf("got %q, request for %q", a.Text, req.Model)
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	a := model.Upstream{Name: "a", BaseURL: "http://a"}
	for _, test := range []struct {
		cfg  model.Config
		want string
	}{
		{model.Config{Upstreams: []model.Upstream{a, a}}, `two upstreams are called "a"`},
		{model.Config{Upstreams: []model.Upstream{{Name: "a"}}}, "upstream a: base URL"},
		{model.Config{Upstreams: []model.Upstream{{Name: "a", BaseURL: "http://a", Timeout: -1}}}, "upstream a: the timeout or the number of attempts is negative"},
		{model.Config{Upstreams: []model.Upstream{{Name: "a", BaseURL: "http://a", Attempts: -1}}}, "upstream a: the timeout or the number of attempts is negative"},
		{model.Config{Default: "x"}, `the default upstream "x" is not configured`},
		{model.Config{Routes: model.Routes{{Match: "m", Upstream: "x"}}}, `route "m" leads to upstream "x"`},
		{model.Config{Routes: model.Routes{{}}}, "route 1 matches no model name"},
	} {
		_, err := model.NewRouter(test.cfg, named("r"), nil, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got error %v, want %q", err, test.want)
		}
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	list := modeltest.Fail(200, `{"object":"list","data":[{"id":"m2","created":1700000000,"owned_by":"x"},{"id":"m1","created":"?"},{"id":""}]}`)
	h := modeltest.Play(list, modeltest.Fail(500, `{}`))
	r := newRouter(t, model.Config{
		Upstreams: []model.Upstream{
			{Name: "good", BaseURL: modeltest.NewServer(t, h).URL},
			{Name: "bad", BaseURL: modeltest.NewServer(t, modeltest.Play(modeltest.Fail(500, `{}`))).URL},
			{Name: "azure", BaseURL: "http://azure", Azure: &model.Azure{APIVersion: "v", Deployment: "prod"}},
		},
		Routes: model.Routes{{Match: "gpt-4", Model: "m1"}, {Match: "gpt-*", Model: "m1"}},
	})
	want := []model.Info{
		{ID: "gpt-4", OwnedBy: "good"}, {ID: "m1", OwnedBy: "good"}, {ID: "m2", Created: 1700000000, OwnedBy: "x"}, {ID: "prod", OwnedBy: "azure"},
	}
	for range 2 {
		if diff := cmp.Diff(want, r.Models(t.Context())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if n := len(h.Requests()); n != 1 {
		t.Errorf("%d requests for two lists, want 1", n)
	}
	if diff := cmp.Diff([]model.Info{{ID: "rehearsal", OwnedBy: "understudy"}}, newRouter(t, model.Config{}).Models(t.Context())); diff != "" {
		t.Errorf("without upstreams (-want +got)\n%s", diff)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	ollama := modeltest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/tags" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"models":[{"name":"nomic-embed-text:latest"},{"name":"qwen3:14b"},{"name":"minilm","details":{"family":"bert"}},{"name":"llama3:latest"}]}`))
	}))
	silent := modeltest.NewServer(t, modeltest.Play(modeltest.Reply{Hang: true}))
	ollamaRoutes := model.Routes{
		{Match: "qwen3:14b", Upstream: "ollama"}, {Match: "llama3:latest", Upstream: "ollama"}, {Match: "llama3", Upstream: "ollama"},
		{Match: "*", Upstream: "ollama", Model: "qwen3:14b"},
	}
	const rehearsal = "no model is configured: the rehearsal model answers, which plays scripts and is not a language model"
	noOllama := "http://127.0.0.1:1"
	tests := []struct {
		name  string
		env   map[string]string
		want  model.Config
		says  string
		notes []string
	}{
		{"nothing", map[string]string{"OLLAMA_HOST": noOllama}, model.Config{}, rehearsal,
			[]string{"OLLAMA_HOST is http://127.0.0.1:1, where no Ollama answers: connection to the model upstream failed: dial tcp 127.0.0.1:1: connect: connection refused"}},
		{"OpenAI", map[string]string{"OPENAI_API_KEY": "sk-secret", "OPENAI_ORG_ID": "org"},
			model.Config{Default: "openai", Upstreams: []model.Upstream{{Name: "openai", BaseURL: "https://api.openai.com/v1", APIKey: "sk-secret", Headers: map[string]string{"OpenAI-Organization": "org"}}}},
			"models are asked for at https://api.openai.com/v1, with a key (from OPENAI_API_KEY)", nil},
		{"a server of one's own", map[string]string{"OPENAI_BASE_URL": "http://u:sk-secret@gpu:8000", "AZURE_OPENAI_ENDPOINT": "https://x"},
			model.Config{Default: "openai", Upstreams: []model.Upstream{{Name: "openai", BaseURL: "http://u:sk-secret@gpu:8000", Headers: map[string]string{}}}},
			"models are asked for at http://gpu:8000/v1, without a key (from OPENAI_BASE_URL)", nil},
		{"Azure", map[string]string{"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/", "AZURE_OPENAI_API_KEY": "sk-secret", "OPENAI_API_VERSION": "2025-01-01-preview", "AZURE_OPENAI_DEPLOYMENT": "prod"},
			model.Config{Default: "azure", Upstreams: []model.Upstream{{Name: "azure", BaseURL: "https://x.openai.azure.com/", APIKey: "sk-secret", Azure: &model.Azure{APIVersion: "2025-01-01-preview", Deployment: "prod"}}}},
			"models are asked for at https://x.openai.azure.com, with a key (from AZURE_OPENAI_ENDPOINT)", nil},
		{"Azure v1", map[string]string{"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/openai/v1/"},
			model.Config{Default: "azure", Upstreams: []model.Upstream{{Name: "azure", BaseURL: "https://x.openai.azure.com/openai/v1/"}}},
			"models are asked for at https://x.openai.azure.com/openai/v1, without a key (from AZURE_OPENAI_ENDPOINT)", nil},
		{"the server itself, then Azure", map[string]string{"OPENAI_BASE_URL": "http://localhost:8080/v1", "OPENAI_API_KEY": "any", "AZURE_OPENAI_ENDPOINT": "https://x"},
			model.Config{Default: "azure", Upstreams: []model.Upstream{{Name: "azure", BaseURL: "https://x", Azure: &model.Azure{APIVersion: "2024-10-21"}}}},
			"models are asked for at https://x, without a key (from AZURE_OPENAI_ENDPOINT)",
			[]string{"OPENAI_BASE_URL is http://localhost:8080/v1, which is this server itself: not used as its model"}},
		{"the server itself, by every name", map[string]string{"OPENAI_API_BASE": "http://[::1]:8080/v1", "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:8080", "OLLAMA_HOST": "0.0.0.0:8080"}, model.Config{}, rehearsal,
			[]string{
				"OPENAI_API_BASE is http://[::1]:8080/v1, which is this server itself: not used as its model",
				"AZURE_OPENAI_ENDPOINT is http://127.0.0.1:8080, which is this server itself: not used as its model",
				"OLLAMA_HOST is http://127.0.0.1:8080, which is this server itself: not used as its model",
			}},
		{"not an address", map[string]string{"OPENAI_BASE_URL": "gpu:8000", "OLLAMA_HOST": ollama.URL},
			model.Config{Default: "ollama", Upstreams: []model.Upstream{{Name: "ollama", BaseURL: ollama.URL + "/v1"}}, Routes: ollamaRoutes},
			"models are asked for at " + ollama.URL + "/v1, without a key (from OLLAMA_HOST); a model it does not have is played by qwen3:14b",
			[]string{`OPENAI_BASE_URL is not used: upstream openai: base URL "gpu:8000" is not an http or https address`}},
		{"Ollama that says nothing", map[string]string{"OLLAMA_HOST": strings.TrimPrefix(silent.URL, "http://")}, model.Config{}, rehearsal,
			[]string{"OLLAMA_HOST is " + silent.URL + ", where no Ollama answers: no answer within 200ms"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := model.Detect(t.Context(), func(k string) string { return test.env[k] }, model.SelfCheck("127.0.0.1:8080"))
			want := model.Detected{Config: test.want, Description: test.says, Notes: test.notes}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got.Description+strings.Join(got.Notes, ""), "sk-secret") {
				t.Error("the key is told")
			}
		})
	}
}

func TestSelfCheck(t *testing.T) {
	t.Parallel()
	lan := netip.MustParseAddr("10.0.0.7")
	tests := []struct {
		listen, address string
		want            bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080/v1", true},
		{"127.0.0.1:8080", "http://LOCALHOST:8080", true},
		{"localhost:8080", "http://[::1]:8080/openai", true},
		{"127.0.0.1:8080", "http://127.0.0.1:8081", false},
		{"127.0.0.1:80", "http://localhost", true},
		{"127.0.0.1:443", "https://localhost/v1", true},
		{"127.0.0.1:8080", "http://10.0.0.7:8080", false},
		{":8080", "http://10.0.0.7:8080", true},
		{"[::]:8080", "http://[::ffff:10.0.0.7]:8080", true},
		{"0.0.0.0:8080", "http://localhost:8080", true},
		{"0.0.0.0:8080", "http://api.openai.com:8080", false},
		{"10.0.0.7:8080", "http://10.0.0.7:8080", true},
		{"10.0.0.7:8080", "http://127.0.0.1:8080", false},
		{"nonsense", "http://127.0.0.1:8080", false},
		{"127.0.0.1:8080", "127.0.0.1:8080", false},
	}
	for _, test := range tests {
		if got := model.SelfCheck(test.listen, lan)(test.address); got != test.want {
			t.Errorf("listening on %s, %s is self: got %v, want %v", test.listen, test.address, got, test.want)
		}
	}
}
