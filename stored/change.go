package stored

import "minigroups/minigroup"

// Change is the form of a minigroup.Change and of a minigroup.ConferencePatch. A field that is absent stays as it is.
type Change struct {
	Time    *[2]*int64 `json:"time,omitempty"`
	Reserve *int32     `json:"reserve,omitempty"`
	Host    *string    `json:"host,omitempty"`
	// Recreate is present, possibly as {}, if the class is given new rooms.
	Recreate *Recreation `json:"recreate,omitempty"`
	Revision *int64      `json:"revision,omitempty"`
	Repair   bool        `json:"repair,omitempty"`
	// RequestedBy is absent if the service requests the change itself.
	RequestedBy *Requester `json:"requested_by,omitempty"`
}

// Recreation is the form of a minigroup.Recreation.
type Recreation struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

// NewChange converts a change to its form.
func NewChange(c minigroup.Change) Change {
	out := Change{
		Reserve: c.Reserve, Host: c.Host, Recreate: (*Recreation)(c.Recreate), Revision: c.Revision, Repair: c.Repair,
		RequestedBy: NewRequester(c.RequestedBy),
	}
	if c.Time != nil {
		out.Time = &[2]*int64{c.Time.Start, c.Time.End}
	}
	return out
}

// Change converts the form back; nil is the zero change.
func (c *Change) Change() minigroup.Change {
	if c == nil {
		return minigroup.Change{}
	}
	out := minigroup.Change{
		Reserve: c.Reserve, Host: c.Host, Recreate: (*minigroup.Recreation)(c.Recreate), Revision: c.Revision,
		Repair: c.Repair, RequestedBy: c.RequestedBy.Requester(),
	}
	if c.Time != nil {
		out.Time = &minigroup.Window{Start: c.Time[0], End: c.Time[1]}
	}
	return out
}

// NewPatch converts a patch to its form.
func NewPatch(p minigroup.ConferencePatch) Change {
	return NewChange(minigroup.Change{Time: p.Time, Reserve: p.Reserve, Host: p.Host})
}

// Patch converts the form of a patch back; nil is the empty patch.
func (c *Change) Patch() minigroup.ConferencePatch {
	change := c.Change()
	return minigroup.ConferencePatch{Time: change.Time, Reserve: change.Reserve, Host: change.Host}
}
