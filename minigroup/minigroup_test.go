package minigroup_test

import (
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		state  minigroup.State
		time   minigroup.Window
		closed bool
		want   minigroup.Status
	}{
		{name: "creating", state: minigroup.Creating, want: minigroup.StatusCreating},
		{name: "undoing is shown as creating", state: minigroup.Undoing, want: minigroup.StatusCreating},
		{
			name:  "creating is not shown as closed after its end",
			state: minigroup.Creating, time: window(nil, at(-1)), want: minigroup.StatusCreating,
		},
		{name: "failed", state: minigroup.Failed, time: window(nil, at(-1)), want: minigroup.StatusFailed},
		{name: "ready", state: minigroup.Ready, want: minigroup.StatusRealTime},
		{
			name:  "ready before its start",
			state: minigroup.Ready, time: window(at(60), at(600)), want: minigroup.StatusRealTime,
		},
		{name: "ready in its last second", state: minigroup.Ready, time: window(nil, at(1)), want: minigroup.StatusRealTime},
		{name: "ready at its end", state: minigroup.Ready, time: window(nil, at(0)), want: minigroup.StatusClosed},
		{
			name:  "closed before its end",
			state: minigroup.Ready, time: window(nil, at(600)), closed: true, want: minigroup.StatusClosed,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := minigroup.Minigroup{State: c.state}
			m.Time = c.time
			if c.closed {
				m.ClosedAt = time.Unix(now-5, 0)
			}
			if got := m.Status(now); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
