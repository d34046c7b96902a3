package sandbox_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
)

// sendAndHangUp sends the request, waits, and closes the connection without reading.
func sendAndHangUp(t *testing.T, base, request string, wait time.Duration) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Error(err)
	}
	<-time.After(wait)
	_ = conn.Close()
}

func (r running) rawCreate(class uuid.UUID) string {
	body := fmt.Sprintf(r.body, class)
	return fmt.Sprintf("POST /api/v1/rooms HTTP/1.1\r\nHost: sandbox\r\nContent-Type: application/json\r\n"+
		"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", r.token, len(body), body)
}

func TestARequestStopsWhenItsClientHangsUp(t *testing.T) {
	const creates = 300
	for _, s := range standIns {
		t.Run(s.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.jsonl")
			r, stop := run(t, s, file)
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					for range creates / 10 {
						sendAndHangUp(t, r.url, r.rawCreate(uuid.New()), rand.N(3*time.Millisecond))
					}
				})
			}
			group.Wait()
			eventually(t, "every create is logged", func() bool { return len(r.log(t)) == creates })
			stop() // waits for the running requests
			published := r.published

			r, stop = run(t, s, file)
			defer stop()
			checkHungUp(t, r.rooms(t), r.log(t))
			checkPublished(t, r.log(t), published)
		})
	}
}

// checkHungUp fails unless rooms and log agree, some creates have no room, and some rooms no delivered reply.
func checkHungUp(t *testing.T, rooms []sandbox.Room, log []sandbox.Creation) {
	t.Helper()
	logged := map[uuid.UUID]uuid.UUID{}
	noReply, noRoom := 0, 0
	for i, c := range log {
		if c.Seq != int64(i)+1 {
			t.Errorf("entry %d has number %d", i, c.Seq)
		}
		switch {
		case c.RoomID == nil && c.ReplyDelivered:
			t.Errorf("%v was answered and has no room", c)
		case c.RoomID == nil:
			noRoom++
		case !c.ReplyDelivered:
			noReply++
		}
		if c.RoomID != nil {
			logged[*c.RoomID] = c.ClassroomID
		}
	}
	if noReply == 0 || noRoom == 0 {
		t.Errorf("%d rooms without a delivered reply and %d creates without a room, want some of each", noReply, noRoom)
	}
	t.Logf("%d rooms, %d of them without a delivered reply; %d creates without a room", len(rooms), noReply, noRoom)
	if len(rooms) != len(logged) {
		t.Errorf("%d rooms, and %d in the log", len(rooms), len(logged))
	}
	for _, room := range rooms {
		if logged[room.ID] != room.ClassroomID {
			t.Errorf("room %s of class %s is logged for class %s", room.ID, room.ClassroomID, logged[room.ID])
		}
	}
}

// checkPublished fails unless the log says which rooms have an event, every room with a delivered reply has one, and
// some rooms have none.
func checkPublished(t *testing.T, log []sandbox.Creation, published *recorder) {
	t.Helper()
	withEvent, without := map[uuid.UUID]bool{}, 0
	for _, room := range published.rooms(t) {
		withEvent[room.ID] = true
	}
	for _, c := range log {
		if has := c.RoomID != nil && withEvent[*c.RoomID]; has != c.Published || c.ReplyDelivered && !has {
			t.Errorf("%+v has an event: %t", c, has)
		}
		if c.RoomID != nil && !c.Published {
			without++
		}
	}
	if without == 0 || len(withEvent) == 0 {
		t.Errorf("%d rooms with and %d without an event, want some of each", len(withEvent), without)
	}
}
