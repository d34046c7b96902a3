package stored

import (
	"time"

	"minigroups/minigroup"
)

// Failure is the form of a minigroup.Failure. The time of the failure is stored beside it, if at all.
type Failure struct {
	Kind         minigroup.Kind `json:"kind"`
	Detail       string         `json:"detail,omitempty"`
	Upstream     string         `json:"upstream,omitempty"`
	UpstreamType string         `json:"upstream_type,omitempty"`
}

// NewFailure converts a failure to its form; nil stays nil.
func NewFailure(f *minigroup.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Kind: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType}
}

// Failure converts the form back, with the time of the failure if that is known; nil stays nil.
func (f *Failure) Failure(at *time.Time) *minigroup.Failure {
	if f == nil {
		return nil
	}
	failure := &minigroup.Failure{Kind: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType}
	if at != nil {
		failure.FailedAt = *at
	}
	return failure
}
