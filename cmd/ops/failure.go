package main

import (
	"fmt"
	"strings"
	"time"

	"minigroups/minigroup"
)

// failureShown is why something could not be had.
type failureShown struct {
	Reason       minigroup.Kind `json:"reason"`
	Detail       string         `json:"detail,omitempty"`
	Upstream     string         `json:"upstream,omitempty"`
	UpstreamType string         `json:"upstream_type,omitempty"`
	FailedAt     time.Time      `json:"failed_at,omitzero"`
}

func showFailure(f *minigroup.Failure) *failureShown {
	if f == nil {
		return nil
	}
	return &failureShown{f.Kind, f.Detail, f.Upstream, f.UpstreamType, f.FailedAt.UTC()}
}

// words names the reason and where it came from, without the detail.
func (f failureShown) words() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", f.Reason, f.Upstream, f.UpstreamType)), " ")
}
