package activities

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"minigroups/minigroup"
)

// stepLedger is the ledger of a step.
type stepLedger struct {
	Ledger
	open         []minigroup.RoomPendingClose
	err, listErr error
}

func (l stepLedger) Establish(context.Context, string, uuid.UUID, bool) (minigroup.Minigroup, error) {
	return minigroup.Minigroup{}, l.err
}

func (l stepLedger) EndUndo(
	context.Context, string, uuid.UUID,
) (minigroup.Failure, []minigroup.RoomPendingClose, error) {
	return minigroup.Failure{Kind: minigroup.OperationCancelled}, l.open, l.err
}

func (l stepLedger) SwapRooms(context.Context, string, uuid.UUID) error { return l.err }

func (l stepLedger) RoomsPendingClose(context.Context, uuid.UUID) ([]minigroup.RoomPendingClose, error) {
	return l.open, l.listErr
}

func (stepLedger) ByID(context.Context, uuid.UUID) (minigroup.Minigroup, error) {
	return minigroup.Minigroup{}, nil
}

// stepRuns records whom a step notifies.
type stepRuns struct {
	Runs
	closeErr             error
	established, decided int
}

func (*stepRuns) IsCurrent(context.Context, string, string) (bool, error) { return true, nil }

func (r *stepRuns) CloseRoom(context.Context, minigroup.RoomPendingClose) error { return r.closeErr }
func (r *stepRuns) Established(minigroup.Minigroup)                             { r.established++ }
func (r *stepRuns) Decided(uuid.UUID)                                           { r.decided++ }

// warnings is a log that counts warnings.
type warnings struct {
	slog.Handler
	n int
}

func (*warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler             { return w }

func (w *warnings) Handle(context.Context, slog.Record) error {
	w.n++
	return nil
}

// execute executes a step as an activity, and returns how often it has warned.
func execute(a *Activities, step, in any) (warned int, err error) {
	var suite testsuite.WorkflowTestSuite
	w := &warnings{Handler: slog.DiscardHandler}
	suite.SetLogger(log.NewStructuredLogger(slog.New(w)))
	env := suite.NewTestActivityEnvironment()
	a.Settings.StepWait = time.Minute
	env.RegisterActivity(a)
	_, err = env.ExecuteActivity(step, in)
	return w.n, err
}

func TestStepsNotifyOnlyOfWhatIsDecided(t *testing.T) {
	away := errors.New("away")
	rooms := []minigroup.RoomPendingClose{{Kind: minigroup.EventRoom, ID: uuid.New()}}
	for name, c := range map[string]struct {
		ledger               stepLedger
		step                 func(*Activities) any
		established, decided int
	}{
		"established":            {step: func(a *Activities) any { return a.Establish }, established: 1},
		"not established":        {ledger: stepLedger{err: away}, step: func(a *Activities) any { return a.Establish }},
		"undone":                 {step: func(a *Activities) any { return a.EndUndo }, decided: 1},
		"undone, but for a room": {ledger: stepLedger{open: rooms}, step: func(a *Activities) any { return a.EndUndo }},
		"not undone":             {ledger: stepLedger{err: away}, step: func(a *Activities) any { return a.EndUndo }},
	} {
		r := &stepRuns{}
		a := &Activities{Ledger: c.ledger, Runs: r}
		_, err := execute(a, c.step(a), ClassRef{ID: uuid.New()})
		if (err == nil) != (c.ledger.err == nil) || r.established != c.established || r.decided != c.decided {
			t.Errorf("%s: %v, notified %d and %d times", name, err, r.established, r.decided)
		}
	}
}

func TestRoomsThatAreLeftToTheSweeperAreLogged(t *testing.T) {
	away := errors.New("away")
	rooms := []minigroup.RoomPendingClose{{Kind: minigroup.EventRoom, ID: uuid.New()}}
	for name, c := range map[string]struct {
		ledger   stepLedger
		closeErr error
		warned   int
	}{
		"none":                 {ledger: stepLedger{open: rooms}},
		"they are not listed":  {ledger: stepLedger{listErr: away}, warned: 1},
		"they are not started": {ledger: stepLedger{open: rooms}, closeErr: away, warned: 1},
	} {
		a := &Activities{Ledger: c.ledger, Runs: &stepRuns{closeErr: c.closeErr}}
		if warned, err := execute(a, a.SwapRooms, UpdateInput{ID: uuid.New()}); err != nil || warned != c.warned {
			t.Errorf("%s: %v, it has warned %d times", name, err, warned)
		}
	}
}

func TestTheHostOfARoomIsReadInHalfOfTheTime(t *testing.T) {
	var left time.Duration
	read := func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}
	a := &Activities{Ledger: stepLedger{}, Conference: scriptedConference{read: read}}
	_, err := execute(a, a.CopyHost, CopyHostInput{ClassID: uuid.New(), Room: uuid.New()})
	if err != nil || left > 30*time.Second || left < 10*time.Second {
		t.Errorf("got %v, it had %s of a minute", err, left)
	}
}
