package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

// refusal is an error of the front: the request never reached a handler. The
// Azure dialect answers it in the voice of its gateway.
type refusal struct {
	status int
	openAI understudy.Error
	azure  string
	code   string // Azure's; empty: the status
}

func (e *refusal) Error() string { return e.openAI.Message }

// errNoRoute answers a path that there is not: the base URL is wrong, or the
// client's calls to other APIs come here as well. What it says helps with both.
var errNoRoute = &refusal{
	status: http.StatusNotFound,
	openAI: understudy.Error{Kind: understudy.KindNotFound, Message: "Not found. This server has assistants, threads, vector stores, " +
		"files, uploads and models, at a base URL that ends in /v1 for OpenAI's clients, at an endpoint without a path for Azure's."},
	azure: "Resource not found",
}

var errMethod = &refusal{
	status: http.StatusMethodNotAllowed,
	openAI: understudy.Error{Kind: understudy.KindInvalid, Message: "This path does not support the request's method.", Code: "method_not_supported"},
	azure:  "Method not allowed",
}

// errQuery answers a request whose query is malformed, in part or as a whole.
var errQuery = &understudy.Error{Kind: understudy.KindInvalid, Message: "We could not parse the query string of your request. " +
	"(HINT: parameters are separated by '&', and a ';' or '%' that belongs to a value has to be written as '%3B' or '%25'.)"}

// errCancelled answers a request whose context has ended. Nobody reads it,
// unless it ended because the server shuts down.
var errCancelled = &understudy.Error{Kind: understudy.KindUnavailable, Message: "The request was cancelled, or the server is shutting down. You can retry your request."}

// statuses maps kinds of errors to HTTP.
var statuses = map[understudy.ErrorKind]struct {
	code int
	typ  string
}{
	understudy.KindInvalid:         {http.StatusBadRequest, "invalid_request_error"},
	understudy.KindUnauthenticated: {http.StatusUnauthorized, "invalid_request_error"},
	understudy.KindForbidden:       {http.StatusForbidden, "invalid_request_error"},
	understudy.KindNotFound:        {http.StatusNotFound, "invalid_request_error"},
	understudy.KindTooLarge:        {http.StatusRequestEntityTooLarge, "invalid_request_error"},
	understudy.KindRateLimited:     {http.StatusTooManyRequests, "requests"},
	understudy.KindUnavailable:     {http.StatusServiceUnavailable, "server_error"},
}

type errorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

type errorDetail struct {
	Message string  `json:"message"`
	Code    *string `json:"code"`
}

// envelope is an error on the wire. The Files API repeats it as detail.
type envelope struct {
	Error  errorBody    `json:"error"`
	Detail *errorDetail `json:"detail,omitempty"`
}

// gatewayEnvelope is an error of the gateway in front of Azure's service.
type gatewayEnvelope struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// describe turns any error into a status and the envelope's inner object. What
// is not meant for clients becomes the protocol's sentence about server errors,
// with the request's id.
func describe(err error, requestID string) (int, errorBody) {
	if errors.Is(err, store.ErrGone) {
		return http.StatusNotFound, errorBody{Type: "invalid_request_error", Message: "The run no longer exists: its thread was deleted."}
	}
	e, ok := errors.AsType[*understudy.Error](err)
	if !ok {
		return http.StatusInternalServerError, errorBody{Type: "server_error", Message: "The server had an error processing your request. Sorry about that! " +
			"You can retry your request, or contact us through our help center at help.openai.com if you keep seeing this error. " +
			"(Please include the request ID " + requestID + " in your email.)"}
	}
	status := statuses[e.Kind]
	return status.code, errorBody{Message: e.Message, Type: status.typ, Param: optional(e.Param), Code: optional(e.Code)}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// writeError answers a request with an error, and logs those that are the
// server's fault. It is the one place where errors meet HTTP.
func (s *server) writeError(w *response, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		err = errCancelled
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &refusal{status: http.StatusRequestTimeout, azure: "The request body did not arrive in time",
			openAI: understudy.Error{Kind: understudy.KindInvalid, Message: "The request body did not arrive in time."}}
	}
	var body any
	status := 0
	if e, ok := errors.AsType[*refusal](err); ok {
		status = e.status
		_, inner := describe(&e.openAI, "")
		body = envelope{Error: inner}
		if s.dialect.azure {
			var g gatewayEnvelope
			g.Error.Code, g.Error.Message = cmp.Or(e.code, strconv.Itoa(status)), e.azure
			body = g
		}
	} else {
		var inner errorBody
		status, inner = describe(err, w.id)
		e := envelope{Error: inner}
		if within(r.URL.Path, s.dialect.prefix+"/files") {
			e.Detail = &errorDetail{Message: inner.Message, Code: inner.Code}
		}
		body = e
	}
	if status == http.StatusInternalServerError {
		s.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request_id", w.id), slog.Any("error", err))
	}
	if w.status != 0 {
		return // the answer has begun: all that is left is to end it
	}
	if werr := writeJSON(w, status, body); werr != nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "error not encoded", slog.String("request_id", w.id), slog.Any("error", werr))
	}
}
