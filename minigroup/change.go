package minigroup

import (
	"strings"
)

// Change is what a caller asks for when updating a minigroup; what is nil stays as it is.
type Change struct {
	Time    *Window
	Reserve *int32
	// Host is an agent id: label.account.audience.
	Host *string
	// Recreate asks for new rooms in place of those that the class has.
	Recreate *Recreation
	// Revision is the one that the minigroup must still be at when the update begins; nil where any will do.
	Revision *int64
}

// Empty reports whether the change asks for nothing.
func (c Change) Empty() bool {
	return c.Time == nil && c.Reserve == nil && c.Host == nil && c.Recreate == nil
}

// Validate lists every mistake in the change, each with its field. An end in the past is none: it ends the class.
func (c Change) Validate() []FieldError {
	var errs []FieldError
	if c.Time != nil {
		errs = append(errs, c.Time.problems("time")...)
	}
	errs = append(errs, checkReserve(c.Reserve)...)
	if c.Host != nil {
		if bad := CheckName("host", *c.Host); bad != nil {
			errs = append(errs, bad...)
		} else if !isAgentID(*c.Host) {
			errs = append(errs, FieldError{"host", "must be an agent id: label.account.audience, with two dots or more"})
		}
	}
	return errs
}

// Fingerprint tells whether two changes ask for the same, on the same condition.
func (c Change) Fingerprint() string {
	var start, end *int64
	if c.Time != nil {
		start, end = c.Time.Start, c.Time.End
	}
	return fingerprint(struct {
		HasTime    bool
		Start, End *int64
		Reserve    *int32
		Host       *string
		Recreate   *Recreation `json:",omitempty"` // absent as long as it was unknown
		Revision   *int64      `json:",omitempty"` // as well
	}{c.Time != nil, start, end, c.Reserve, c.Host, c.Recreate, c.Revision})
}

// isAgentID holds for label.account.audience with no part empty; the audience may have dots of its own.
func isAgentID(s string) bool {
	parts := strings.SplitN(s, ".", 3)
	return len(parts) == 3 && parts[0] != "" && parts[1] != "" && parts[2] != ""
}
