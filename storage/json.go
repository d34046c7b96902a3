package storage

import (
	"time"

	"minigroups/minigroup"
)

// The JSON columns. Fields are only ever added.

type failureJSON struct {
	Kind         minigroup.Kind `json:"kind"`
	Detail       string         `json:"detail,omitempty"`
	Upstream     string         `json:"upstream,omitempty"`
	UpstreamType string         `json:"upstream_type,omitempty"`
}

func toFailureJSON(f minigroup.Failure) failureJSON {
	return failureJSON{f.Kind, f.Detail, f.Upstream, f.UpstreamType}
}

func (f *failureJSON) failure(at *time.Time) *minigroup.Failure {
	if f == nil {
		return nil
	}
	failure := minigroup.Failure{Kind: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType}
	if at != nil {
		failure.FailedAt = *at
	}
	return &failure
}

// changeJSON holds a change or a patch; what is absent stays as it is.
type changeJSON struct {
	Time    *[2]*int64 `json:"time,omitempty"`
	Reserve *int32     `json:"reserve,omitempty"`
	Host    *string    `json:"host,omitempty"`
	// Recreate is there, if only as {}, where the update gives the class new rooms.
	Recreate *recreationJSON `json:"recreate,omitempty"`
	Revision *int64          `json:"revision,omitempty"`
}

type recreationJSON struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

func toChangeJSON(c minigroup.Change) changeJSON {
	out := changeJSON{Reserve: c.Reserve, Host: c.Host, Revision: c.Revision}
	if c.Time != nil {
		out.Time = &[2]*int64{c.Time.Start, c.Time.End}
	}
	if c.Recreate != nil {
		out.Recreate = (*recreationJSON)(c.Recreate)
	}
	return out
}

func (c *changeJSON) change() minigroup.Change {
	if c == nil {
		return minigroup.Change{}
	}
	out := minigroup.Change{Reserve: c.Reserve, Host: c.Host, Revision: c.Revision}
	if c.Time != nil {
		out.Time = &minigroup.Window{Start: c.Time[0], End: c.Time[1]}
	}
	if c.Recreate != nil {
		out.Recreate = (*minigroup.Recreation)(c.Recreate)
	}
	return out
}

func toPatchJSON(p minigroup.ConferencePatch) changeJSON {
	return toChangeJSON(minigroup.Change{Time: p.Time, Reserve: p.Reserve, Host: p.Host})
}

func (c *changeJSON) patch() minigroup.ConferencePatch {
	change := c.change()
	return minigroup.ConferencePatch{Time: change.Time, Reserve: change.Reserve, Host: change.Host}
}
