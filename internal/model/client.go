package model

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// A Client is the [Model] behind one upstream. It keeps connections open between
// turns and remembers which optional fields the upstream refuses.
type Client struct {
	up      Upstream
	http    *http.Client
	log     *slog.Logger
	refused memory
}

// NewClient returns a client for u. hc may be nil for a client of its own; if it
// is not, it must not follow redirects of POST nor have a Timeout.
func NewClient(u Upstream, hc *http.Client, log *slog.Logger) (*Client, error) {
	u, err := u.validate()
	if err != nil {
		return nil, err
	}
	if hc == nil {
		hc = newHTTPClient()
	}
	return &Client{up: u, http: hc, log: log}, nil
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   256, // as many as runs may stream at once on a busy node
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true, // a compressed stream arrives in lumps
		},
		// A redirected POST would arrive as a GET, or hand the key to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Back-off between attempts: doubling from the first to the longest, each less
// up to half of it by chance, so that runs that failed together do not return
// together. A wait the upstream asks for is kept, and lengthened a little; one
// longer than patience is not waited for.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 20 * time.Second
	patience    = 90 * time.Second
)

func backoff(attempt int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked + rand.N(asked/10+time.Millisecond)
	}
	wait := min(firstWait<<min(attempt-1, 16), longestWait)
	return wait - rand.N(wait/2)
}

// Stream sends req and yields the answer. Until the first delta has been
// yielded, an upstream that is busy, broken or unreachable is asked again, as
// often as the Upstream allows, and one that refuses an optional field is asked
// without it. After the first delta nothing is repeated.
func (c *Client) Stream(ctx context.Context, req *Request) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		known := c.refused.get(req.Model)
		without := known
		for attempt := 1; ; {
			t := turn{client: c, req: req, yield: yield}
			err := t.run(ctx, without)
			if t.started && without != known {
				c.refused.add(req.Model, without)
			}
			switch {
			case err == nil:
				return
			case t.started || ctx.Err() != nil:
				yield(Delta{}, err)
				return
			}
			e, _ := errors.AsType[*Error](err)
			if e != nil {
				if fields := blame(e, req, without); fields != 0 {
					without |= fields
					continue
				}
			}
			wait, again := c.retry(e, attempt)
			if !again {
				yield(Delta{}, err)
				return
			}
			c.log.Warn("model upstream will be asked again", "upstream", c.up.Name, "attempt", attempt, "wait", wait, "error", err)
			if err := sleep(ctx, wait); err != nil {
				yield(Delta{}, err)
				return
			}
			attempt++
		}
	}
}

// retry decides whether to ask again after e, and when. e is nil if the request
// itself could not be made.
func (c *Client) retry(e *Error, attempt int) (time.Duration, bool) {
	if attempt >= c.up.Attempts {
		return 0, false
	}
	if e == nil || !e.Temporary() || e.RetryAfter > patience {
		return 0, false
	}
	return backoff(attempt, e.RetryAfter), true
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// post sends body and returns the answer, whose status is 2xx.
func (c *Client) post(ctx context.Context, model string, body []byte) (*http.Response, error) {
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, c.up.chatURL(model), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	hr.Header.Set("Content-Type", "application/json")
	hr.Header.Set("Accept", "text/event-stream")
	hr.Header.Set("User-Agent", "understudy")
	c.up.authorize(hr.Header)
	resp, err := c.http.Do(hr)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, responseError(resp, c.up.APIKey)
	}
	return resp, nil
}

// A watch cancels a request when a read of its body takes too long. The time
// between reads, which is the consumer's, does not count.
type watch struct {
	body  io.Reader
	timer *time.Timer
	limit time.Duration
}

func newWatch(limit time.Duration, cancel context.CancelCauseFunc) *watch {
	return &watch{limit: limit, timer: time.AfterFunc(limit, func() { cancel(silence(limit)) })}
}

func (w *watch) Read(p []byte) (int, error) {
	w.timer.Reset(w.limit)
	n, err := w.body.Read(p)
	w.timer.Stop()
	return n, err
}
