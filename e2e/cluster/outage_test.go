package cluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"minigroups/e2e/harness"
	"minigroups/e2e/load"
)

// recoveryLimit is how long the service may take to work again after Temporal or Postgres is back.
const recoveryLimit = 30 * time.Second

// judgeDuringOutage judges answers while Temporal and Postgres stop and start. What cannot be done must be refused with
// Retry-After.
func judgeDuringOutage(method string, from time.Time, a load.Answer) string {
	wasDown := func(part string, since time.Time) bool { return len(sut.faults.During(part, since, time.Now())) > 0 }
	recent := from.Add(-recoveryLimit)
	switch {
	case a.Code == http.StatusServiceUnavailable && (a.Type != "service_unavailable" || a.RetryAfter == ""):
		return "a 503 must be service_unavailable with Retry-After"
	case a.Code == http.StatusServiceUnavailable && method == http.MethodGet && !wasDown("postgres", from):
		return "reads need Postgres alone"
	case a.Code == http.StatusServiceUnavailable && (wasDown("temporal", recent) || wasDown("postgres", recent)):
		return ""
	// The row says that an operation is done before its run has reported its end to Temporal.
	case a.Type == "operation_in_progress" && a.RetryAfter != "" &&
		(wasDown("temporal", recent) || wasDown("postgres", recent)):
		return ""
	default:
		return mustSucceed(method, from, a)
	}
}

func TestTheServiceRecoversFromAnOutageOfTemporalAndPostgres(t *testing.T) {
	const path = "/api/v1/minigroups"
	d := newAPIClient(1, judgeDuringOutage)
	body := map[string]any{"scope": t.Name(), "audience": "example.org", "host": "teacher.example.org"}
	created := request(t, 0, http.MethodPost, path, body, http.StatusCreated)
	runUnderLoad(t, d, func(ctx context.Context) error {
		for _, p := range []*harness.Part{sut.temporal, sut.postgres} {
			if err := sut.awaitAnswers(ctx, d, 50); err != nil {
				return err
			}
			if err := sut.whileStopped(ctx, p, func() error {
				for i := range 20 {
					d.Send(ctx, i%2, http.MethodGet, path+"/"+created.ClassID.String(), nil)
				}
				return sut.awaitAnswers(ctx, d, 10)
			}); err != nil {
				return err
			}
			back := time.Now()
			if err := sut.awaitCreates(ctx, p.Name()); err != nil {
				return fmt.Errorf("after a restart of %s: %w", p.Name(), err)
			}
			t.Logf("creates work %s after %s was back", time.Since(back).Round(time.Millisecond), p.Name())
		}
		return sut.awaitAnswers(ctx, d, 50)
	})
}

// whileStopped stops a part, runs do, and starts the part again.
func (c *cluster) whileStopped(ctx context.Context, p *harness.Part, do func() error) error {
	defer c.faults.Begin(p.Name(), "stopped")()
	p.Stop(ctx)
	if err := do(); err != nil {
		return err
	}
	return p.Start(ctx)
}

// awaitCreates waits until every API answers a create with 201.
func (c *cluster) awaitCreates(ctx context.Context, after string) error {
	ctx, cancel := context.WithTimeout(ctx, recoveryLimit)
	defer cancel()
	for api, address := range c.apiURLs {
		for n := 0; ; n++ {
			body := map[string]any{
				"scope":    fmt.Sprintf("after %s at API %d, attempt %d", after, api+1, n),
				"audience": "example.org", "host": "teacher.example.org",
			}
			a, err := load.Exchange(ctx, http.DefaultClient, c.token, http.MethodPost, address+"/api/v1/minigroups", body)
			if err == nil && a.Code == http.StatusCreated {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("API %d did not create within %s: %d %s %w", api+1, recoveryLimit, a.Code, a.Text, err)
			}
			harness.Pause(ctx, 200*time.Millisecond)
		}
	}
	return nil
}
