package ops

import (
	"fmt"
	"strings"
	"time"

	"minigroups/minigroup"
)

// failureInfo says why a create or update failed.
type failureInfo struct {
	Reason       minigroup.Kind `json:"reason"`
	Detail       string         `json:"detail,omitempty"`
	Upstream     string         `json:"upstream,omitempty"`
	UpstreamType string         `json:"upstream_type,omitempty"`
	FailedAt     time.Time      `json:"failed_at,omitzero"`
}

// newFailureInfo returns nil for nil.
func newFailureInfo(f *minigroup.Failure) *failureInfo {
	if f == nil {
		return nil
	}
	return &failureInfo{
		Reason: f.Kind, Detail: f.Detail, Upstream: f.Upstream, UpstreamType: f.UpstreamType, FailedAt: f.FailedAt.UTC(),
	}
}

// cause names the reason, the upstream and the upstream's own error type, without the detail.
func (f failureInfo) cause() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", f.Reason, f.Upstream, f.UpstreamType)), " ")
}
