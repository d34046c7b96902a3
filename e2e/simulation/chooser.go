package simulation

import (
	"math/bits"

	"pgregory.net/rapid"
)

// chooser makes the decisions of a scenario.
type chooser interface {
	// below returns a number in [0, n), each with about the same probability. what says what it decides.
	below(n int, what string) int
	// rarely is true once in 2^k times.
	rarely(k int, what string) bool
	// exhausted reports whether there are no decisions left: the scenario is to end, whatever it has come to.
	exhausted() bool
}

// drawn are decisions that rapid draws. They are drawn bit by bit, because rapid prefers small numbers.
type drawn struct {
	t *rapid.T
	// ended is what rapid panicked with because it had no decisions left.
	ended any
}

func (d *drawn) bit(what string) bool {
	if d.ended != nil {
		return false
	}
	defer func() { d.ended = recover() }()
	return rapid.Bool().Draw(d.t, what)
}

// surplus is how many bits more are drawn than a number has, so that the remainder prefers hardly any.
const surplus = 2

func (d *drawn) below(n int, what string) (i int) {
	if n == 1 {
		return 0
	}
	width := bits.Len(uint(n - 1))
	if n&(n-1) != 0 {
		width += surplus
	}
	for range width {
		i <<= 1
		if d.bit(what) {
			i++
		}
	}
	return i % n
}

func (d *drawn) rarely(k int, what string) bool {
	for range k {
		if !d.bit(what) {
			return false
		}
	}
	return true
}

func (d *drawn) exhausted() bool { return d.ended != nil }
