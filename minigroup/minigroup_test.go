package minigroup_test

import (
	"errors"
	"strings"
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
		{"creating", minigroup.Creating, window(nil, nil), false, minigroup.StatusCreating},
		{"undoing still reads as creating", minigroup.Undoing, window(nil, nil), false, minigroup.StatusCreating},
		{"creating past its end is not closed", minigroup.Creating, window(nil, at(-1)), false, minigroup.StatusCreating},
		{"failed", minigroup.Failed, window(nil, at(-1)), false, minigroup.StatusFailed},
		{"ready", minigroup.Ready, window(nil, nil), false, minigroup.StatusRealTime},
		{"ready before its start", minigroup.Ready, window(at(60), at(600)), false, minigroup.StatusRealTime},
		{"ready in its last second", minigroup.Ready, window(nil, at(1)), false, minigroup.StatusRealTime},
		{"ready at its end", minigroup.Ready, window(nil, at(0)), false, minigroup.StatusClosed},
		{"closed before its end", minigroup.Ready, window(nil, at(600)), true, minigroup.StatusClosed},
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

func TestTakeOver(t *testing.T) {
	current := func() (bool, error) { return true, nil }
	owned := func(by string) error { return &minigroup.OwnedError{Owner: by} }
	t.Run("a row that nobody owns is taken at once, and no one is asked", func(t *testing.T) {
		err := minigroup.TakeOver("run-2", func() (bool, error) { return false, errors.New("asked") }, func(c minigroup.Claim) error {
			if c != (minigroup.Claim{Run: "run-2"}) {
				t.Errorf("got %+v", c)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("an owner that was met is named as the one to replace", func(t *testing.T) {
		var claims []minigroup.Claim
		err := minigroup.TakeOver("run-2", current, func(c minigroup.Claim) error {
			if claims = append(claims, c); len(claims) == 1 {
				return owned("run-1")
			}
			return nil
		})
		if err != nil || len(claims) != 2 || claims[1] != (minigroup.Claim{Run: "run-2", Replaces: "run-1"}) {
			t.Errorf("got %+v, %v", claims, err)
		}
	})
	t.Run("a run that is not current takes nothing", func(t *testing.T) {
		err := minigroup.TakeOver("run-2", func() (bool, error) { return false, nil }, func(minigroup.Claim) error { return owned("run-3") })
		var superseded *minigroup.SupersededError
		if !errors.As(err, &superseded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what is not known is not decided", func(t *testing.T) {
		away := errors.New("away")
		if err := minigroup.TakeOver("run-2", func() (bool, error) { return true, away }, func(minigroup.Claim) error { return owned("run-1") }); !errors.Is(err, away) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it ends where the owner keeps changing", func(t *testing.T) {
		tries := 0
		err := minigroup.TakeOver("run-2", current, func(minigroup.Claim) error {
			tries++
			return owned(strings.Repeat("x", tries))
		})
		if err == nil || tries > 10 {
			t.Errorf("%d tries, %v", tries, err)
		}
	})
}
