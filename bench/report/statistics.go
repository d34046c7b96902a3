package report

import (
	"math"
	"slices"
	"time"
)

// Quantile returns the smallest of the values, which are ascending, below or at which the share q of them lies; 0 of none.
func Quantile(ascending []time.Duration, q float64) time.Duration {
	if len(ascending) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(ascending))))
	return ascending[max(rank, 1)-1]
}

// Spread is what several rounds have come to.
type Spread struct {
	Median, Min, Max float64
	Rounds           int
}

// spread returns the median, the mean of the two in the middle where their number is even, and the extremes. ok is false of none.
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

// measure reads a figure out of one round; ok is false where that round lacks it.
type measure func(round) (value float64, ok bool)

// round is what was measured in one round.
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

// of works a figure out in each round, so that a ratio compares what was measured within minutes of each other.
func (r Run) of(m measure) (Spread, bool) {
	var values []float64
	for _, one := range r.rounds() {
		if value, ok := m(one); ok {
			values = append(values, value)
		}
	}
	return spread(values)
}

func value(c Cell, name string) measure {
	return func(r round) (float64, bool) {
		v, ok := r[c][name]
		return v, ok
	}
}

func over(above, below measure) measure {
	return func(r round) (float64, bool) {
		a, okA := above(r)
		b, okB := below(r)
		return a / b, okA && okB && b != 0
	}
}

func minus(a, b measure) measure {
	return func(r round) (float64, bool) {
		x, okX := a(r)
		y, okY := b(r)
		return x - y, okX && okY
	}
}
