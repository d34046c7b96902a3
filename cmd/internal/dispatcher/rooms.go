package dispatcher

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"minigroups/minigroup"
)

// Rooms reads the rooms of classes at event and conference.
type Rooms struct {
	Event interface {
		Room(ctx context.Context, id uuid.UUID) (minigroup.EventRoomState, error)
	}
	Conference interface {
		Room(ctx context.Context, id uuid.UUID) (minigroup.ConferenceRoomState, error)
	}
}

// lookUpsAtOnce bounds the requests that each service has in flight: conference takes no more than a few at a time.
const lookUpsAtOnce = 4

// LookUp completes classes by what their rooms say, or says for each why it cannot be imported. It returns an error if
// event or conference is not available; then nothing is known.
func (r Rooms) LookUp(
	ctx context.Context, classes []minigroup.ImportedClass, now int64,
) ([]minigroup.ImportedClass, []*minigroup.ImportResult, error) {
	out, wrong := make([]minigroup.ImportedClass, len(classes)), make([]*minigroup.ImportResult, len(classes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookUpsAtOnce)
	for i, c := range classes {
		group.Go(func() (err error) {
			out[i], wrong[i], err = r.lookUp(ctx, c, now)
			return err
		})
	}
	return out, wrong, group.Wait()
}

func (r Rooms) lookUp(
	ctx context.Context, c minigroup.ImportedClass, now int64,
) (minigroup.ImportedClass, *minigroup.ImportResult, error) {
	var event minigroup.EventRoomState
	var eventErr error
	var both sync.WaitGroup
	both.Go(func() { event, eventErr = r.Event.Room(ctx, c.EventRoomID) })
	conference, conferenceErr := r.Conference.Room(ctx, c.ConferenceRoomID)
	both.Wait()
	for _, read := range []struct {
		kind minigroup.RoomKind
		id   uuid.UUID
		err  error
	}{{minigroup.EventRoom, c.EventRoomID, eventErr}, {minigroup.ConferenceRoom, c.ConferenceRoomID, conferenceErr}} {
		var failed *minigroup.UpstreamError
		switch {
		case read.err == nil:
		case errors.As(read.err, &failed) && failed.Type == "room_not_found":
			return c, Gone(read.kind, read.id), nil
		case errors.As(read.err, &failed) && failed.Refused:
			return c, Unreadable(read.err), nil
		default:
			return c, nil, read.err
		}
	}
	completed, wrong := WithRooms(c, event, conference, now)
	return completed, wrong, nil
}
