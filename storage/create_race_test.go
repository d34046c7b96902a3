package storage_test

import (
	"fmt"
	"sync"
	"testing"

	"minigroups/minigroup"
)

// The API accepts a create that it does not wait for while the worker begins it.
func TestACreateIsAcceptedWhileItBegins(t *testing.T) {
	l := newLedger(t)
	for i := range 100 {
		d := draft(0)
		d.Scope = fmt.Sprint("class ", i)
		start := make(chan struct{})
		errs := make([]error, 8)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() {
				<-start
				if n%2 == 0 {
					errs[n] = l.AcceptCreate(t.Context(), minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d))
				} else {
					_, errs[n] = l.BeginCreate(t.Context(), entry("run-1", d))
				}
			})
		}
		close(start)
		all.Wait()
		for _, err := range errs {
			l.must(err)
		}
	}
}
