package report

import (
	"math"
	"slices"
	"time"
)

// Quantile returns the smallest of the ascending values that is not below the share q of them, 0 if there are none.
func Quantile(ascending []time.Duration, q float64) time.Duration {
	if len(ascending) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(ascending))))
	return ascending[max(rank, 1)-1]
}

// Spread is the median and the extremes of the values of several rounds.
type Spread struct {
	Median, Min, Max float64
	Rounds           int
}

// spread returns median and extremes. The median of an even number of values is the mean of the middle two. ok is
// false if there are no values.
func spread(values []float64) (s Spread, ok bool) {
	if len(values) == 0 {
		return s, false
	}
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	s = Spread{Median: values[middle], Min: values[0], Max: values[len(values)-1], Rounds: len(values)}
	if len(values)%2 == 0 {
		s.Median = (values[middle-1] + values[middle]) / 2
	}
	return s, true
}

// measure computes a figure from one round. ok is false if the round lacks a value for it.
type measure func(round) (value float64, ok bool)

// round has the values of one round.
type round map[Cell]map[string]float64

func (r Run) rounds() []round {
	rounds := make([]round, r.Rounds)
	for i := range rounds {
		rounds[i] = round{}
	}
	for _, s := range r.Samples {
		if s.Round < len(rounds) {
			rounds[s.Round][s.Cell] = s.Values
		}
	}
	return rounds
}

// spreadOf computes a figure for each round, so that a ratio compares values that were measured within minutes.
func (r Run) spreadOf(m measure) (Spread, bool) {
	var values []float64
	for _, one := range r.rounds() {
		if value, ok := m(one); ok {
			values = append(values, value)
		}
	}
	return spread(values)
}

func valueOf(c Cell, name string) measure {
	return func(r round) (float64, bool) {
		v, ok := r[c][name]
		return v, ok
	}
}

func ratio(above, below measure) measure {
	return func(r round) (float64, bool) {
		a, okA := above(r)
		b, okB := below(r)
		return a / b, okA && okB && b != 0
	}
}

func difference(a, b measure) measure {
	return func(r round) (float64, bool) {
		x, okX := a(r)
		y, okY := b(r)
		return x - y, okX && okY
	}
}

// sumOfNames adds up several values of a cell. It is ok if the cell has all of them.
func sumOfNames(c Cell, names ...string) measure {
	return func(r round) (sum float64, ok bool) {
		for _, name := range names {
			v, ok := r[c][name]
			if !ok {
				return 0, false
			}
			sum += v
		}
		return sum, true
	}
}

// cpuPerRequest is the CPU time per request of all parts of a system; the load is none. It is ok if the cell has that
// of each part.
func cpuPerRequest(c Cell) measure {
	var names []string
	for _, part := range Parts() {
		if part != load {
			names = append(names, CPUPerRequest+part)
		}
	}
	return sumOfNames(c, names...)
}

// Median returns the median of durations in any order, 0 if there are none.
func Median(of []time.Duration) time.Duration { return Quantile(slices.Sorted(slices.Values(of)), 0.5) }
