// Package api serves the protocol over HTTP: it decodes and checks requests,
// calls the store, and encodes what comes back.
//
// Start reading at the route table in routes.go. A request passes the front
// (front.go: routing without redirects, the host and key checks of auth.go, the
// dialect's own demands), then a handler of the file named after its resource.
// Handlers return errors, which error.go alone puts on the wire. Bodies are
// checked against the declarations in schemas.go by the one validator in
// schema.go before they are decoded. Streams (sse.go) read the event log
// of the store and polls (poll.go) its objects; the engine is only told that there
// is work.
//
// In conformance mode (conformance.go), objects are made for requests of the
// SDKs' generated test suites before the front sees them.
//
// Dialects live here and nowhere else: dialect.go lists how they differ.
package api

import (
	"context"
	"log/slog"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/store"
)

// Engine executes runs. Neither method blocks.
type Engine interface {
	// Start says that a run was queued.
	Start(runID string)
	// Cancel says that a run was asked to cancel.
	Cancel(runID string)
}

// Searcher makes the files of vector stores searchable, and searches them.
type Searcher interface {
	// Ingest says that there are files to ingest. It does not block.
	Ingest()
	// Search returns the chunks of the stores' files that say most about the
	// queries, best first.
	Search(ctx context.Context, storeIDs []string, q understudy.SearchRequest) ([]understudy.SearchHit, error)
	// FileText returns the text of a file of a store, as it is searched.
	FileText(ctx context.Context, storeID, fileID string) (string, error)
}

// Tokens decides about bearer tokens of Azure's clients.
type Tokens interface {
	// Verify returns nil if the token is accepted. Of its errors, an
	// [*understudy.Error] is told to the client: unauthenticated if the token is
	// not accepted, forbidden if it is good but not enough, unavailable if that
	// cannot be known at the moment. The message must not need quoting in a header.
	Verify(ctx context.Context, token string) error
}

// Model is a model that assistants can name.
type Model struct {
	ID      string
	OwnedBy string
	Created int64 // Unix seconds
}

// Config is what the API works with. Store, Files and Engine are needed.
type Config struct {
	Store  *store.DB
	Files  *blob.Dir
	Engine Engine

	// Search ingests and searches the files of vector stores. nil: they wait.
	Search Searcher
	// Models lists the models for GET /models. nil: there are none.
	Models func(context.Context) ([]Model, error)
	// Health returns the body of GET /healthz, which needs no key. nil: a plain "ok".
	Health func(context.Context) any
	// Metrics returns the body of GET /metrics, in the text format of Prometheus. It needs
	// a key where there are Keys. nil: there is no such path.
	Metrics func(context.Context) []byte
	// OnThreadDeleted is told the id of each thread that was deleted. It must not block.
	OnThreadDeleted func(threadID string)

	// Stopping is closed when the server begins to stop: polls that are held are then
	// answered at once. nil: that is never.
	Stopping <-chan struct{}

	// Keys are the accepted API keys. With none, and no Tokens, any key is
	// accepted, but only from requests to a loopback address that no web page
	// made: such a server must listen on loopback only.
	Keys []string
	// Tokens decides about bearer tokens on Azure's paths. nil: only Keys open.
	Tokens Tokens
	// DownloadInputs allows the download of files uploaded for assistants and as
	// user data, which the hosted API refuses.
	DownloadInputs bool

	// Conformance makes objects for requests of the SDKs' generated test suites,
	// which name ones that nobody has made. Not for production.
	Conformance bool

	Logger *slog.Logger // nil: no log
}
