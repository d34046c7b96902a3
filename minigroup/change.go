package minigroup

import (
	"strings"
)

// Change is what a caller requests when updating a minigroup. A nil field stays as it is.
type Change struct {
	Time    *Window
	Reserve *int32
	// Host is an agent id: label.account.audience.
	Host *string
	// Recreate requests new rooms that replace the present ones.
	Recreate *Recreation
	// Revision is the revision that the minigroup must have when the update begins; nil is any.
	Revision *int64
	// Repair says that the change was not requested by a caller: it makes the minigroup and its conference room equal
	// again. Callers do not see the update.
	Repair bool
	// RequestedBy is not part of what is requested: changes by different accounts may be equal.
	RequestedBy Requester
}

// Empty reports whether the change requests nothing.
func (c Change) Empty() bool {
	return c.Time == nil && c.Reserve == nil && c.Host == nil && c.Recreate == nil
}

// Validate lists every mistake in the change, each with its field. An end in the past is valid: it ends the class.
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

// Fingerprint is equal for changes that request the same on the same condition.
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
		Recreate   *Recreation
		Revision   *int64
		Repair     bool `json:",omitempty"`
	}{
		HasTime: c.Time != nil, Start: start, End: end, Reserve: c.Reserve, Host: c.Host, Recreate: c.Recreate,
		Revision: c.Revision, Repair: c.Repair,
	})
}

// isAgentID reports whether s is label.account.audience with no part empty; the audience may contain dots.
func isAgentID(s string) bool {
	parts := strings.SplitN(s, ".", 3)
	return len(parts) == 3 && parts[0] != "" && parts[1] != "" && parts[2] != ""
}
