package storage_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// begunByRun1 is a draft whose create run-1 has begun, with its event room, and a request with another host.
func (l ledger) begunByRun1() (d minigroup.Draft, b minigroup.BegunCreate, other minigroup.Draft) {
	l.Helper()
	d = unique()
	b = l.begin(entry("run-1", d))
	l.answer(b.EventAttempt, uuid.New())
	other = d
	other.Host = "another.example.org"
	return d, b, other
}

// established returns a call that establishes a minigroup whose rooms and slots are held.
func established(closed bool) func(ledger) func(context.Context) error {
	return func(l ledger) func(context.Context) error {
		d, b, _ := l.begunByRun1()
		l.locked(l.roomOf(b.EventAttempt))
		room := uuid.New()
		l.answer(b.ConferenceAttempt, room)
		l.held(b.Reservation)
		if closed {
			l.record(closingOf(d, room))
		}
		return func(ctx context.Context) error {
			_, err := l.Establish(ctx, "run-1", classID(d), true)
			return err
		}
	}
}

func foundRoom(keep bool) func(ledger) func(context.Context) error {
	return func(l ledger) func(context.Context) error {
		d, _, _ := l.begunByRun1()
		room := minigroup.FoundRoom{
			ID: uuid.New(), ClassID: classID(d), Kind: minigroup.ConferenceRoom, Operation: minigroup.ForCreate,
			Run: "run-1", Fingerprint: fingerprint(d), Keep: keep,
		}
		return func(ctx context.Context) error {
			_, err := l.RecordFoundRoom(ctx, room)
			return err
		}
	}
}

func TestAStatementOfACreateThatFails(t *testing.T) {
	run2 := minigroup.Claim{Run: "run-2", Replaces: "run-1"}
	failEach(t, []call{
		{name: "accept", prepare: func(l ledger) func(context.Context) error {
			r := minigroup.NewCreateRequest(unique())
			return func(ctx context.Context) error { return l.AcceptCreate(ctx, minigroup.Claim{Run: "run-1"}, r) }
		}},
		{name: "accept in place of another", prepare: func(l ledger) func(context.Context) error {
			_, _, other := l.begunByRun1()
			return func(ctx context.Context) error {
				return l.AcceptCreate(ctx, run2, minigroup.NewCreateRequest(other))
			}
		}},
		{name: "begin", prepare: func(l ledger) func(context.Context) error {
			e := entry("run-1", unique())
			return func(ctx context.Context) error {
				_, err := l.BeginCreate(ctx, e)
				return err
			}
		}},
		{name: "begin again", prepare: func(l ledger) func(context.Context) error {
			d, _, _ := l.begunByRun1()
			return func(ctx context.Context) error {
				_, err := l.BeginCreate(ctx, entry("run-1", d))
				return err
			}
		}},
		{name: "begin in place of another", prepare: func(l ledger) func(context.Context) error {
			_, _, other := l.begunByRun1()
			return func(ctx context.Context) error {
				_, err := l.BeginCreate(ctx, replacing("run-1", "run-2", other))
				return err
			}
		}},
		{name: "establish", prepare: established(false)},
		{name: "establish with a closed room", prepare: established(true), steps: true},
		{name: "open attempt", prepare: func(l ledger) func(context.Context) error {
			d := l.abandoned()
			return func(ctx context.Context) error {
				_, err := l.OpenAttempt(ctx, attemptAt(minigroup.EventRoom, "run-1", d))
				return err
			}
		}},
		{name: "answer attempt", prepare: func(l ledger) func(context.Context) error {
			_, b, _ := l.begunByRun1()
			return func(ctx context.Context) error {
				_, _, err := l.AnswerAttempt(ctx, b.ConferenceAttempt, uuid.New(), minigroup.RunningCreate{})
				return err
			}
		}},
		{name: "answer attempt with the room of another", prepare: func(l ledger) func(context.Context) error {
			_, b, _ := l.begunByRun1()
			room := l.roomOf(b.EventAttempt)
			return func(ctx context.Context) error {
				_, _, err := l.AnswerAttempt(ctx, b.ConferenceAttempt, room, minigroup.RunningCreate{})
				return err
			}
		}, steps: true},
		{name: "lock room", prepare: func(l ledger) func(context.Context) error {
			_, b, _ := l.begunByRun1()
			room := l.roomOf(b.EventAttempt)
			return func(ctx context.Context) error {
				_, err := l.RoomLocked(ctx, room, minigroup.RunningCreate{})
				return err
			}
		}},
		{name: "age of a room", prepare: func(l ledger) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := l.RoomKnownSince(ctx, uuid.New())
				return err
			}
		}},
		{name: "keep a found room", prepare: foundRoom(true), steps: true},
		{name: "close a found room", prepare: foundRoom(false), steps: true},
		{name: "move reservation", prepare: func(l ledger) func(context.Context) error {
			e := entry("run-1", unique())
			l.begin(e)
			to := uuid.New()
			return func(ctx context.Context) error {
				return l.MoveReservation(ctx, "run-1", e.CreateRequest, e.Reservation, to, "")
			}
		}},
		{name: "hold reservation", prepare: func(l ledger) func(context.Context) error {
			_, b, _ := l.begunByRun1()
			return func(ctx context.Context) error {
				_, _, err := l.ReservationHeld(ctx, b.Reservation, minigroup.RunningCreate{})
				return err
			}
		}},
		{name: "read reservation", prepare: func(l ledger) func(context.Context) error {
			d, b, _ := l.begunByRun1()
			return func(ctx context.Context) error {
				if _, err := l.Reservation(ctx, b.Reservation); err != nil {
					return err
				}
				_, err := l.ReservationOf(ctx, classID(d), fingerprint(d))
				return err
			}
		}},
	})
}

func TestAStatementOfAnUndoThatFails(t *testing.T) {
	reason := minigroup.Failure{Kind: minigroup.OperationCancelled}
	undo := func(l ledger, c minigroup.Claim, d minigroup.Draft) func(context.Context) error {
		request := minigroup.NewCreateRequest(d)
		return func(ctx context.Context) error {
			_, err := l.BeginUndo(ctx, c, request.ID, &request, reason)
			return err
		}
	}
	failEach(t, []call{
		{name: "begin", prepare: func(l ledger) func(context.Context) error {
			d, _, _ := l.begunByRun1()
			return undo(l, minigroup.Claim{Run: "run-1"}, d)
		}},
		{name: "begin without a row", prepare: func(l ledger) func(context.Context) error {
			return undo(l, minigroup.Claim{Run: "run-1"}, unique())
		}},
		{name: "begin in place of another", prepare: func(l ledger) func(context.Context) error {
			_, _, other := l.begunByRun1()
			return undo(l, minigroup.Claim{Run: "run-2", Replaces: "run-1"}, other)
		}},
		{name: "begin without a request", prepare: func(l ledger) func(context.Context) error {
			d, _, _ := l.begunByRun1()
			return func(ctx context.Context) error {
				_, err := l.BeginUndo(ctx, minigroup.Claim{Run: "run-1"}, classID(d), nil, reason)
				return err
			}
		}},
		{name: "end", prepare: func(l ledger) func(context.Context) error {
			d := unique()
			l.begin(entry("run-1", d))
			l.beginUndo(minigroup.Claim{Run: "run-1"}, d, reason)
			return func(ctx context.Context) error {
				_, _, err := l.EndUndo(ctx, "run-1", classID(d))
				return err
			}
		}},
		{name: "release room", prepare: func(l ledger) func(context.Context) error {
			d, b, _ := l.begunByRun1()
			l.beginUndo(minigroup.Claim{Run: "run-1"}, d, reason)
			room := l.roomOf(b.EventAttempt)
			return func(ctx context.Context) error {
				if _, _, err := l.RoomPendingClose(ctx, room); err != nil {
					return err
				}
				return l.RoomReleased(ctx, room)
			}
		}},
		{name: "erase personal data", prepare: func(l ledger) func(context.Context) error {
			d := unique()
			l.undone(d)
			return func(ctx context.Context) error { return l.ErasePersonalData(ctx, classID(d), operator) }
		}},
		{name: "release by an operator", prepare: func(l ledger) func(context.Context) error {
			d, b, _ := l.begunByRun1()
			l.beginUndo(minigroup.Claim{Run: "run-1"}, d, reason)
			return func(ctx context.Context) error {
				p, ok, err := l.PendingRelease(ctx, b.Reservation)
				if err != nil || !ok {
					return err
				}
				return l.ForceRelease(ctx, p, operator)
			}
		}},
	})
}
