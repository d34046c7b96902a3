package minigroup_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"minigroups/minigroup"
)

func TestUpstreamErrorSaysWhatTheServiceAnswered(t *testing.T) {
	for _, c := range []struct {
		err          minigroup.UpstreamError
		want, public string
	}{
		{
			minigroup.UpstreamError{Status: 403, Type: "access_denied", Refused: true},
			"create room: event refused: access_denied (403)", "create room: event refused: access_denied (403)",
		},
		{
			minigroup.UpstreamError{Status: 503, Detail: "try later"},
			"create room: event answered 503: try later", "create room: event is not available (503): try later",
		},
		{
			minigroup.UpstreamError{Status: 422, Type: "database_query_failed"},
			"create room: event answered 422 database_query_failed",
			"create room: event is not available: database_query_failed (422)",
		},
		{
			minigroup.UpstreamError{Status: 201, Err: errors.New("decode reply: no JSON"), MaybeDone: true},
			"create room: event answered 201: decode reply: no JSON", "create room: event is not available (201)",
		},
		{
			minigroup.UpstreamError{Waited: 10 * time.Second, Err: context.DeadlineExceeded},
			"create room: event gave no answer within 10s", "create room: event is not available",
		},
		{
			minigroup.UpstreamError{Err: errors.New("dial tcp 10.0.0.7:80: connection refused")},
			"create room: event gave no answer: dial tcp 10.0.0.7:80: connection refused",
			"create room: event is not available",
		},
		{
			minigroup.UpstreamError{Detail: "no answer within 10s; the request is still in flight", MaybeDone: true},
			"create room: event: no answer within 10s; the request is still in flight",
			"create room: event is not available: no answer within 10s; the request is still in flight",
		},
		{minigroup.UpstreamError{}, "create room: event is not available", "create room: event is not available"},
	} {
		c.err.Upstream, c.err.Doing = "event", "create room"
		if got := c.err.Error(); got != c.want {
			t.Errorf("operators see %q, want %q", got, c.want)
		}
		if got := c.err.Public(); got != c.public {
			t.Errorf("callers see %q, want %q", got, c.public)
		}
	}
}

func TestOverloaded(t *testing.T) {
	for _, c := range []struct {
		name string
		err  minigroup.UpstreamError
		want bool
	}{
		{"no database connection, with status 422", minigroup.UpstreamError{
			Status: 422, Type: "database_connection_acquisition_failed",
		}, true},
		{"another 422", minigroup.UpstreamError{Status: 422, Type: "database_query_failed"}, false},
		{"the authorization of one audience", minigroup.UpstreamError{Status: 503, Type: "authorization_failed"}, false},
		{"no answer", minigroup.UpstreamError{}, true},
		{"nothing was sent", minigroup.UpstreamError{Refused: true}, false},
		{"499", minigroup.UpstreamError{Status: 499}, false},
		{"500", minigroup.UpstreamError{Status: 500}, true},
		{"501", minigroup.UpstreamError{Status: 501}, true},
		{"429", minigroup.UpstreamError{Status: 429}, true},
	} {
		if got := c.err.Overloaded(); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}
