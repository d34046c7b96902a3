package rest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"minigroups/minigroup"
)

// defaultReplyLimit is the size limit in bytes of a reply whose Call sets none. The largest usual reply is a room with
// 64 KiB of tags.
const defaultReplyLimit = 1 << 20

// Client calls one service. It is safe for concurrent use.
type Client struct {
	// Upstream is the service's name in errors.
	Upstream string
	// URL is the prefix of every call's Path. A trailing slash is dropped.
	URL       string
	Transport http.RoundTripper
	// Token returns the bearer token of a request. If it is nil, no token is sent.
	Token func() (string, error)
	// Secrets are replaced by "[secret]" in every error, as is the token.
	Secrets []string
	// Verdicts classifies replies other than 2xx.
	Verdicts Verdicts
}

// Call describes one request and the expected reply.
type Call struct {
	// Doing names the operation in errors: "create event room".
	Doing  string
	Method string
	Path   string
	// Body is encoded as JSON. If it is nil, no body is sent.
	Body any
	// Reply is a pointer into which the body of a 2xx reply is decoded.
	Reply any
	// ReplyLimit is the maximum size of the reply's body in bytes; 0 means 1 MiB.
	ReplyLimit int64
	// Check validates Reply after decoding. If it returns an error, the reply counts as unreadable.
	Check func() error
}

// Do sends the call once and returns when it has the reply or when ctx ends. ctx is the only limit on the duration.
// The error is always a *minigroup.UpstreamError:
//   - A reply other than 2xx is classified by Verdicts.
//   - An unreadable reply (too large, not JSON, rejected by Check, cut short) is MaybeDone.
//   - A missing reply is MaybeDone, unless the request was not written to a connection.
//   - A call that cannot be encoded as a request is Refused.
//   - A call without a token, because Token failed, is neither.
//
// The error of a GET is never MaybeDone.
func (c Client) Do(ctx context.Context, call Call) error {
	observer, ok := c.Transport.(Observer)
	if !ok {
		return c.do(ctx, call)
	}
	ctx, end := observer.Begin(ctx, c.Upstream, call.Doing)
	err := c.do(ctx, call)
	end(err)
	return err
}

func (c Client) do(ctx context.Context, call Call) error {
	failed := &minigroup.UpstreamError{Upstream: c.Upstream, Doing: call.Doing}
	token, err := c.token()
	if err != nil {
		failed.Err = err
		return failed
	}
	c.Secrets = append([]string{token}, c.Secrets...)
	req, err := c.request(ctx, call, token)
	if err != nil {
		failed.Refused, failed.Err = true, c.sanitized(err)
		return failed
	}
	start := time.Now()
	resp, sent, err := c.send(req)
	changes := call.Method != http.MethodGet
	if err != nil {
		failed.MaybeDone, failed.Err = sent && changes, c.sanitized(err)
		if errors.Is(err, context.DeadlineExceeded) {
			failed.Waited = time.Since(start).Round(time.Second / 10)
		}
		return failed
	}
	defer func() { _ = resp.Body.Close() }()

	failed.Status, failed.RetryAfter = resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"))
	body, err := ReadReply(resp, cmp.Or(call.ReplyLimit, defaultReplyLimit))
	if err == nil && resp.StatusCode/100 == 2 {
		if err = decode(body, call); err == nil {
			return nil
		}
	}
	if err != nil {
		failed.MaybeDone, failed.Err = changes, c.sanitized(err)
		return failed
	}
	errorType, detail := problem(body)
	verdict := c.Verdicts.of(resp.StatusCode, errorType)
	failed.Type, failed.Detail = c.Sanitize(errorType), c.Sanitize(detail)
	failed.Refused, failed.MaybeDone = verdict == Refused, verdict == Unknown && changes
	return failed
}

func (c Client) token() (string, error) {
	if c.Token == nil {
		return "", nil
	}
	token, err := c.Token()
	if err != nil {
		return "", fmt.Errorf("get service token: %w", err)
	}
	return token, nil
}

func (c Client) request(ctx context.Context, call Call, token string) (*http.Request, error) {
	var body io.Reader
	if call.Body != nil {
		data, err := json.Marshal(call.Body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, strings.TrimRight(c.URL, "/")+call.Path, body)
	if err != nil {
		var parseErr *url.Error // its text contains the URL, which may contain a password
		if errors.As(err, &parseErr) {
			err = parseErr.Err
		}
		return nil, fmt.Errorf("make request: %w", err)
	}
	// net/http repeats a request by itself when a kept-alive connection breaks, if GetBody is set and it considers the
	// request replayable. An Idempotency-Key header makes it consider a POST replayable, so none may be sent either.
	req.GetBody = nil
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// send returns the reply, and whether the request may have reached the service.
func (c Client) send(req *http.Request) (resp *http.Response, sent bool, err error) {
	var written atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		// net/http calls this while the headers are still buffered, so before it no complete request can have been sent.
		WroteHeaders: func() { written.Store(true) },
	})
	// An http.Client would follow redirects.
	resp, err = c.Transport.RoundTrip(req.WithContext(ctx))
	return resp, written.Load(), err
}

// ReadReply returns the body of a reply. It returns an error if the body is longer than limit bytes, ends early, or
// belongs to a protocol switch.
func ReadReply(resp *http.Response, limit int64) ([]byte, error) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Its Body is the raw connection, and the context does not interrupt reads from it.
		return nil, errors.New("read reply: unexpected protocol switch")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("read reply: more than %d bytes", limit)
	}
	return body, nil
}

func decode(body []byte, call Call) error {
	if err := json.Unmarshal(body, call.Reply); err != nil {
		return fmt.Errorf("decode reply: %w", err)
	}
	if call.Check == nil {
		return nil
	}
	if err := call.Check(); err != nil {
		return fmt.Errorf("check reply: %w", err)
	}
	return nil
}
