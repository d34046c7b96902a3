package workflows

import (
	"testing"
	"time"
)

func TestAttemptsWithin(t *testing.T) {
	const sumOfDoubled = 511 * time.Second // 1 s, 2 s, 4 s up to 256 s
	for _, c := range []struct {
		budget time.Duration
		want   int32
	}{
		{0, 1},
		{999 * time.Millisecond, 1},
		{time.Second, 2},
		{2 * time.Second, 2},
		{3 * time.Second, 3},
		{127 * time.Second, 8},
		{sumOfDoubled, 10},
		{sumOfDoubled + maxPause - 1, 10},
		{sumOfDoubled + maxPause, 11},
		{sumOfDoubled + 2*maxPause, 12},
		{6 * time.Hour, 80},
	} {
		if got := attemptsWithin(c.budget); got != c.want {
			t.Errorf("%s: %d attempts, want %d", c.budget, got, c.want)
		}
	}
}

func TestPolicies(t *testing.T) {
	t.Run("a recreate settles an earlier update within three minutes", func(t *testing.T) {
		for attempts, want := range map[int32]int32{0: 8, 3: 3, 8: 8, 80: 8} { // 1 + 2 + 4 … + 64 s
			if policy := settle(attempts); policy != bounded(want) {
				t.Errorf("with %d attempts: %+v", attempts, policy)
			}
		}
	})
	t.Run("the retry phase is not bounded by time, so that a paused activity does not time out", func(t *testing.T) {
		for _, policy := range []stepPolicy{bounded(80), unbounded} {
			o := retryOptions("step", policy.maxAttempts)
			if o.ScheduleToCloseTimeout != 0 || o.ScheduleToStartTimeout != 0 {
				t.Errorf("%+v: the activity times out: %+v", policy, o)
			}
			if o.RetryPolicy.MaximumAttempts != policy.maxAttempts {
				t.Errorf("%+v: the activity has %d attempts", policy, o.RetryPolicy.MaximumAttempts)
			}
		}
	})
}
