package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// This file holds every timeout and every retry of the sagas.

// AttemptTimeout bounds one attempt of a step. The activities themselves wait less for an answer, so it is reached only
// when the worker died.
const AttemptTimeout = 30 * time.Second

// attentionAfter is how long a step is retried before it needs attention.
const attentionAfter = 2 * time.Minute

// The pauses between the attempts of the retry phase: 1 s, 2 s, 4 s and so on, up to 5 minutes.
const (
	firstPause = time.Second
	maxPause   = 5 * time.Minute
)

// settleFor bounds the pauses in which a recreate retries to decide an earlier update. It is longer than the default of
// saga.request_timeout, within which a PATCH may be in flight.
const settleFor = 3 * time.Minute

// stepPolicy says how long a step is retried after its local attempt has failed.
type stepPolicy struct {
	// retries is false for a step that has the local attempt alone.
	retries bool
	// maxAttempts bounds the attempts of the retry phase; 0: unlimited.
	maxAttempts int32
	// attention says that the step needs attention when it is retried for longer than attentionAfter.
	attention bool
}

// bounded is the policy before the point of no return: the saga fails when the attempts are used up.
func bounded(maxAttempts int32) stepPolicy {
	return stepPolicy{retries: true, maxAttempts: maxAttempts, attention: true}
}

var (
	// unbounded is the policy of every step after the point of no return and of every undo.
	unbounded = stepPolicy{retries: true, attention: true}
	// once is the policy of a step whose work the sweeper repeats.
	once = stepPolicy{}
)

// settle is the policy of a recreate for the PATCH of an earlier update. The rooms are replaced anyway, so a conference
// that does not say what became of that PATCH may delay the recreate only by some minutes.
func settle(maxAttempts int32) stepPolicy {
	if limit := attemptsWithin(settleFor); maxAttempts == 0 || maxAttempts > limit {
		maxAttempts = limit
	}
	return bounded(maxAttempts)
}

// attemptsWithin is the number of attempts whose pauses fit into the retry budget. It counts no time for the attempts
// themselves.
func attemptsWithin(budget time.Duration) int32 {
	attempts, pause := int32(1), firstPause
	for budget >= pause {
		budget -= pause
		attempts++
		pause = min(2*pause, maxPause)
	}
	return attempts
}

func localOptions(title string) workflow.LocalActivityOptions {
	return workflow.LocalActivityOptions{
		Summary:             title,
		StartToCloseTimeout: AttemptTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}

// retryOptions bound the retry phase by attempts and not by time: an activity that an operator pauses makes no
// attempts, but its timeouts would go on.
func retryOptions(title string, maxAttempts int32) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             title,
		StartToCloseTimeout: AttemptTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: firstPause, BackoffCoefficient: 2, MaximumInterval: maxPause, MaximumAttempts: maxAttempts,
		},
	}
}

// A failed sweep is not retried, because the next one starts within a minute.
const (
	sweepInterval = time.Minute
	sweepTimeout  = time.Minute
)

func sweepOptions(title string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             title,
		StartToCloseTimeout: sweepTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}
