package minigroup

import (
	"fmt"
	"time"
)

// MaxSecond is the greatest side of a window: the last second of the year 9999.
const MaxSecond int64 = 253402300799

// Window is the half-open range [Start, End) of unix seconds. A nil side is unbounded.
type Window struct {
	Start *int64
	End   *int64
}

// Equal reports whether both windows have the same sides.
func (w Window) Equal(o Window) bool {
	return equal(w.Start, o.Start) && equal(w.End, o.End)
}

// Ended reports whether the window has an end and that end is not after now (unix seconds).
func (w Window) Ended(now int64) bool {
	return w.End != nil && *w.End <= now
}

// problems lists the mistakes in the window that do not depend on the present time.
func (w Window) problems(field string) []FieldError {
	var errs []FieldError
	for i, side := range []*int64{w.Start, w.End} {
		if side != nil && (*side < 0 || *side > MaxSecond) {
			errs = append(errs, FieldError{
				fmt.Sprintf("%s[%d]", field, i), "must be between 0 and 253402300799 (unix seconds, up to year 9999)",
			})
		}
	}
	if w.Start != nil && w.End != nil && *w.Start >= *w.End {
		errs = append(errs, FieldError{field, "must have a start before its end: [start, end) in unix seconds"})
	}
	return errs
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// second formats a side of a window.
func second(side *int64) string {
	if side == nil {
		return "unbounded"
	}
	return time.Unix(*side, 0).UTC().Format(time.RFC3339)
}
