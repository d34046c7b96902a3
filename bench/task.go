package main

import (
	"context"
	"time"

	"minigroups/bench/load"
	"minigroups/bench/report"
)

// task measures one or more cells once a round.
type task struct {
	cells    []report.Cell
	duration time.Duration
	// rounds is the number of rounds, the last ones, in which it runs; 0 is all.
	rounds int
	// prepare is called once, before the first round.
	prepare func(ctx context.Context) error
	run     func(ctx context.Context) ([]report.Sample, error)
}

// runsIn reports whether the task runs in a round.
func (t task) runsIn(round, rounds int) bool { return t.rounds == 0 || round >= rounds-t.rounds }

// twoRounds makes the tasks run in two rounds only. That is enough to see the spread of figures that no goal needs.
func twoRounds(tasks ...task) []task {
	for i := range tasks {
		tasks[i].rounds = 2
	}
	return tasks
}

// timing has the durations of a window and of the warm-up before it.
type timing struct{ warmUp, window time.Duration }

// starter starts a system when it is called first, and returns it.
type starter func(context.Context) (*system, error)

// workload prepares requests to a system and returns them.
type workload func(context.Context, *system) (load.Work, error)
