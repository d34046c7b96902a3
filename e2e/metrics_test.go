package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"minigroups/sandbox"
	"minigroups/workflows"
)

// metrics reads what the worker shows.
func metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+sut.cfg.Worker.MetricsListen+"/metrics", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

func TestTheWorkersMetricsTellOfLostAttemptsAndSweeps(t *testing.T) {
	c := newClass(t)
	c.faulty(sut.event, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1})
	c.post().want(t, http.StatusCreated)
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1 AND state = 'lost'`) == 0 {
			return fmt.Errorf("no attempt is lost yet")
		}
		var lost int
		if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM room_attempt WHERE kind = 'event' AND state = 'lost' AND resolution IS NULL`).Scan(&lost); err != nil {
			return err
		}
		return show(t, fmt.Sprintf("minigroups_lost_attempts{kind=\"event\"} %d\n", lost), "minigroups_lost_attempts{kind=\"conference\"} ",
			`minigroups_swept_total{what="healed"} `)
	})
	sweepUntil(t, workflows.ScheduleGateways, func() error { return show(t, `minigroups_swept_total{what="made"} `) })
}

// show looks for texts among the worker's metrics.
func show(t *testing.T, wanted ...string) error {
	text, err := metrics(t.Context())
	if err != nil {
		return err
	}
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			return fmt.Errorf("%q is not among the metrics", want)
		}
	}
	return nil
}
