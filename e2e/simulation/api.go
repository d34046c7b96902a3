package simulation

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/httpapi"
	"minigroups/telemetry"
)

// newAPI returns the handler of the API of a process.
func (p *process) newAPI() (http.Handler, error) {
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{audience: {Kind: auth.PolicyNone}}, auth.Options{})
	if err != nil {
		return nil, err
	}
	return httpapi.New(httpapi.Deps{
		Minigroups: p.store, Sagas: p.starter, Keys: p.store, Properties: p.store, History: p.store, List: p.store,
		Verifier: p.verifier, Authorizer: authorizer,
		Wait: 20 * time.Second, MaxWait: 20 * time.Second, BodyTimeout: time.Minute, KeyRetention: 24 * time.Hour,
		PollInterval: time.Second, MaxWaitingReads: 10, MaxConcurrentLists: 2,
		Requests: telemetry.NewRequests(nil), Log: zap.NewNop(),
	}), nil
}

// reply is the answer of the API to a caller.
type reply struct {
	status int // 0: none arrived
	etag   string
	text   string
}

// clientTimeout is how long callers wait for an answer.
const clientTimeout = 30 * time.Second

// requestKey is the key of the request in the context of what the API does for it.
type requestKey struct{}

// call sends a request to the API of a process. A caller whose process dies gets no answer.
func (p *process) call(of *request, method, path, body string, header map[string]string) (answer reply) {
	ctx, cancel := context.WithTimeout(context.WithValue(p.ctx, requestKey{}, of), clientTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://api/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return reply{text: err.Error()}
	}
	r.Header.Set("Authorization", "Bearer "+p.bearer)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := handle(p.api, r)
	if err != nil {
		return reply{text: err.Error()}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return reply{text: err.Error()}
	case ctx.Err() != nil:
		return reply{text: "no answer: " + ctx.Err().Error()}
	}
	return reply{status: response.StatusCode, etag: response.Header.Get("ETag"), text: string(text)}
}
