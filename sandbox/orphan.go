package sandbox

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

// closeOrphan serves the closing that nobody asks conference for: the host of the room has not come back, or whatever
// else makes it end a room by itself.
func (f *Conference) closeOrphan(w http.ResponseWriter, r *http.Request) {
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
	answer, err := f.rooms.change(id, func(room *conferenceRoom) (reply, bool) { return f.orphaned(room, timedOut) })
	switch {
	case errors.Is(err, errNoRoom):
		answer = text(http.StatusNotFound, err.Error())
	case err != nil:
		answer = text(http.StatusInternalServerError, err.Error())
	default:
		f.announce(answer.announcements, began)
	}
	_ = answer.send(w) // a client that is gone needs no answer
}

func (f *Conference) orphaned(room *conferenceRoom, timedOut bool) (reply, bool) {
	now := f.now()
	if room.Time.ended(now) {
		return text(http.StatusConflict, "the room is closed already"), false
	}
	room.close(caller{agent: "conference." + f.Account}, now)
	room.TimedOut = timedOut
	if err := room.Time.stored(); err != nil {
		return text(http.StatusConflict, "the room has not begun: "+err.Error()), false
	}
	return f.found(http.StatusOK, *room).telling(toAudience(roomClosed, room), toRoom(roomClosed, room)), true
}
