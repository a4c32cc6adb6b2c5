package model

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxErrorBody = 64 << 10 // bytes of an error answer that are read
	maxMessage   = 1000     // bytes of it that are passed on
)

// responseError turns an answer whose status is not 2xx into an error. key is
// blotted out of the text: some proxies quote it.
func responseError(resp *http.Response, key string) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // half a body is better than none
	e := parseError(resp.StatusCode, resp.Header, body)
	if key != "" {
		e.Message = strings.ReplaceAll(e.Message, key, "[key]")
	}
	return e
}

// parseError reads the many forms of an error body: {"error":{…}},
// {"error":"text"}, {"message":…}, {"detail":…}, a list of one of these, HTML and
// plain text.
func parseError(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status, RetryAfter: retryAfter(header)}
	body = bytes.ToValidUTF8(bytes.TrimSpace(body), []byte("\uFFFD")) // it is shown, and kept with the run
	if !e.fromJSON(body) {
		e.Message = plainText(body)
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	if e.Message == "" {
		e.Message = "no reason given"
	}
	e.Message = shorten(e.Message)
	if e.Status == 0 {
		e.Status = statusOf(e.Code)
	}
	return e
}

func (e *Error) fromJSON(body []byte) bool {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return false
	}
	if inner, ok := fields["error"]; ok {
		if text := label(inner); text != "" {
			e.Message = text
			if m := label(fields["message"]); m != "" {
				e.Message += ": " + m
			}
			return true
		}
		var f map[string]json.RawMessage
		if json.Unmarshal(inner, &f) == nil && f != nil {
			fields = f
		}
	}
	e.Code, e.Type, e.param = label(fields["code"]), label(fields["type"]), label(fields["param"])
	for _, name := range []string{"message", "detail", "error_description", "msg"} {
		if e.Message = label(fields[name]); e.Message != "" {
			return true
		}
	}
	// A list of objects (pydantic), or something else: pass it on as it is.
	if detail := fields["detail"]; len(detail) > 0 {
		e.Message = string(detail)
	} else {
		e.Message = string(body)
	}
	return true
}

// label is the text of a JSON string or number, "" for anything else.
func label(raw json.RawMessage) string {
	s := scanner{b: raw}
	return s.label()
}

var (
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlTag   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// plainText makes one line of an HTML page or a text.
func plainText(body []byte) string {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("<")) {
		if m := htmlTitle.FindSubmatch(body); m != nil && len(bytes.TrimSpace(m[1])) > 0 {
			body = m[1]
		} else {
			body = htmlTag.ReplaceAll(body, []byte(" "))
		}
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "\uFFFD")), " ")
}

func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// retryAfter reads how long to wait: in milliseconds, in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return clampSeconds(ms / 1000)
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
		return clampSeconds(s)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// clampSeconds keeps absurd numbers from overflowing.
func clampSeconds(s float64) time.Duration {
	return time.Duration(min(s, 24*3600) * float64(time.Second))
}

// connectionError wraps the failure to reach an upstream or to read from it.
// The address in a *url.Error is dropped: it may hold a secret.
func connectionError(err error) error {
	if wrapper, ok := errors.AsType[*url.Error](err); ok {
		err = wrapper.Err
	}
	return &Error{Message: err.Error(), cause: err}
}

// silence is the cause with which a request is cancelled whose upstream says nothing.
type silence time.Duration

func (s silence) Error() string {
	return fmt.Sprintf("nothing was heard from it for %v", time.Duration(s))
}

// failure tells a cancelled caller, a silent upstream and a broken connection
// apart. ctx is the caller's, inner the request's.
func failure(ctx, inner context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s, ok := errors.AsType[silence](context.Cause(inner)); ok {
		return &Error{Message: s.Error(), cause: s}
	}
	return connectionError(err)
}
