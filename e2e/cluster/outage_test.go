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

// recoveryLimit is how long the service may take to be well once what it needs is there again.
const recoveryLimit = 30 * time.Second

// outage judges what is answered while Temporal and Postgres are away and come back: what cannot be done says so, and when to
// come again.
func judgeDuringOutage(method string, from time.Time, a load.Answer) string {
	away := func(part string, since time.Time) bool { return len(sut.faults.During(part, since, time.Now())) > 0 }
	unwell := from.Add(-recoveryLimit)
	switch {
	case a.Code == http.StatusServiceUnavailable && (a.Type != "service_unavailable" || a.RetryAfter == ""):
		return "it says when to come again"
	case a.Code == http.StatusServiceUnavailable && method == http.MethodGet && !away("postgres", from):
		return "reads need Postgres alone"
	case a.Code == http.StatusServiceUnavailable && (away("temporal", unwell) || away("postgres", unwell)):
		return ""
	// An operation is decided by its row, but its run is open until it has told Temporal of its end.
	case a.Type == "operation_in_progress" && a.RetryAfter != "" && (away("temporal", unwell) || away("postgres", unwell)):
		return ""
	default:
		return mustSucceed(method, from, a)
	}
}

func TestARestartOfTemporalAndPostgresIsSurvived(t *testing.T) {
	const path = "/api/v1/minigroups"
	d := newAPIClient(1, judgeDuringOutage)
	there := request(t, 0, http.MethodPost, path, map[string]any{"scope": t.Name(), "audience": "example.org", "host": "teacher.example.org"}, http.StatusCreated)
	runUnderLoad(t, d, func(ctx context.Context) error {
		for _, p := range []*harness.Part{sut.temporal, sut.postgres} {
			if err := sut.awaitAnswers(ctx, d, 50); err != nil {
				return err
			}
			if err := sut.whileStopped(ctx, p, func() error {
				for i := range 20 {
					d.Send(ctx, i%2, http.MethodGet, path+"/"+there.ClassID.String(), nil)
				}
				return sut.awaitAnswers(ctx, d, 10)
			}); err != nil {
				return err
			}
			back := time.Now()
			if err := sut.awaitCreates(ctx, p.Name()); err != nil {
				return fmt.Errorf("after a restart of %s: %w", p.Name(), err)
			}
			t.Logf("well %s after %s was back", time.Since(back).Round(time.Millisecond), p.Name())
		}
		return sut.awaitAnswers(ctx, d, 50)
	})
}

// without ends a part, starts it again when do has returned, and returns once it serves.
func (c *cluster) whileStopped(ctx context.Context, p *harness.Part, do func() error) error {
	defer c.faults.Begin(p.Name(), "away")()
	p.Stop(ctx)
	if err := do(); err != nil {
		return err
	}
	return p.Start(ctx)
}

// creates waits until every API creates a minigroup and tells that it is ready.
func (c *cluster) awaitCreates(ctx context.Context, after string) error {
	ctx, cancel := context.WithTimeout(ctx, recoveryLimit)
	defer cancel()
	for api, address := range c.apiURLs {
		for n := 0; ; n++ {
			body := map[string]any{"scope": fmt.Sprintf("after %s at API %d, try %d", after, api+1, n), "audience": "example.org", "host": "teacher.example.org"}
			a, err := load.Exchange(ctx, http.DefaultClient, c.token, http.MethodPost, address+"/api/v1/minigroups", body)
			if err == nil && a.Code == http.StatusCreated {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("API %d creates nothing within %s: %d %s %w", api+1, recoveryLimit, a.Code, a.Text, err)
			}
			harness.Pause(ctx, 200*time.Millisecond)
		}
	}
	return nil
}
