package sandbox

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// closeUnasked serves POST /sandbox/rooms/:id/close: conference closes the room itself, without a request, because the
// host has not come back (timed_out=true) or for another reason.
func (f *Conference) closeUnasked(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		http.Error(w, "id: "+err.Error(), http.StatusBadRequest)
		return
	}
	timedOut, err := strconv.ParseBool(r.URL.Query().Get("timed_out"))
	if err != nil {
		http.Error(w, "timed_out: want true or false", http.StatusBadRequest)
		return
	}
	began := f.Clock()
	answer, err := f.rooms.change(id, func(room *conferenceRoom) (reply, bool) {
		return f.closedUnasked(room, timedOut)
	})
	switch {
	case errors.Is(err, errNoRoom):
		answer = text(http.StatusNotFound, err.Error())
	case err != nil:
		answer = text(http.StatusInternalServerError, err.Error())
	default:
		f.publish(answer.events, began)
	}
	_ = answer.send(w) // fails only if the client is gone
}

func (f *Conference) closedUnasked(room *conferenceRoom, timedOut bool) (reply, bool) {
	now := f.now()
	if room.Time.ended(now) {
		return text(http.StatusConflict, "the room is closed already"), false
	}
	room.close(caller{agent: "conference." + f.Account}, now)
	room.TimedOut = timedOut
	if err := room.Time.storable(); err != nil {
		return text(http.StatusConflict, "the room has not begun: "+err.Error()), false
	}
	return f.found(http.StatusOK, *room).withEvents(toAudience(roomClosed, room), toRoom(roomClosed, room)), true
}
