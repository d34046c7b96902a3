package workflows

import (
	"errors"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"minigroups/minigroup"
	"minigroups/stored"
)

// TestWhatSupportSeesOfAnError checks the text of the error of a step, and the service that has caused it.
func TestWhatSupportSeesOfAnError(t *testing.T) {
	of := func(f stored.Failure) error {
		return temporal.NewApplicationErrorWithOptions("it\n  failed:\thost", "x",
			temporal.ApplicationErrorOptions{Details: []any{f}})
	}
	for name, c := range map[string]struct {
		err           error
		text, service string
	}{
		"a service": {
			err: of(stored.Failure{Upstream: "conference", Detail: "away"}), text: "it failed: host", service: "conference",
		},
		"the database": {err: of(stored.Failure{Detail: "away"}), text: "it failed: host", service: "database"},
		"a worker that died": {
			err:  temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil),
			text: "the worker did not finish within 30s; it may have died", service: "worker",
		},
		"something else": {err: errors.New("panic"), text: "a step failed", service: "worker"},
	} {
		t.Run(name, func(t *testing.T) {
			if text, service := errorText(c.err), serviceOf(c.err); text != c.text || service != c.service {
				t.Errorf("got %q because of %s", text, service)
			}
		})
	}
}

func TestTheLogHasTheCauseThatCallersDoNotReceive(t *testing.T) {
	err := unavailable("the database", errors.New("dial 192.0.2.1: refused"))
	var public *minigroup.Error
	if !errors.As(err, &public) || err.Error() != public.Error()+": dial 192.0.2.1: refused" {
		t.Errorf("got %q", err)
	}
}
