package minigroup_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

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

func TestRequireReady(t *testing.T) {
	for state, want := range map[minigroup.State]struct {
		text       string
		retryAfter time.Duration
	}{
		minigroup.Ready:    {},
		minigroup.Creating: {"minigroup_not_ready: the minigroup is creating", 2 * time.Second},
		minigroup.Undoing:  {"minigroup_not_ready: the minigroup is creating", 2 * time.Second},
		minigroup.Failed:   {"minigroup_not_ready: the minigroup is failed", 0},
	} {
		err := minigroup.Minigroup{State: state}.RequireReady(now)
		var known *minigroup.Error
		if want.text == "" && err == nil {
			continue
		}
		if !errors.As(err, &known) || known.Error() != want.text || known.RetryAfter != want.retryAfter {
			t.Errorf("%s: got %v", state, err)
		}
	}
	if text := (&minigroup.Error{Kind: minigroup.NotReady}).Error(); text != "minigroup_not_ready" {
		t.Errorf("without a detail the error is %q", text)
	}
}

// TestWhatIsDecided has for each state of a minigroup and of its update whether something is in progress.
func TestWhatIsDecided(t *testing.T) {
	for _, c := range []struct {
		state     minigroup.State
		update    minigroup.UpdateState // empty: none
		undecided bool
	}{
		{minigroup.Creating, "", true},
		{minigroup.Undoing, "", true},
		{minigroup.Ready, "", false},
		{minigroup.Failed, "", false},
		{minigroup.Ready, minigroup.UpdateRequested, true},
		{minigroup.Ready, minigroup.UpdateRunning, true},
		{minigroup.Ready, minigroup.UpdateDone, false},
		{minigroup.Ready, minigroup.UpdateFailed, false},
	} {
		m := minigroup.Minigroup{State: c.state}
		if c.update != "" {
			m.Update = &minigroup.Update{State: c.update}
		}
		if m.Undecided() != c.undecided {
			t.Errorf("%s, update %q: undecided is %t", c.state, c.update, m.Undecided())
		}
		// A cancel may end while an update of another run begins.
		over := c.state == minigroup.Ready || c.state == minigroup.Failed
		if (minigroup.Cancellation{Minigroup: m, Ended: true}).Decided() != over {
			t.Errorf("%s: a cancel whose run has ended is decided: %t", c.state, !over)
		}
		if (minigroup.Cancellation{Minigroup: m}).Decided() {
			t.Errorf("%s: a cancel whose run is open is decided", c.state)
		}
	}
}

func TestOperation(t *testing.T) {
	update := minigroup.OpenSaga{UpdateID: uuid.New()}
	recreate, repair := update, update
	recreate.Change.Recreate, repair.Change.Repair = &minigroup.Recreation{}, true
	for want, w := range map[string]minigroup.WaitingSaga{
		"create":   {State: string(minigroup.Creating)},
		"undo":     {State: string(minigroup.Undoing)},
		"update":   {OpenSaga: update, State: string(minigroup.Undoing)},
		"recreate": {OpenSaga: recreate},
		"repair":   {OpenSaga: repair},
	} {
		if got := w.Operation(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatARequestNeeds(t *testing.T) {
	for _, c := range []struct {
		gateways bool
		slots    int32
		want     bool
	}{{true, 1, true}, {true, 0, false}, {false, 1, false}} {
		entry := minigroup.CreateEntry{Gateways: c.gateways}
		entry.Reserve = &c.slots
		if entry.Reserves() != c.want {
			t.Errorf("%+v: needs slots on a gateway: %t", c, !c.want)
		}
	}
	for locks, want := range map[minigroup.Locks]bool{
		{}: false, {Chat: true}: true, {Questions: true}: true, {Chat: true, Questions: true}: true,
	} {
		if locks.Any() != want {
			t.Errorf("%+v: locks something: %t", locks, !want)
		}
	}
	for _, patch := range []minigroup.ConferencePatch{
		{Time: &minigroup.Window{}}, {Reserve: new(int32)}, {Host: new("")},
	} {
		if patch.Empty() {
			t.Errorf("%+v is empty", patch)
		}
	}
}
