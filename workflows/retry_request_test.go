package workflows

import (
	"errors"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestWhyAMinigroupCannotBeRetried(t *testing.T) {
	over := minigroup.Window{End: new(int64(99))}
	ready := minigroup.Minigroup{State: minigroup.Ready}
	failedUpdate, runningUpdate, closed := ready, ready, ready
	failedUpdate.Update = &minigroup.Update{State: minigroup.UpdateFailed}
	runningUpdate.Update = &minigroup.Update{State: minigroup.UpdateRunning}
	closed.Time = over
	failed, creating := minigroup.Minigroup{State: minigroup.Failed}, minigroup.Minigroup{State: minigroup.Creating}
	ended, erased, late := failed, failed, creating
	ended.Time, late.Time = over, over
	erased.ErasedAt = time.Unix(50, 0)
	for name, c := range map[string]struct {
		m    minigroup.Minigroup
		want string // the detail; empty: it can
	}{
		"failed":                 {m: failed},
		"being created":          {m: creating},
		"failed, its end passed": {m: ended, want: "the end of this minigroup has passed; create it with another time"},
		"failed and erased":      {m: erased, want: "the personal data of this minigroup was erased; create it again"},
		"created after its end":  {m: late, want: "another create of this minigroup is in progress"},
		"ready":                  {m: ready, want: "the minigroup is real-time: nothing has failed"},
		"ready with an update":   {m: runningUpdate, want: "the minigroup is real-time: nothing has failed"},
		"closed": {
			m: closed, want: "the minigroup was created and is closed; give it new rooms with recreate",
		},
		"ready, its update failed": {
			m:    failedUpdate,
			want: "the minigroup is real-time; repeat its failed update by sending the update again",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkRetryable(c.m, 100)
			var public *minigroup.Error
			if (err == nil) != (c.want == "") || err != nil && (!errors.As(err, &public) || public.Detail != c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
