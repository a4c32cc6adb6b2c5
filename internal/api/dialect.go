package api

import (
	"net/http"
	"strings"

	"github.com/understudy-dev/understudy"
)

// dialect is one of the ways in which clients speak the protocol: all that
// differs between them.
type dialect struct {
	prefix     string // of every path
	azure      bool   // the gateway in front has its own error envelope; no Basic authentication
	strict     bool   // unknown parameters are refused
	filePrefix string // of the ids of new files
	maxMessage int    // characters of a message's text

	// admit refuses requests that lack what the dialect demands beside a key.
	// path is the request's without the prefix.
	admit func(path string, r *http.Request) error
}

func openAI() *dialect {
	return &dialect{
		prefix:     "/v1",
		strict:     true,
		filePrefix: understudy.PrefixFile,
		maxMessage: understudy.MaxMessageLength,
		admit:      requireBeta,
	}
}

func azure() *dialect {
	return &dialect{
		prefix:     "/openai",
		azure:      true,
		filePrefix: understudy.PrefixFileAzure,
		maxMessage: understudy.MaxMessageLengthAzure,
		admit:      requireAPIVersion,
	}
}

// requireBeta refuses requests about assistants and threads without the header
// that chooses version 2 of the protocol.
func requireBeta(path string, r *http.Request) error {
	if !within(path, "/assistants") && !within(path, "/threads") {
		return nil
	}
	v1 := false
	for _, header := range r.Header.Values("OpenAI-Beta") {
		for beta := range strings.SplitSeq(header, ",") {
			switch strings.TrimSpace(beta) {
			case "assistants=v2":
				return nil
			case "assistants=v1":
				v1 = true
			}
		}
	}
	if v1 {
		return &understudy.Error{Kind: understudy.KindInvalid, Code: "invalid_beta",
			Message: "This server version does not serve v1 of the Assistants API. Set the header 'OpenAI-Beta: assistants=v2'."}
	}
	return &understudy.Error{Kind: understudy.KindUnauthenticated, Code: "invalid_beta",
		Message: "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the header 'OpenAI-Beta: assistants=v2'."}
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	rest, ok := strings.CutPrefix(path, tree)
	return ok && (rest == "" || rest[0] == '/')
}

// requireAPIVersion refuses requests without an api-version that has
// assistants. Versions are dates, so that they compare as text.
func requireAPIVersion(_ string, r *http.Request) error {
	switch v := r.URL.Query().Get("api-version"); {
	case v >= "2024-05-01-preview" && isDate(v):
		return nil
	case v == "2024-02-15-preview", v == "2024-03-01-preview":
		return nil // served in the shapes of version 2
	}
	return errNoRoute
}

// isDate reports whether v begins like 2024-05-01.
func isDate(v string) bool {
	if len(v) < len("2024-05-01") {
		return false
	}
	for i, c := range []byte(v[:10]) {
		if dash := i == 4 || i == 7; dash != (c == '-') || !dash && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
