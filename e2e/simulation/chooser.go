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
}

// drawn are decisions that rapid draws. They are drawn bit by bit, because rapid prefers small numbers. A scenario that
// rapid has shortened may need more decisions than there are: the others are 0, which lets calls go on in order.
type drawn struct {
	t     *rapid.T
	ended bool
}

// surplus is how many bits more are drawn than a number has, so that the remainder prefers hardly any.
const surplus = 2

func (d *drawn) below(n int, what string) int {
	if n == 1 {
		return 0
	}
	width := bits.Len(uint(n - 1))
	if n&(n-1) != 0 {
		width += surplus
	}
	return d.draw(what, func(bit func() bool) (i int) {
		for range width {
			i <<= 1
			if bit() {
				i++
			}
		}
		return i % n
	})
}

func (d *drawn) rarely(k int, what string) bool {
	return d.draw(what, func(bit func() bool) int {
		for range k {
			if !bit() {
				return 0
			}
		}
		return 1
	}) == 1
}

func (d *drawn) draw(what string, number func(bit func() bool) int) int {
	if d.ended {
		return 0
	}
	defer func() { d.ended = recover() != nil }()
	bit := rapid.Bool()
	return rapid.Custom(func(t *rapid.T) int { return number(func() bool { return bit.Draw(t, "") }) }).Draw(d.t, what)
}
