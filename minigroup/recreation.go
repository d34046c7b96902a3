package minigroup

// Recreation asks for a new event room and a new conference room in place of those that a class has. What is nil stays as it is.
type Recreation struct {
	LockedChat      *bool
	LockedQuestions *bool
}

// ValidateRecreation lists every mistake in a change that recreates a class, each with its field; now is in unix seconds.
func (c Change) ValidateRecreation(now int64) []FieldError {
	errs := c.Validate()
	if len(errs) == 0 && c.Time != nil && c.Time.Ended(now) {
		errs = append(errs, FieldError{"time[1]", "must lie in the future"})
	}
	return errs
}

// PlanRecreation works out what a class is once it has its new rooms, at the moment now (unix seconds). It keeps its time
// while the end lies ahead. A class that is over is open again, without end unless the change gives it one.
func PlanRecreation(m Minigroup, c Change, now int64) UpdatePlan {
	plan := UpdatePlan{Time: m.Time, Reserve: m.Reserve, Host: m.Host}
	switch {
	case c.Time != nil:
		plan.Time = *c.Time
	case m.Time.Ended(now):
		plan.Time = Window{}
	}
	return plan
}

// Recreated is the draft of the rooms that a class is given anew.
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
