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

// defaultReplyLimit is far above the largest reply to most calls, a room with tags of 64 KiB.
const defaultReplyLimit = 1 << 20

// Client calls one service. It is safe for concurrent use.
type Client struct {
	// Upstream is the service's name in errors.
	Upstream string
	// URL is put before the path of every call.
	URL       string
	Transport http.RoundTripper
	// Token gives the bearer token of a request; nil: none is sent.
	Token func() (string, error)
	// Secrets are replaced wherever they turn up in an error, as the token is.
	Secrets  []string
	Verdicts Verdicts
}

// Call is one request and what is wanted back.
type Call struct {
	// Doing says in words what is being done, for errors: "create event room".
	Doing  string
	Method string
	Path   string
	// Body is sent as JSON; nil: no body.
	Body any
	// Reply is a pointer to what the body of a 2xx is decoded into.
	Reply any
	// ReplyLimit is the most bytes that the body of a reply may have; 0: 1 MiB.
	ReplyLimit int64
	// Check looks at Reply; a reply that it returns an error for counts as unreadable.
	Check func() error
}

// Do makes the call once, whatever becomes of it, and returns when it has the reply or ctx ends; ctx is the only bound on its
// duration. The error is always a *minigroup.UpstreamError:
//   - of a reply other than 2xx, with the verdict on its type and status;
//   - of a reply that cannot be read (redirect, too big, not JSON, fails Check, cut short): not refused, maybe done;
//   - of no reply: not refused, and maybe done unless no connection took the request;
//   - of a request that cannot be made out of the call: refused.
//
// A GET is never maybe done.
func (c Client) Do(ctx context.Context, call Call) error {
	observer, ok := c.Transport.(Observer)
	if !ok {
		return c.do(ctx, call)
	}
	ctx, ended := observer.Begin(ctx, c.Upstream, call.Doing)
	err := c.do(ctx, call)
	ended(err)
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
		failed.Refused, failed.Err = true, c.cleaned(err)
		return failed
	}
	asked := time.Now()
	resp, sent, err := c.send(req)
	changes := call.Method != http.MethodGet
	if err != nil {
		failed.MaybeDone, failed.Err = sent && changes, c.cleaned(err)
		if errors.Is(err, context.DeadlineExceeded) {
			failed.Waited = time.Since(asked).Round(time.Second / 10)
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
		failed.MaybeDone, failed.Err = changes, c.cleaned(err)
		return failed
	}
	errorType, detail := problem(body)
	verdict := c.Verdicts.of(resp.StatusCode, errorType)
	failed.Type, failed.Detail = c.Clean(errorType), c.Clean(detail)
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
		var parsing *url.Error // its text repeats the URL, which may hold a password
		if errors.As(err, &parsing) {
			err = parsing.Err
		}
		return nil, fmt.Errorf("make request: %w", err)
	}
	// Without it net/http cannot send the body again when a kept connection breaks. For the same reason no
	// Idempotency-Key may ever be sent: it makes net/http take a POST for repeatable.
	req.GetBody = nil
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// send reports whether the request may have reached the service.
func (c Client) send(req *http.Request) (resp *http.Response, sent bool, err error) {
	var written atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		// Comes while the headers are still in the buffer: before it, nothing whole can have left.
		WroteHeaders: func() { written.Store(true) },
	})
	// Not by an http.Client: that would follow redirects.
	resp, err = c.Transport.RoundTrip(req.WithContext(ctx))
	return resp, written.Load(), err
}

// ReadReply reads the body of a reply, of at most so many bytes. It returns an error where there are more, or the body ends
// early.
func ReadReply(resp *http.Response, limit int64) ([]byte, error) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil, errors.New("read reply: it has no body, and reading on is not bounded by the context")
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
