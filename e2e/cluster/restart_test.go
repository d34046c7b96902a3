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

func mustSucceed(_ string, _ time.Time, a load.Answer) string {
	if a.Code != http.StatusOK && a.Code != http.StatusCreated && a.Code != http.StatusAccepted {
		return "at least one API works"
	}
	return ""
}

func TestARollingRestartCausesNoErrors(t *testing.T) {
	d := newAPIClient(3, mustSucceed)
	runUnderLoad(t, d, func(ctx context.Context) error {
		for range 2 {
			for _, p := range []*harness.Part{
				sut.apis[0], sut.workers[0], sut.apis[1], sut.workers[1], sut.workers[2],
			} {
				if err := sut.awaitAnswers(ctx, d, 50); err != nil {
					return err
				}
				if err := p.Restart(ctx, 0); err != nil {
					return err
				}
			}
		}
		return sut.awaitAnswers(ctx, d, 50)
	})
}

// awaitAnswers waits until n more requests are answered, so that each restart happens under load.
func (c *cluster) awaitAnswers(ctx context.Context, d *apiClient, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for first := d.answered(); d.answered() < first+n; harness.Pause(ctx, 20*time.Millisecond) {
		if ctx.Err() != nil {
			return fmt.Errorf("only %d answers in 30 seconds", d.answered()-first)
		}
	}
	return nil
}

func (c *apiClient) answered() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.answers {
		n += of
	}
	return n
}
