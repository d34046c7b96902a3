package auth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

// fakeService is a tenant service in memory that records the requests it receives and answers by its function decide.
type fakeService struct {
	decide func(ctx context.Context, action string) (bool, error)

	mu                    sync.Mutex
	requests              []string
	inFlight, maxInFlight int
}

func (s *fakeService) Allows(
	ctx context.Context, label, audience string, object []string, action string,
) (bool, error) {
	s.mu.Lock()
	s.requests = append(s.requests, fmt.Sprintf("%q of %q: %s %q", label, audience, action, object))
	s.inFlight++
	s.maxInFlight = max(s.maxInFlight, s.inFlight)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.inFlight--
	}()
	return s.decide(ctx, action)
}

func (s *fakeService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

const tenantAudience = "tenant.example"

var (
	alice      = auth.Account{Label: "alice", Audience: "example.org"}
	errService = errors.New("s3cr3t of the tenant service")
)

// newAuthorizer returns an authorizer whose only policy asks service, adjusted by change unless that is nil.
func newAuthorizer(
	t *testing.T, service auth.TenantService, change func(*auth.Policy, *auth.Options),
) *auth.Authorizer {
	t.Helper()
	policy := auth.Policy{
		Kind: auth.PolicyHTTP, Trusted: []string{"minigroups.svc.example.org"},
		Service: service, Timeout: 5 * time.Second, Attempts: 1,
	}
	options := auth.Options{
		Objects: "classrooms", CacheAllowed: 5 * time.Minute, CacheDenied: 10 * time.Second, Concurrency: 4,
	}
	if change != nil {
		change(&policy, &options)
	}
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{tenantAudience: policy}, options)
	must(t, err)
	return authorizer
}

// wantKind demands an error of this kind; an empty kind demands none.
func wantKind(t *testing.T, err error, kind minigroup.Kind) {
	t.Helper()
	var problem *minigroup.Error
	if kind == "" && err == nil {
		return
	}
	if !errors.As(err, &problem) || problem.Kind != kind {
		t.Errorf("got %v, want %q", err, kind)
	}
}

func always(allowed bool) func(context.Context, string) (bool, error) {
	return func(context.Context, string) (bool, error) { return allowed, nil }
}

func TestTheTenantServiceDecides(t *testing.T) {
	service := &fakeService{decide: func(_ context.Context, action string) (bool, error) { return action == "read", nil }}
	authorizer := newAuthorizer(t, service, nil)
	wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read", "some-id"), "")
	wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "create"), minigroup.AccessDenied)
	want := []string{
		`"alice" of "example.org": read ["classrooms" "some-id"]`,
		`"alice" of "example.org": create ["classrooms"]`,
	}
	if !slices.Equal(service.requests, want) {
		t.Errorf("got requests %s", service.requests)
	}
	t.Run("trusted accounts are allowed without a request", func(t *testing.T) {
		trusted := auth.Account{Label: "minigroups", Audience: "svc.example.org"}
		wantKind(t, authorizer.Authorize(t.Context(), trusted, tenantAudience, "create"), "")
		if service.count() != 2 {
			t.Errorf("got requests %s", service.requests)
		}
	})
}

func TestDecisionsAreCached(t *testing.T) {
	for name, c := range map[string]struct {
		allowed  bool
		kind     minigroup.Kind
		lifetime time.Duration
	}{
		"allowed for 5 minutes": {true, "", 5 * time.Minute},
		"denied for 10 seconds": {false, minigroup.AccessDenied, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &fakeService{decide: always(c.allowed)}
				authorizer := newAuthorizer(t, service, nil)
				for _, step := range []struct {
					after    time.Duration
					requests int
				}{{0, 1}, {c.lifetime - 1, 1}, {1, 2}, {1, 2}} {
					time.Sleep(step.after)
					wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), c.kind)
					if service.count() != step.requests {
						t.Errorf("%d requests, want %d", service.count(), step.requests)
					}
				}
			})
		})
	}
	t.Run("errors are not cached", func(t *testing.T) {
		errs := []error{errService, nil}
		service := &fakeService{}
		service.decide = func(context.Context, string) (bool, error) { return true, errs[service.count()-1] }
		authorizer := newAuthorizer(t, service, nil)
		wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), minigroup.AuthorizationFailed)
		wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
	})
	t.Run("a lifetime of 0 disables the cache", func(t *testing.T) {
		service := &fakeService{decide: always(true)}
		authorizer := newAuthorizer(t, service, func(_ *auth.Policy, o *auth.Options) { o.CacheAllowed = 0 })
		for range 3 {
			wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
		}
		if service.count() != 3 {
			t.Errorf("%d requests", service.count())
		}
	})
	t.Run("different requests do not share a cache entry", func(t *testing.T) {
		service := &fakeService{decide: always(true)}
		authorizer := newAuthorizer(t, service, nil)
		for _, r := range []struct {
			account auth.Account
			action  string
			id      []string
		}{
			{auth.Account{Label: "a", Audience: "b.c"}, "read", nil},
			{auth.Account{Label: "a.b", Audience: "c"}, "read", nil},
			{auth.Account{Label: "a b", Audience: "c"}, "read", nil},
			{auth.Account{Label: "a", Audience: "b c"}, "read", nil},
			{auth.Account{Label: `a" "b`, Audience: "c"}, "read", nil},
			{auth.Account{Label: "a", Audience: `b" "c`}, "read", nil},
			{auth.Account{Label: "a", Audience: "b.c"}, "update", nil},
			{auth.Account{Label: "a", Audience: "b.c"}, "read", []string{"x"}},
			{auth.Account{Label: "a", Audience: "b.c"}, "read", []string{`x" "y`}},
			{auth.Account{Label: "a", Audience: "b.c"}, "read", []string{"x", "y"}},
		} {
			before := service.count()
			wantKind(t, authorizer.Authorize(t.Context(), r.account, tenantAudience, r.action, r.id...), "")
			if service.count() != before+1 {
				t.Errorf("%v was answered from the cache", r)
			}
		}
	})
}

func TestConcurrentEqualRequestsAreDeduplicated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		service := &fakeService{decide: func(ctx context.Context, _ string) (bool, error) {
			select {
			case <-release:
				return true, nil
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}}
		authorizer := newAuthorizer(t, service, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- authorizer.Authorize(ctx, alice, tenantAudience, "read") }()
		synctest.Wait()
		others := make(chan error, 20)
		for range cap(others) {
			go func() { others <- authorizer.Authorize(t.Context(), alice, tenantAudience, "read") }()
		}
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled caller got %v", err)
		}
		close(release)
		for range cap(others) {
			wantKind(t, <-others, "")
		}
		if service.count() != 1 {
			t.Errorf("%d requests", service.count())
		}
	})
}

func TestTheTenantServiceFails(t *testing.T) {
	hang := func(ctx context.Context, _ string) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
	t.Run("each attempt ends at the timeout and is reported once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			service, failures := &fakeService{decide: hang}, 0
			authorizer := newAuthorizer(t, service, func(p *auth.Policy, o *auth.Options) {
				p.Attempts = 3
				o.Failed = func(context.Context, string, error) { failures++ }
			})
			began := time.Now()
			wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), minigroup.AuthorizationFailed)
			if took := time.Since(began); took != 15*time.Second || service.count() != 3 || failures != 3 {
				t.Errorf("took %s, %d requests, %d failures reported", took, service.count(), failures)
			}
		})
	})
	t.Run("attempts are repeated until one succeeds", func(t *testing.T) {
		service := &fakeService{}
		service.decide = func(context.Context, string) (bool, error) {
			if service.count() < 3 {
				return false, errService
			}
			return true, nil
		}
		authorizer := newAuthorizer(t, service, func(p *auth.Policy, _ *auth.Options) { p.Attempts = 3 })
		wantKind(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
	})
	t.Run("concurrent requests are bounded, and the timeout includes the wait for the semaphore", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			service := &fakeService{decide: hang}
			authorizer := newAuthorizer(t, service, nil)
			began := time.Now()
			results := make(chan error, 20)
			for i := range cap(results) {
				go func() {
					results <- authorizer.Authorize(t.Context(), alice, tenantAudience, "read", fmt.Sprint(i))
				}()
			}
			for range cap(results) {
				wantKind(t, <-results, minigroup.AuthorizationFailed)
			}
			if took := time.Since(began); took != 5*time.Second || service.maxInFlight != 4 {
				t.Errorf("took %s, %d requests at the same time", took, service.maxInFlight)
			}
		})
	})
	t.Run("the error does not quote the service", func(t *testing.T) {
		authorizer := newAuthorizer(t, &fakeService{
			decide: func(context.Context, string) (bool, error) { return false, errService },
		}, nil)
		err := authorizer.Authorize(t.Context(), alice, tenantAudience, "read")
		wantKind(t, err, minigroup.AuthorizationFailed)
		want := "authorization_failed: the authorization service gave no answer"
		if errors.Is(err, errService) || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}
