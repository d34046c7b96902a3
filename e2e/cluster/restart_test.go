package cluster

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"minigroups/e2e/load"
	"minigroups/e2e/parts"
)

func succeeds(_ string, _ time.Time, a load.Answer) string {
	if a.Code != http.StatusOK && a.Code != http.StatusCreated && a.Code != http.StatusAccepted {
		return "all is well, or another API is"
	}
	return ""
}

func TestNobodyNoticesARollingRestart(t *testing.T) {
	d := newDesk(3, succeeds)
	underLoad(t, d, func(ctx context.Context) error {
		for range 2 {
			for _, p := range []*parts.Part{sut.apis[0], sut.workers[0], sut.apis[1], sut.workers[1], sut.workers[2]} {
				if err := sut.busy(ctx, d, 50); err != nil {
					return err
				}
				if err := p.Restart(ctx, 0); err != nil {
					return err
				}
			}
		}
		return sut.busy(ctx, d, 50)
	})
}

// busy waits until a number of requests more are answered, so that each restart meets some.
func (c *cluster) busy(ctx context.Context, d *desk, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for first := d.answered(); d.answered() < first+n; parts.Pause(ctx, 20*time.Millisecond) {
		if ctx.Err() != nil {
			return fmt.Errorf("only %d answers in half a minute", d.answered()-first)
		}
	}
	return nil
}

func (d *desk) answered() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, of := range d.answers {
		n += of
	}
	return n
}
