package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"minigroups/sandbox"
	"minigroups/workflows"
)

// metrics reads what the worker shows.
func metrics(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+sut.cfg.Worker.MetricsListen+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
		if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM room_attempt WHERE kind = 'event' AND state = 'lost'`).Scan(&lost); err != nil {
			return err
		}
		text := metrics(t)
		for _, want := range []string{
			fmt.Sprintf("minigroups_lost_attempts{kind=\"event\"} %d\n", lost), "minigroups_lost_attempts{kind=\"conference\"} ",
			`minigroups_swept_total{what="healed"} `, `minigroups_swept_total{what="made"} `,
		} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("%q is not among the metrics", want)
			}
		}
		return nil
	})
}
