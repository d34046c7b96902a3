package minigroup_test

import (
	"errors"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func TestTakeOver(t *testing.T) {
	isCurrent := func() (bool, error) { return true, nil }
	owned := func(by string) error { return &minigroup.OwnedError{Owner: by} }
	t.Run("a row without another owner is claimed without asking Temporal", func(t *testing.T) {
		asked := func() (bool, error) { return false, errors.New("asked") }
		err := minigroup.TakeOver("run-2", asked, func(c minigroup.Claim) error {
			if c != (minigroup.Claim{Run: "run-2"}) {
				t.Errorf("got %+v", c)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("the second claim replaces the owner that the first one met", func(t *testing.T) {
		var claims []minigroup.Claim
		err := minigroup.TakeOver("run-2", isCurrent, func(c minigroup.Claim) error {
			if claims = append(claims, c); len(claims) == 1 {
				return owned("run-1")
			}
			return nil
		})
		if err != nil || len(claims) != 2 || claims[1] != (minigroup.Claim{Run: "run-2", Replaces: "run-1"}) {
			t.Errorf("got %+v, %v", claims, err)
		}
	})
	t.Run("a run that is not current is superseded", func(t *testing.T) {
		notCurrent := func() (bool, error) { return false, nil }
		err := minigroup.TakeOver("run-2", notCurrent, func(minigroup.Claim) error { return owned("run-3") })
		var superseded *minigroup.SupersededError
		if !errors.As(err, &superseded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the error of Temporal is returned", func(t *testing.T) {
		unavailable := errors.New("unavailable")
		unknown := func() (bool, error) { return true, unavailable }
		err := minigroup.TakeOver("run-2", unknown, func(minigroup.Claim) error { return owned("run-1") })
		if !errors.Is(err, unavailable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it fails if the owner keeps changing", func(t *testing.T) {
		calls := 0
		err := minigroup.TakeOver("run-2", isCurrent, func(minigroup.Claim) error {
			calls++
			return owned(strings.Repeat("x", calls))
		})
		if err == nil || calls > 10 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
}
