package sandbox_test

import (
	"fmt"
)

// Times of rooms.
const (
	open  = "[1000000000,null]"
	ahead = "[4000000000,null]"
	ended = "[1000000000,1000000001]"
)

// eventCase is a call and the events that the service publishes for it.
type eventCase struct {
	name    string
	time    string // of the room with the id {id}, created before the call; open if empty
	request string // method and path
	body    string
	status  int
	want    []string // topic and label, as inShort writes them
}

// newRoom returns the body of a create.
func newRoom(audience, time, rest string) string {
	const body = `{"audience":%q,"time":%s,"classroom_id":"8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1"%s}`
	return fmt.Sprintf(body, audience, time, rest)
}

func eventCases() []eventCase {
	const minigroup, create, patch = `,"kind":"Minigroup"`, "POST /api/v1/rooms", "PATCH /api/v1/rooms/{id}"
	return []eventCase{
		{
			name: "a create", request: create, body: newRoom("example.org", "[5,null]", minigroup),
			status: 201, want: []string{"audience room.create"},
		},
		{
			name: "a create in another audience", request: create,
			body: newRoom("none.example.org", "[5,null]", `,"kind":"Webinar"`), status: 201,
			want: []string{"apps/event.svc.example.org/api/v1/audiences/none.example.org/events room.create"},
		},
		{
			name: "a create whose time is refused", request: create,
			body: newRoom("example.org", "[5,5]", minigroup), status: 400,
		},
		{
			name: "a create in an audience that is not configured", request: create,
			body: newRoom("nowhere.org", "[5,null]", minigroup), status: 403,
		},
		{name: "a create with an invalid body", request: create, body: `{}`, status: 422},
		{name: "a read", request: "GET /api/v1/rooms/{id}", status: 200},
		{
			name: "an empty patch", request: patch, body: `{}`,
			status: 200, want: []string{"audience room.update"},
		},
		{
			name: "a later end", request: patch, body: `{"time":[5,4000000000]}`,
			status: 200, want: []string{"audience room.update"},
		},
		{
			name: "an end in the past", request: patch, body: `{"time":[0,1]}`,
			status: 200, want: []string{"audience room.update", "room room.close"},
		},
		{
			name: "an end in the past before it begins", time: ahead, request: patch, body: `{"time":[0,1]}`,
			status: 200, want: []string{"audience room.update", "room room.close"},
		},
		{
			name: "a patch of an ended room", time: ended, request: patch, body: `{"tags":{"a":1}}`,
			status: 200, want: []string{"audience room.update"},
		},
		{name: "an end for an ended room", time: ended, request: patch, body: `{"time":[0,1]}`, status: 404},
		{name: "a time that is refused", request: patch, body: `{"time":[null,1]}`, status: 400},
		{
			name: "locked types", request: "POST /api/v1/rooms/{id}/locked_types",
			body: `{"locked_types":{"message":true}}`, status: 200, want: []string{"room room.update"},
		},
		{
			name: "invalid locked types", request: "POST /api/v1/rooms/{id}/locked_types",
			body: `{}`, status: 422,
		},
	}
}

func conferenceCases() []eventCase {
	const create, patch, end = "POST /api/v1/rooms", "PATCH /api/v1/rooms/{id}", "POST /api/v1/rooms/{id}/close"
	const closeUnasked = "POST /sandbox/rooms/{id}/close"
	closed := []string{"audience room.update", "audience room.close", "room room.close"}
	return []eventCase{
		{
			name: "a create", request: create, body: newRoom("example.org", "[null,null]", ""),
			status: 200, want: []string{"audience room.create"},
		},
		{
			name: "a create that the database refuses", request: create,
			body: newRoom("example.org", "[5,3]", ""), status: 422,
		},
		{name: "a read", request: "GET /api/v1/rooms/{id}", status: 200},
		{
			name: "a reserve", request: patch, body: `{"reserve":5}`,
			status: 200, want: []string{"audience room.update"},
		},
		{
			name: "a later end", request: patch, body: `{"time":[5,4000000000]}`,
			status: 200, want: []string{"audience room.update"},
		},
		{name: "an end in the past", request: patch, body: `{"time":[5,6]}`, status: 200, want: closed},
		{name: "an end for an ended room", time: ended, request: patch, body: `{"time":[5,6]}`, status: 404},
		{name: "a close", request: end, status: 200, want: closed},
		{name: "a close of an ended room", time: ended, request: end, status: 404},
		{name: "a close before it begins", time: ahead, request: end, status: 422},
		{
			name: "a host who does not come back", request: closeUnasked + "?timed_out=true",
			status: 200, want: []string{"audience room.close", "room room.close"},
		},
		{
			name: "an unasked close", request: closeUnasked + "?timed_out=false",
			status: 200, want: []string{"audience room.close", "room room.close"},
		},
		{
			name: "an unasked close of an ended room", time: ended,
			request: closeUnasked + "?timed_out=true", status: 409,
		},
		{
			name: "an unasked close before it begins", time: ahead,
			request: closeUnasked + "?timed_out=true", status: 409,
		},
		{
			name:    "an unasked close of an unknown room",
			request: "POST /sandbox/rooms/8b0b8a6e-6ed1-4d19-8b3a-5f6a36b3c4f1/close?timed_out=true", status: 404,
		},
		{name: "an unasked close without a reason", request: closeUnasked, status: 400},
	}
}
