package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/understudy-dev/understudy"
)

// dialect is one of the ways in which clients speak the protocol: all that
// differs between them. Which one a request speaks is decided for each request:
// they share all objects.
type dialect struct {
	name       string // in tests, and for Routes
	prefix     string // of every path
	azure      bool   // the gateway in front has its own error envelope; no Basic authentication
	v1         bool   // version 1 of the protocol: other requests and routes
	strict     bool   // unknown parameters are refused
	filePrefix string // of the ids of new files
	maxMessage int    // characters of a message's text

	// speaks reports whether a request for path, which is without the prefix, is in
	// this dialect.
	speaks func(path string, r *http.Request) bool
	// demand answers requests with the prefix that speak no dialect that has it.
	demand error
	// view turns what is answered, an object or a list of them, into what the
	// dialect shows. nil: it is shown as it is.
	view func(context.Context, *server, any) (any, error)
}

// newDialects returns all of them, those with a longer prefix first. Of those with
// one prefix the first that speaks a request answers it.
func newDialects() []*dialect {
	v1 := openAI()
	v1.name, v1.v1, v1.view = "openai v1", true, viewV1
	v1.speaks = func(_ string, r *http.Request) bool { return hasBeta(r, "assistants=v1") }

	undated := azure() // Azure's later surface: its api-version is optional and says nothing of shapes
	undated.name, undated.prefix = "azure undated", "/openai/v1"
	undated.speaks = func(string, *http.Request) bool { return true }

	may2024 := azure()
	may2024.name, may2024.view = "azure 2024-05-01", viewMay2024
	may2024.speaks = apiVersion("2024-03-02", "2024-07-31")

	azureV1 := azure()
	azureV1.name, azureV1.v1, azureV1.view = "azure v1", true, viewV1
	azureV1.speaks = apiVersion("0001-01-01", "2024-03-01")

	return []*dialect{openAI(), v1, undated, azure(), may2024, azureV1}
}

func openAI() *dialect {
	return &dialect{
		name:       "openai",
		prefix:     "/v1",
		strict:     true,
		filePrefix: understudy.PrefixFile,
		maxMessage: understudy.MaxMessageLength,
		speaks: func(path string, r *http.Request) bool {
			return !within(path, "/assistants") && !within(path, "/threads") || hasBeta(r, "assistants=v2")
		},
		demand: &understudy.Error{Kind: understudy.KindUnauthenticated, Code: "invalid_beta",
			Message: "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header 'OpenAI-Beta: assistants=v2'."},
	}
}

func azure() *dialect {
	return &dialect{
		name:       "azure",
		prefix:     "/openai",
		azure:      true,
		filePrefix: understudy.PrefixFileAzure,
		maxMessage: understudy.MaxMessageLengthAzure,
		speaks:     apiVersion("2024-08-01", "9999-12-31"),
		demand:     errNoRoute,
	}
}

// hasBeta reports whether the request asks for a beta version of an API.
func hasBeta(r *http.Request, want string) bool {
	for _, header := range r.Header.Values("OpenAI-Beta") {
		for beta := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(beta) == want {
				return true
			}
		}
	}
	return false
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	rest, ok := strings.CutPrefix(path, tree)
	return ok && (rest == "" || rest[0] == '/')
}

// apiVersion returns whether a request's api-version is of a day from first to
// last. Versions are days, with or without "-preview".
func apiVersion(first, last string) func(string, *http.Request) bool {
	return func(_ string, r *http.Request) bool {
		day := strings.TrimSuffix(r.URL.Query().Get("api-version"), "-preview")
		if day < first || day > last { // days compare as text
			return false
		}
		_, err := time.Parse(time.DateOnly, day)
		return err == nil
	}
}

// withoutDeployment removes the deployment from the path of a request about
// what belongs to none: clients that were given one put it everywhere.
func withoutDeployment(path string) string {
	rest, ok := strings.CutPrefix(path, "/openai/deployments/")
	if !ok {
		return path
	}
	_, resource, _ := strings.Cut(rest, "/")
	for _, tree := range []string{"assistants", "threads", "files", "uploads", "vector_stores"} {
		if within(resource, tree) {
			return "/openai/" + resource
		}
	}
	return path
}
