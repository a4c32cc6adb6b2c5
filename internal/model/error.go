package model

import (
	"errors"
	"fmt"
	"time"
)

// ErrTruncated is within the error of a stream that ended before its finish
// reason: the upstream died or a proxy cut the connection. The error itself is an
// *[Error].
var ErrTruncated = errors.New("the model's answer was cut off before its end")

// An Error is a failure reported by an upstream, or a failure to reach it.
type Error struct {
	Status     int           // HTTP status, or what an error in mid-stream stands for; 0 if there is none
	Code       string        // the upstream's code, may be empty
	Type       string        // the upstream's error type, may be empty
	Message    string        // for people; never contains a key
	RetryAfter time.Duration // how long the upstream asks to wait, 0 if it does not say

	param string // the request field it is about, as the upstream names it
	cause error
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	switch {
	case e.Status != 0 && e.Code != "":
		return fmt.Sprintf("model upstream answered %d (%s): %s", e.Status, e.Code, e.Message)
	case e.Status != 0:
		return fmt.Sprintf("model upstream answered %d: %s", e.Status, e.Message)
	case e.cause != nil && !errors.Is(e.cause, ErrTruncated):
		return "connection to the model upstream failed: " + e.Message
	default:
		return "model upstream failed: " + e.Message
	}
}

// truncated returns the error of an answer that was cut off, by cause if that is
// known.
func truncated(cause error) *Error {
	e := &Error{Message: ErrTruncated.Error(), cause: ErrTruncated}
	if cause != nil {
		e.Message += ": " + cause.Error()
		e.cause = errors.Join(ErrTruncated, cause)
	}
	return e
}

// Unwrap returns [ErrTruncated] or the connection error behind e, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Temporary reports whether the same request may succeed later: it was
// throttled, the upstream had a fault of its own, or it was not reached.
func (e *Error) Temporary() bool {
	switch {
	case e.Code == "insufficient_quota":
		return false // sent with status 429, but waiting does not help
	case e.Status == 0:
		return e.cause != nil || e.rateLimited() || e.Type == "server_error"
	}
	return e.Status == 408 || e.Status == 429 || e.Status >= 500 && e.Status != 501
}

// RateLimited reports whether the upstream throttled the request.
func (e *Error) RateLimited() bool { return e.Status == 429 || e.Status == 0 && e.rateLimited() }

func (e *Error) rateLimited() bool {
	return e.Code == "rate_limit_exceeded" || e.Type == "rate_limit_exceeded" || e.Code == "429"
}
