package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.uber.org/zap"

	"minigroups/workflows"
)

func TestTheStateOfTheNamespaceSaysWhatIsWrong(t *testing.T) {
	lacks := &workflows.NamespaceError{Detail: "schedule minigroups/sweep-classes is missing: run migrate"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "ok"},
		{fmt.Errorf("describe: %w", lacks), lacks.Detail},
		{fmt.Errorf("list: %w", serviceerror.NewPermissionDenied("token of host-7", "")), stateRefused},
		{serviceerror.NewUnavailable("dial tcp 10.0.0.7:7233: connection refused"), stateUnreachable},
		{context.DeadlineExceeded, stateUnreachable},
	} {
		if got := describeNamespace(c.err); got != c.want {
			t.Errorf("%v is described as %q, want %q", c.err, got, c.want)
		}
	}
}

func TestProbesShareOneCheckOfTheNamespace(t *testing.T) {
	checks, answer := 0, error(nil)
	n := &namespaceState{log: zap.NewNop(), check: func(context.Context) error {
		checks++
		return answer
	}}
	want := func(state string, total int) {
		t.Helper()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got := n.describe(t.Context()); got != state {
					t.Errorf("got %q, want %q", got, state)
				}
			})
		}
		wg.Wait()
		if checks != total {
			t.Errorf("%d checks, want %d", checks, total)
		}
	}
	want("ok", 1)
	answer = errors.New("connection refused")
	want("ok", 1)
	n.checked = n.checked.Add(-namespaceCheckedFor)
	want(stateUnreachable, 2)
}

func TestACheckOfTheNamespaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &namespaceState{log: zap.NewNop(), check: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		began := time.Now()
		if got := n.describe(t.Context()); got != stateUnreachable || time.Since(began) != stateTimeout {
			t.Errorf("got %q after %s", got, time.Since(began))
		}
	})
}
