package auth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

// iam is a tenant's service in memory: it answers as answer does, and counts.
type iam struct {
	answer func(ctx context.Context, action string) (bool, error)

	mu                  sync.Mutex
	questions           []string
	asking, mostAtATime int
}

func (i *iam) Allows(ctx context.Context, label, audience string, object []string, action string) (bool, error) {
	i.mu.Lock()
	i.questions = append(i.questions, fmt.Sprintf("%q of %q may %s %q?", label, audience, action, object))
	i.asking++
	i.mostAtATime = max(i.mostAtATime, i.asking)
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asking--
	}()
	return i.answer(ctx, action)
}

func (i *iam) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.questions)
}

const tenantAudience = "tenant.example"

var (
	alice  = auth.Account{Label: "alice", Audience: "example.org"}
	errIAM = errors.New("s3cr3t of the IAM")
)

func asking(t *testing.T, tenant auth.Tenant, change func(*auth.Policy, *auth.Options)) *auth.Authorizer {
	t.Helper()
	policy := auth.Policy{Kind: auth.PolicyHTTP, Trusted: []string{"minigroups.svc.example.org"}, Tenant: tenant, Timeout: 5 * time.Second, Attempts: 1}
	options := auth.Options{Objects: "classrooms", RememberAllowed: 5 * time.Minute, RememberDenied: 10 * time.Second, Concurrency: 4}
	if change != nil {
		change(&policy, &options)
	}
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{tenantAudience: policy}, options)
	must(t, err)
	return authorizer
}

func wants(t *testing.T, err error, kind minigroup.Kind) {
	t.Helper()
	var problem *minigroup.Error
	if kind == "" && err == nil {
		return
	}
	if !errors.As(err, &problem) || problem.Kind != kind {
		t.Errorf("got %v, want %q", err, kind)
	}
}

func sure(allowed bool) func(context.Context, string) (bool, error) {
	return func(context.Context, string) (bool, error) { return allowed, nil }
}

func TestATenantIsAsked(t *testing.T) {
	service := &iam{answer: func(_ context.Context, action string) (bool, error) { return action == "read", nil }}
	authorizer := asking(t, service, nil)
	wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read", "some-id"), "")
	wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "create"), minigroup.AccessDenied)
	want := []string{`"alice" of "example.org" may read ["classrooms" "some-id"]?`, `"alice" of "example.org" may create ["classrooms"]?`}
	if fmt.Sprint(service.questions) != fmt.Sprint(want) {
		t.Errorf("asked %s", service.questions)
	}
	t.Run("but not about whom we trust", func(t *testing.T) {
		trusted := auth.Account{Label: "minigroups", Audience: "svc.example.org"}
		wants(t, authorizer.Authorize(t.Context(), trusted, tenantAudience, "create"), "")
		if service.asked() != 2 {
			t.Errorf("asked %s", service.questions)
		}
	})
}

func TestAnswersAreRemembered(t *testing.T) {
	for name, c := range map[string]struct {
		allowed  bool
		kind     minigroup.Kind
		lifetime time.Duration
	}{
		"a yes for 5 minutes": {true, "", 5 * time.Minute},
		"a no for 10 seconds": {false, minigroup.AccessDenied, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := &iam{answer: sure(c.allowed)}
				authorizer := asking(t, service, nil)
				for _, step := range []struct {
					after time.Duration
					asked int
				}{{0, 1}, {c.lifetime - 1, 1}, {1, 2}, {1, 2}} {
					time.Sleep(step.after) // of the bubble's clock
					wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), c.kind)
					if service.asked() != step.asked {
						t.Errorf("asked %d times, want %d", service.asked(), step.asked)
					}
				}
			})
		})
	}
	t.Run("no error is", func(t *testing.T) {
		answers := []error{errIAM, nil}
		service := &iam{}
		service.answer = func(context.Context, string) (bool, error) { return true, answers[service.asked()-1] }
		authorizer := asking(t, service, nil)
		wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), minigroup.AuthorizationFailed)
		wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
	})
	t.Run("nothing is, where nothing shall be", func(t *testing.T) {
		service := &iam{answer: sure(true)}
		authorizer := asking(t, service, func(_ *auth.Policy, o *auth.Options) { o.RememberAllowed = 0 })
		for range 3 {
			wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
		}
		if service.asked() != 3 {
			t.Errorf("asked %d times", service.asked())
		}
	})
	t.Run("no question is taken for another", func(t *testing.T) {
		service := &iam{answer: sure(true)}
		authorizer := asking(t, service, nil)
		for _, q := range []struct {
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
			before := service.asked()
			wants(t, authorizer.Authorize(t.Context(), q.account, tenantAudience, q.action, q.id...), "")
			if service.asked() != before+1 {
				t.Errorf("%v was not asked", q)
			}
		}
	})
}

func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		service := &iam{answer: func(ctx context.Context, _ string) (bool, error) {
			select {
			case <-release:
				return true, nil
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}}
		authorizer := asking(t, service, nil)
		first, hangUp := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- authorizer.Authorize(first, alice, tenantAudience, "read") }()
		synctest.Wait()
		others := make(chan error, 20)
		for range cap(others) {
			go func() { others <- authorizer.Authorize(t.Context(), alice, tenantAudience, "read") }()
		}
		synctest.Wait()
		hangUp()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who has hung up is told %v", err)
		}
		close(release)
		for range cap(others) {
			wants(t, <-others, "")
		}
		if service.asked() != 1 {
			t.Errorf("asked %d times", service.asked())
		}
	})
}

func TestATenantThatDoesNotAnswer(t *testing.T) {
	hang := func(ctx context.Context, _ string) (bool, error) { <-ctx.Done(); return false, ctx.Err() }
	t.Run("is left after the timeout, for every attempt, and told about once for each", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			service, failures := &iam{answer: hang}, 0
			authorizer := asking(t, service, func(p *auth.Policy, o *auth.Options) {
				p.Attempts = 3
				o.Failed = func(context.Context, string, error) { failures++ }
			})
			began := time.Now()
			wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), minigroup.AuthorizationFailed)
			if took := time.Since(began); took != 15*time.Second || service.asked() != 3 || failures != 3 {
				t.Errorf("took %s, asked %d times, told of %d failures", took, service.asked(), failures)
			}
		})
	})
	t.Run("is asked again as often as configured until it does", func(t *testing.T) {
		service := &iam{}
		service.answer = func(context.Context, string) (bool, error) {
			if service.asked() < 3 {
				return false, errIAM
			}
			return true, nil
		}
		authorizer := asking(t, service, func(p *auth.Policy, _ *auth.Options) { p.Attempts = 3 })
		wants(t, authorizer.Authorize(t.Context(), alice, tenantAudience, "read"), "")
	})
	t.Run("is asked no more at a time than configured, and nobody waits longer for a turn than for an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			service := &iam{answer: hang}
			authorizer := asking(t, service, nil)
			began := time.Now()
			results := make(chan error, 20)
			for i := range cap(results) {
				go func() { results <- authorizer.Authorize(t.Context(), alice, tenantAudience, "read", fmt.Sprint(i)) }()
			}
			for range cap(results) {
				wants(t, <-results, minigroup.AuthorizationFailed)
			}
			if took := time.Since(began); took != 5*time.Second || service.mostAtATime != 4 {
				t.Errorf("took %s, asked %d at a time", took, service.mostAtATime)
			}
		})
	})
	t.Run("keeps its words to itself", func(t *testing.T) {
		authorizer := asking(t, &iam{answer: func(context.Context, string) (bool, error) { return false, errIAM }}, nil)
		err := authorizer.Authorize(t.Context(), alice, tenantAudience, "read")
		wants(t, err, minigroup.AuthorizationFailed)
		if errors.Is(err, errIAM) || err.Error() != "authorization_failed: the authorization service of audience tenant.example gave no answer" {
			t.Errorf("got %v", err)
		}
	})
}
