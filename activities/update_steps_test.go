package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// updateLedger is the ledger of an update, whose calls return what a test says.
type updateLedger struct {
	stepLedger
	begun     minigroup.BegunUpdate
	decides   bool // the unfinished update is decided when the row is taken
	takeErr   error
	recordErr error
	planned   int
	state     minigroup.UpdateState
	failErr   error
	recs      []minigroup.UpdateRecord
	sent      int
	unknown   int
	unsent    error
}

func (l *updateLedger) ReadForUpdate(
	context.Context, minigroup.Claim, uuid.UUID, uuid.UUID,
) (minigroup.BegunUpdate, error) {
	return l.begun, l.takeErr
}

func (l *updateLedger) TakeForUpdate(
	context.Context, minigroup.Claim, uuid.UUID, uuid.UUID,
) (minigroup.BegunUpdate, error) {
	if l.decides {
		l.begun.Unfinished = uuid.Nil
	}
	return l.begun, l.takeErr
}

func (l *updateLedger) BeginUpdate(context.Context, minigroup.UpdateEntry) error {
	l.planned++
	return nil
}

func (l *updateLedger) RecordRoomEvents(context.Context, minigroup.RoomEvents) (int, error) {
	return 0, l.recordErr
}

func (l *updateLedger) FailUpdate(
	context.Context, minigroup.Claim, uuid.UUID, uuid.UUID, minigroup.Change, minigroup.Failure, minigroup.FailMode,
) (minigroup.UpdateState, error) {
	return l.state, l.failErr
}

func (l *updateLedger) SendPatch(
	context.Context, string, uuid.UUID, time.Duration,
) (minigroup.UpdateRecord, bool, error) {
	rec := l.recs[l.sent]
	l.sent++
	return rec, false, nil
}

func (l *updateLedger) PatchUnanswered(context.Context, string, uuid.UUID, time.Duration) error {
	l.unknown++
	return l.unsent
}

// hosts is conference with a room that has a host or an end, and counts PATCHes.
type hosts struct {
	Conference
	room    minigroup.ConferenceRoomState
	err     error
	patches int
}

func (c *hosts) Room(context.Context, uuid.UUID) (minigroup.ConferenceRoomState, error) {
	return c.room, c.err
}

func (c *hosts) PatchRoom(
	context.Context, uuid.UUID, minigroup.ConferencePatch,
) (minigroup.ConferenceRoomState, error) {
	c.patches++
	return c.room, nil
}

func TestOnlyARequestedUpdateIsPlanned(t *testing.T) {
	away := errors.New("away")
	ready := minigroup.Minigroup{State: minigroup.Ready}
	in := func(state minigroup.UpdateState, unfinished uuid.UUID) minigroup.BegunUpdate {
		return minigroup.BegunUpdate{State: state, Unfinished: unfinished, Minigroup: ready}
	}
	over := minigroup.ConferenceRoomState{Time: minigroup.Window{End: new(int64(1))}}
	for name, c := range map[string]struct {
		ledger  *updateLedger
		room    minigroup.ConferenceRoomState
		planned int
		fails   bool
	}{
		"requested": {ledger: &updateLedger{begun: in(minigroup.UpdateRequested, uuid.Nil)}, planned: 1},
		"running":   {ledger: &updateLedger{begun: in(minigroup.UpdateRunning, uuid.Nil)}},
		"requested after an unfinished one": {
			ledger: &updateLedger{begun: in(minigroup.UpdateRequested, uuid.New())},
		},
		"requested after an unfinished one that was decided meanwhile": {
			ledger: &updateLedger{begun: in(minigroup.UpdateRequested, uuid.New()), decides: true}, planned: 1,
		},
		"not taken": {
			ledger: &updateLedger{begun: in(minigroup.UpdateRequested, uuid.Nil), takeErr: away}, fails: true,
		},
		"closed, which is not recorded": {
			ledger: &updateLedger{begun: in(minigroup.UpdateRequested, uuid.Nil), recordErr: away}, room: over, fails: true,
		},
	} {
		a := &Activities{Ledger: c.ledger, Conference: &hosts{room: c.room}, Runs: &stepRuns{}}
		_, err := execute(a, a.BeginUpdate, UpdateInput{ID: uuid.New(), ClassID: uuid.New()})
		if (err != nil) != c.fails || c.ledger.planned != c.planned {
			t.Errorf("%s: %v, it was planned %d times", name, err, c.ledger.planned)
		}
	}
}

func TestOnlyADecidedUpdateIsNotifiedOf(t *testing.T) {
	for name, c := range map[string]struct {
		ledger  *updateLedger
		decided int
	}{
		"failed":         {ledger: &updateLedger{state: minigroup.UpdateFailed}, decided: 1},
		"still running":  {ledger: &updateLedger{state: minigroup.UpdateRunning}},
		"not written":    {ledger: &updateLedger{state: minigroup.UpdateFailed, failErr: errors.New("away")}},
		"done all along": {ledger: &updateLedger{state: minigroup.UpdateDone}, decided: 1},
	} {
		r := &stepRuns{}
		a := &Activities{Ledger: c.ledger, Runs: r}
		_, err := execute(a, a.FailUpdate, FailUpdateInput{UpdateInput: UpdateInput{ID: uuid.New()}})
		if (err == nil) != (c.ledger.failErr == nil) || r.decided != c.decided {
			t.Errorf("%s: %v, notified %d times", name, err, r.decided)
		}
	}
}

func TestTheHostIsCopiedIfThereIsOne(t *testing.T) {
	for name, c := range map[string]struct {
		conference *hosts
		patches    int
		fails      bool
	}{
		"a host":  {conference: &hosts{room: minigroup.ConferenceRoomState{Host: "a.b.c"}}, patches: 1},
		"no host": {conference: &hosts{}},
		"no room": {conference: &hosts{err: &minigroup.UpstreamError{Upstream: "conference", Type: roomNotFound}}},
		"away": {
			conference: &hosts{err: errors.New("away"), room: minigroup.ConferenceRoomState{Host: "a.b.c"}}, fails: true,
		},
	} {
		a := &Activities{Ledger: stepLedger{}, Conference: c.conference}
		_, err := execute(a, a.CopyHost, CopyHostInput{ClassID: uuid.New(), Room: uuid.New()})
		if (err != nil) != c.fails || c.conference.patches != c.patches {
			t.Errorf("%s: %v, %d PATCHes", name, err, c.conference.patches)
		}
	}
}

// TestAPatchThatWasNotAnsweredIsLookedFor lets the ledger say that no PATCH may be sent at present.
func TestAPatchThatWasNotAnsweredIsLookedFor(t *testing.T) {
	host, away := "a.b.c", errors.New("away")
	running := minigroup.UpdateRecord{Update: minigroup.Update{State: minigroup.UpdateRunning}}
	empty := running
	running.Plan.Patch.Host = &host
	done := running
	done.State = minigroup.UpdateDone
	for name, c := range map[string]struct {
		recs    []minigroup.UpdateRecord
		room    *hosts
		unsent  error
		unknown int
		fails   bool
	}{
		"it is shown": {
			recs: []minigroup.UpdateRecord{running}, room: &hosts{room: minigroup.ConferenceRoomState{Host: host}},
		},
		"nothing to send": {recs: []minigroup.UpdateRecord{empty}, room: &hosts{err: away}},
		"already done":    {recs: []minigroup.UpdateRecord{done}, room: &hosts{err: away}},
		"not readable":    {recs: []minigroup.UpdateRecord{running}, room: &hosts{err: away}, fails: true},
		"not shown":       {recs: []minigroup.UpdateRecord{running, done}, room: &hosts{}, unknown: 1},
		"not recorded":    {recs: []minigroup.UpdateRecord{running}, room: &hosts{}, unsent: away, unknown: 1, fails: true},
	} {
		l := &updateLedger{recs: c.recs, unsent: c.unsent}
		a := &Activities{Ledger: l, Conference: c.room, Limits: NewLimits(0)}
		_, err := execute(a, a.PatchConferenceRoom, UpdateRef{ID: uuid.New()})
		if (err != nil) != c.fails || l.unknown != c.unknown || l.sent != len(c.recs) {
			t.Errorf("%s: %v after %d attempts, %d recorded", name, err, l.sent, l.unknown)
		}
	}
}
