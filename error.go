package understudy

import (
	"errors"
	"fmt"
)

// ErrorKind classifies what went wrong for the client; the HTTP layer maps
// each kind to one status.
type ErrorKind string

// The kinds of errors a client may see. An error that is not an [*Error] is
// internal: the client learns nothing of it but a request id.
const (
	KindInvalid         ErrorKind = "invalid"         // 400
	KindUnauthenticated ErrorKind = "unauthenticated" // 401
	KindForbidden       ErrorKind = "forbidden"       // 403
	KindNotFound        ErrorKind = "not_found"       // 404
	KindTooLarge        ErrorKind = "too_large"       // 413
	KindRateLimited     ErrorKind = "rate_limited"    // 429
	KindUnavailable     ErrorKind = "unavailable"     // 503
)

// Error is an error a client may see as it is: Message is written for them, and
// Param and Code, when not empty, are the protocol's param and code.
type Error struct {
	Kind    ErrorKind
	Message string
	Param   string
	Code    string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Invalid returns a bad-request error without param and code.
func Invalid(format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Message: fmt.Sprintf(format, args...)}
}

// NotFound returns the error for an id of the given kind of object ("thread",
// "run step", …) that does not exist, in the protocol's words.
func NotFound(kind, id string) *Error {
	return &Error{Kind: KindNotFound, Message: fmt.Sprintf("No %s found with id '%s'.", kind, id)}
}

// FileNotFound is the Files API's own wording of a missing file.
func FileNotFound(id string) *Error {
	return &Error{Kind: KindNotFound, Message: "No such File object: " + id, Param: "id"}
}

// IsNotFound reports whether err says that an object does not exist.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == KindNotFound
}
