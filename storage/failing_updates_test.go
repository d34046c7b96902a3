package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// beginning returns an update by run-2, which has taken the row for it.
func (l ledger) beginning() minigroup.UpdateEntry {
	l.Helper()
	m := l.ready("run-1", unique())
	host := "a.b.c"
	u := minigroup.UpdateEntry{
		Claim: minigroup.Claim{Run: "run-2"}, ID: uuid.New(), ClassID: m.ID,
		Change: minigroup.Change{Host: &host}, Reservation: uuid.New(), Plan: minigroup.UpdatePlan{
			Revision: m.Revision, Time: m.Time, Reserve: new(int32(2)), Host: host,
			Patch: minigroup.ConferencePatch{Host: &host},
		}, Gateways: true,
	}
	_, err := l.TakeForUpdate(l.Context(), minigroup.Claim{Run: "run-2", Replaces: "run-1"}, m.ID, u.ID)
	l.must(err)
	return u
}

// begun returns an update by run-2 that has begun.
func (l ledger) begun() minigroup.UpdateEntry {
	l.Helper()
	u := l.beginning()
	l.must(l.BeginUpdate(l.Context(), u))
	return u
}

// patching returns an update by run-2 whose PATCH was sent until now.
func (l ledger) patching() minigroup.UpdateEntry {
	l.Helper()
	u := l.begun()
	if _, sent, err := l.SendPatch(l.Context(), "run-2", u.ID, 0); err != nil || !sent {
		l.Fatalf("sent: %t, %v", sent, err)
	}
	return u
}

func TestAStatementOfAnUpdateThatFails(t *testing.T) {
	change, reason := minigroup.Change{Host: new("a.b.c")}, minigroup.Failure{Kind: minigroup.OperationCancelled}
	run2 := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
	failEach(t, []call{
		{name: "accept", prepare: func(l ledger) func(context.Context) error {
			m, id := l.ready("run-1", unique()), uuid.New()
			return func(ctx context.Context) error { return l.AcceptUpdate(ctx, run2, m.ID, id, change) }
		}},
		{name: "take", prepare: func(l ledger) func(context.Context) error {
			m, id := l.ready("run-1", unique()), uuid.New()
			return func(ctx context.Context) error {
				_, err := l.TakeForUpdate(ctx, run2, m.ID, id)
				return err
			}
		}},
		{name: "begin", prepare: func(l ledger) func(context.Context) error {
			u := l.beginning()
			return func(ctx context.Context) error { return l.BeginUpdate(ctx, u) }
		}},
		{name: "send patch", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			return func(ctx context.Context) error {
				_, _, err := l.SendPatch(ctx, "run-2", u.ID, time.Minute)
				return err
			}
		}},
		{name: "send patch again", prepare: func(l ledger) func(context.Context) error {
			u := l.patching()
			return func(ctx context.Context) error {
				_, _, err := l.SendPatch(ctx, "run-2", u.ID, time.Minute)
				return err
			}
		}},
		{name: "patch unanswered", prepare: func(l ledger) func(context.Context) error {
			u := l.patching()
			return func(ctx context.Context) error { return l.PatchUnanswered(ctx, "run-2", u.ID, time.Minute) }
		}},
		{name: "adopt start", prepare: func(l ledger) func(context.Context) error {
			u := l.patching()
			return func(ctx context.Context) error { return l.AdoptStart(ctx, "run-2", u.ID, *u.Plan.Time.Start+1) }
		}},
		{name: "commit", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			return func(ctx context.Context) error {
				_, err := l.CommitUpdate(ctx, "run-2", u.ID)
				return err
			}
		}},
		{name: "commit again", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			l.commit("run-2", u.ID)
			return func(ctx context.Context) error {
				_, err := l.CommitUpdate(ctx, "run-2", u.ID)
				return err
			}
		}},
		{name: "host in conference", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			return func(ctx context.Context) error {
				_, err := l.PatchedHost(ctx, u.ClassID)
				return err
			}
		}},
		{name: "fail", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			return func(ctx context.Context) error {
				_, err := l.FailUpdate(ctx, run2, u.ClassID, u.ID, change, reason, minigroup.FailUndecided)
				return err
			}
		}},
		{name: "fail what has not begun", prepare: func(l ledger) func(context.Context) error {
			m, id := l.ready("run-1", unique()), uuid.New()
			return func(ctx context.Context) error {
				_, err := l.FailUpdate(ctx, run2, m.ID, id, change, reason, minigroup.FailUndecided)
				return err
			}
		}},
		{name: "force to fail", prepare: func(l ledger) func(context.Context) error {
			u := l.begun()
			return func(ctx context.Context) error {
				_, err := l.ForceFailUpdate(ctx, u.ClassID, operator, reason)
				return err
			}
		}},
		{name: "begin recreate", prepare: func(l ledger) func(context.Context) error {
			r := l.recreateEntry(l.ready("run-1", unique()), minigroup.Recreation{})
			return func(ctx context.Context) error {
				_, _, err := l.BeginRecreate(ctx, r)
				return err
			}
		}},
		{name: "swap", prepare: func(l ledger) func(context.Context) error {
			r := l.recreateOf(l.ready("run-1", unique()), minigroup.Recreation{})
			r.answered()
			return func(ctx context.Context) error { return l.SwapRooms(ctx, "run-2", r.entry.ID) }
		}},
		{name: "look up", prepare: func(l ledger) func(context.Context) error {
			m, _ := l.patched(uuid.NewString())
			return func(ctx context.Context) error {
				due, err := l.DueLookups(ctx, time.Hour, 10)
				if err == nil && !hasPatch(due, m.ID) {
					l.Errorf("due are %+v", due)
				}
				return err
			}
		}, steps: true},
	})
}
