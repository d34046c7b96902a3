package minigroup

// Recreation requests a new event room and a new conference room that replace those of a class. A nil field stays as it
// is.
type Recreation struct {
	LockedChat      *bool
	LockedQuestions *bool
}

// ValidateRecreation lists every mistake in a change that recreates a class, each with its field; now is in unix
// seconds.
func (c Change) ValidateRecreation(now int64) []FieldError {
	errs := c.Validate()
	if len(errs) == 0 && c.Time != nil && c.Time.Ended(now) {
		errs = append(errs, FieldError{"time[1]", "must be in the future (unix seconds)"})
	}
	return errs
}

// PlanRecreation returns the values that a class has with its new rooms; now is in unix seconds. The class keeps its
// time if it has not ended. A class that has ended is open again, without an end unless the change sets one.
func PlanRecreation(m Minigroup, c Change, now int64) UpdatePlan {
	plan := UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: m.Host, Revision: m.Revision}
	switch {
	case c.Time != nil:
		plan.Time = *c.Time
	case m.Time.Ended(now):
		plan.Time = Window{}
	}
	return plan
}

// Recreated returns the draft for the new rooms of a class.
func (m Minigroup) Recreated(plan UpdatePlan, r Recreation) Draft {
	d := m.Draft
	d.Time = plan.Time
	if r.LockedChat != nil {
		d.LockedChat = *r.LockedChat
	}
	if r.LockedQuestions != nil {
		d.LockedQuestions = *r.LockedQuestions
	}
	return d
}
