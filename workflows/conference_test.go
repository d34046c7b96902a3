package workflows_test

import (
	"context"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// conferenceService is the client of conference in the world.
type conferenceService struct{ *world }

func (s conferenceService) CreateRoom(ctx context.Context, r minigroup.NewConferenceRoom) (uuid.UUID, error) {
	id := uuid.New()
	replied, err := s.request(ctx, "conference", conferenceCreate, func() error {
		s.conference[id] = &conferenceRoom{classID: r.ClassID, ConferenceRoomState: minigroup.ConferenceRoomState{
			ID: id, Time: minigroup.Window{Start: new(r.Start)}, Reserve: r.Reserve,
		}}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if room := s.conference[id]; room != nil && !replied {
		room.replyLost = true
	}
	return id, err
}

func (s conferenceService) Room(ctx context.Context, id uuid.UUID) (state minigroup.ConferenceRoomState, err error) {
	_, err = s.request(ctx, "conference", conferenceRead, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferenceRead)
		}
		state = room.ConferenceRoomState
		return nil
	})
	return state, err
}

// PatchRoom follows conference's rules: a room without an end takes any window, a room with an end keeps its start and
// has an end, and a window in the past closes the room now, although the reply shows the end of the request.
func (s conferenceService) PatchRoom(
	ctx context.Context, id uuid.UUID, p minigroup.ConferencePatch,
) (shown minigroup.ConferenceRoomState, err error) {
	_, err = s.request(ctx, "conference", conferencePatch, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferencePatch)
		}
		now := time.Now().Unix()
		window := room.Time
		if p.Time != nil {
			if window, err = s.newWindow(room.Time, *p.Time, now); err != nil {
				return err
			}
		}
		room.Time = window
		if p.Reserve != nil {
			room.Reserve = p.Reserve
		}
		if p.Host != nil {
			room.Host = *p.Host
		}
		shown = room.ConferenceRoomState
		if room.Time.Ended(now) {
			room.Time.End = new(now)
		}
		return nil
	})
	return shown, err
}

func (conferenceService) newWindow(room, sent minigroup.Window, now int64) (minigroup.Window, error) {
	fail := func(status int, kind string, refused bool) (minigroup.Window, error) {
		return room, &minigroup.UpstreamError{
			Upstream: "conference", Doing: string(conferencePatch), Status: status, Type: kind, Refused: refused,
		}
	}
	switch {
	case room.Ended(now):
		return fail(404, "room_closed", true)
	case sent.Start == nil:
		return fail(400, "invalid_room_time", true)
	case room.End == nil:
		return sent, nil
	case sent.End == nil:
		return fail(422, "room_time_changing_forbidden", true)
	case max(*sent.End, now) <= *room.Start:
		return fail(422, "database_query_failed", false)
	default:
		return minigroup.Window{Start: room.Start, End: new(max(*sent.End, now))}, nil
	}
}

// CloseRoom closes a room as the client of conference does: at once, or as soon as conference allows it.
func (s conferenceService) CloseRoom(ctx context.Context, id uuid.UUID) error {
	_, err := s.request(ctx, "conference", conferenceClose, func() error {
		room, ok := s.conference[id]
		if !ok {
			return unknownRoom("conference", conferenceClose)
		}
		now := time.Now().Unix()
		switch {
		case room.Time.Ended(now):
		case room.Time.End != nil && *room.Time.Start > now:
			room.Time.End = new(*room.Time.Start + 1)
			return &minigroup.UpstreamError{
				Upstream: "conference", Doing: string(conferenceClose), Type: "database_query_failed", Detail: "closes by itself",
			}
		case *room.Time.Start >= now:
			room.Time = minigroup.Window{Start: new(now - 1), End: new(now)}
		default:
			room.Time.End = new(now)
		}
		return nil
	})
	return err
}
