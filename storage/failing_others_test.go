package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// imported returns a call that imports a class, of which an earlier version was imported.
func imported(dry bool) func(ledger) func(context.Context) error {
	return func(l ledger) func(context.Context) error {
		c, o := foreign(uuid.NewString(), 1), olga
		l.imports(o, c)
		c.Host, c.Reserve, o.DryRun = "a.b.c", new(int32(2)), dry
		return func(ctx context.Context) error {
			_, err := l.ImportClasses(ctx, []minigroup.ImportedClass{c}, o)
			return err
		}
	}
}

// closedDuringUpdate creates a class whose room was closed while an update of it was undecided, which has failed.
func (l ledger) closedDuringUpdate() {
	l.Helper()
	d := unique()
	d.Time = running()
	m := l.ready("run-1", d)
	id := l.update(m, minigroup.UpdatePlan{Time: m.Time, Host: "a.b.c"})
	l.record(closing(m, false))
	l.exec(`UPDATE minigroup_update SET state = 'failed', failure = '{}', decided_at = now() WHERE id = $1`, id)
}

func TestAStatementOfAnImportThatFails(t *testing.T) {
	failEach(t, []call{
		{name: "class", prepare: imported(false)},
		{name: "dry run", prepare: imported(true)},
		{name: "account", prepare: func(l ledger) func(context.Context) error {
			a := minigroup.Account{Audience: "example.org", Label: uuid.NewString()}
			return func(ctx context.Context) error {
				_, err := l.ImportAccount(ctx, a, []byte(`{"k": 1}`), false)
				return err
			}
		}},
		{name: "sources", prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error {
				if _, err := l.ImportedSources(ctx, []uuid.UUID{uuid.New()}); err != nil {
					return err
				}
				_, err := l.ImportedUntouched(ctx, []uuid.UUID{uuid.New()})
				return err
			}
		}},
		{name: "export", prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error {
				_, _, err := l.ExportClasses(ctx, "", uuid.Nil)
				return err
			}
		}},
		{name: "record export", prepare: func(l ledger) func(context.Context) error {
			m := l.ready("run-1", unique())
			return func(ctx context.Context) error { return l.RecordExport(ctx, m, "s", olga.By) }
		}},
		{name: "accounts", prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error {
				_, _, err := l.Accounts(ctx, "", minigroup.Account{}, 10)
				return err
			}
		}},
	})
}

func TestAStatementOfAnEndThatFails(t *testing.T) {
	failEach(t, []call{
		{name: "room events", prepare: func(l ledger) func(context.Context) error {
			d := unique()
			d.Time = running()
			m := l.ready("run-1", d)
			events := closing(m, true)
			events.Created = []minigroup.AnnouncedRoom{announced(d)}
			return func(ctx context.Context) error {
				_, err := l.RecordRoomEvents(ctx, events)
				return err
			}
		}, steps: true},
		{name: "end closed", prepare: func(l ledger) func(context.Context) error {
			l.closedDuringUpdate()
			return func(ctx context.Context) error {
				_, err := l.EndClosed(ctx, 10)
				return err
			}
		}, steps: true},
		{name: "end overdue", prepare: func(l ledger) func(context.Context) error {
			d := unique()
			d.Time = running()
			l.ready("run-1", d)
			return func(ctx context.Context) error {
				_, err := l.EndOverdue(ctx, -2*time.Hour, 10)
				return err
			}
		}, steps: true},
		{name: "mark announced", prepare: func(l ledger) func(context.Context) error {
			l.announce(announced(l.abandoned()))
			return func(ctx context.Context) error {
				_, err := l.MarkAnnouncedForClosing(ctx)
				return err
			}
		}, steps: true},
		{name: "purge", prepare: func(l ledger) func(context.Context) error {
			l.undone(unique())
			return func(ctx context.Context) error {
				_, err := l.Purge(ctx, -time.Hour, 10)
				return err
			}
		}, steps: true},
		{name: "idempotency key", prepare: func(l ledger) func(context.Context) error {
			k := requestKey(uuid.NewString(), "b")
			return func(ctx context.Context) error {
				_, err := l.ClaimKey(ctx, k, time.Hour)
				return err
			}
		}},
		{name: "record answer", prepare: func(l ledger) func(context.Context) error {
			k := requestKey(uuid.NewString(), "b")
			l.claim(k)
			return func(ctx context.Context) error {
				_, err := l.RecordAnswer(ctx, k, minigroup.Answer{Status: 200, Body: []byte("{}")})
				return err
			}
		}},
		{name: "property", prepare: func(l ledger) func(context.Context) error {
			m := l.ready("run-1", unique())
			return func(ctx context.Context) error {
				_, err := l.SetProperty(ctx, m.ID, "k", []byte(`1`))
				return err
			}
		}},
		{name: "account property", prepare: func(l ledger) func(context.Context) error {
			a := minigroup.Account{Audience: "example.org", Label: uuid.NewString()}
			return func(ctx context.Context) error {
				_, err := l.SetAccountProperty(ctx, a, "k", []byte(`1`))
				return err
			}
		}},
		{name: "drain", prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error { return l.Drain(ctx, "janus-2", true) }
		}},
		{name: "lease", prepare: func(l ledger) func(context.Context) error {
			id := uuid.New()
			return func(ctx context.Context) error {
				_, err := l.RenewLease(ctx, id, time.Minute)
				return err
			}
		}, steps: true},
	})
}

func TestAReadThatFails(t *testing.T) {
	reads := map[string]func(context.Context, ledger) error{
		"a minigroup": func(ctx context.Context, l ledger) error {
			_, err := l.Read(ctx, minigroup.ByID(uuid.New()))
			if isKind(err, minigroup.ClassNotFound) {
				err = nil
			}
			return err
		},
		"account properties": func(ctx context.Context, l ledger) error {
			_, err := l.AccountProperties(ctx, minigroup.Account{Audience: "example.org", Label: "me"})
			return err
		},
		"a page": func(ctx context.Context, l ledger) error {
			f := listFilter{Audience: "example.org", ScopePrefix: "a", ChangedSince: time.Now()}
			_, err := l.ListMinigroups(ctx, f, nil, 10)
			return err
		},
		"counts": func(ctx context.Context, l ledger) error {
			_, err := l.CountMinigroups(ctx, "example.org")
			return err
		},
		"known rooms": func(ctx context.Context, l ledger) error {
			_, err := l.KnownRooms(ctx, []uuid.UUID{uuid.New()})
			return err
		},
		"gauges": func(ctx context.Context, l ledger) error {
			_, err := l.Gauges(ctx)
			return err
		},
		"unfinished sagas": func(ctx context.Context, l ledger) error {
			_, err := l.UnfinishedSagas(ctx)
			return err
		},
		"failed minigroups": func(ctx context.Context, l ledger) error {
			if _, err := l.CountFailed(ctx, minigroup.FailedFilter{}); err != nil {
				return err
			}
			_, err := l.FailedMinigroups(ctx, minigroup.FailedFilter{}, nil, 10)
			return err
		},
		"outbox": func(ctx context.Context, l ledger) error {
			_, err := l.ClaimOutbox(ctx, 10, time.Minute)
			return err
		},
		"programs": func(ctx context.Context, l ledger) error {
			if _, err := l.Warnings(ctx); err != nil {
				return err
			}
			_, err := l.ConnectedPrograms(ctx)
			return err
		},
		"schema": func(ctx context.Context, l ledger) error { return l.Ready(ctx) },
		"time": func(ctx context.Context, l ledger) error {
			_, err := l.Now(ctx)
			return err
		},
	}
	var calls []call
	for name, read := range reads {
		calls = append(calls, call{name: name, prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error { return read(ctx, l) }
		}})
	}
	failEach(t, calls)
}
