package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

var (
	testAccounts = accounts{event: "event.svc.example.org", conference: "conference.svc.example.org"}

	eventTopic      = topicOf(testAccounts.event, "example.org")
	conferenceTopic = topicOf(testAccounts.conference, "example.org")

	roomID  = uuid.MustParse("4cdbe0fe-6d90-4ddb-a00c-a5351f153525")
	classID = uuid.MustParse("5dd1ed50-49ec-5ccb-abca-13a7bb19e62f")
)

// The payload of a room event of each service.
const (
	eventRoom = `{"audience":"example.org","classroom_id":"5dd1ed50-49ec-5ccb-abca-13a7bb19e62f",` +
		`"created_at":1700000000,"id":"4cdbe0fe-6d90-4ddb-a00c-a5351f153525","kind":"Minigroup",` +
		`"locked_types":{},"preserve_history":true,"tags":{"scope":"math-7b","id":"not this"},"time":[1700000000,null],` +
		`"whiteboard_access":{}}`
	conferenceRoom = `{"audience":"example.org","backend":"none","classroom_id":"5dd1ed50-49ec-5ccb-abca-13a7bb19e62f",` +
		`"closed_by":null,"created_at":1700000000,"host":null,"id":"4cdbe0fe-6d90-4ddb-a00c-a5351f153525","reserve":10,` +
		`"rtc_sharing_policy":"owned","tags":{},"time":[1700000000,null],"timed_out":true}`
)

func wrapped(label, payload string) string {
	text, _ := json.Marshal(payload)
	return `{"payload":` + string(text) + `,"properties":{"type":"event","label":"` + label +
		`","timestamp":"1700000000123","processing_time":"3"}}`
}

// with sets one member of a room to value, or removes it if value is empty.
func with(t *testing.T, room, key, value string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(room), &members); err != nil {
		t.Fatal(err)
	}
	members[key] = json.RawMessage(value)
	if value == "" {
		delete(members, key)
	}
	changed, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

func TestParse(t *testing.T) {
	publishedAt := time.UnixMilli(1700000000123)
	created := func(kind minigroup.RoomKind) event {
		return event{label: "room.create", publishedAt: publishedAt, created: &minigroup.AnnouncedRoom{
			Kind: kind, ID: roomID, ClassID: classID, Audience: "example.org", CreatedAt: time.Unix(1700000000, 0).UTC(),
		}}
	}
	userProperties := paho.UserProperties{
		{Key: "type", Value: "event"}, {Key: "timestamp", Value: "1700000000123"}, {Key: "label", Value: "room.create"},
	}
	undated := created(minigroup.EventRoom)
	undated.publishedAt = time.Time{}
	for name, test := range map[string]struct {
		topic, body string
		user        paho.UserProperties
		want        event
	}{
		"a room created by event": {
			topic: eventTopic, body: wrapped("room.create", eventRoom), want: created(minigroup.EventRoom),
		},
		"a room created by conference": {
			topic: conferenceTopic, body: wrapped("room.create", conferenceRoom), want: created(minigroup.ConferenceRoom),
		},
		"a payload with user properties": {
			topic: eventTopic, body: eventRoom, user: userProperties, want: created(minigroup.EventRoom),
		},
		"a room closed by conference": {
			topic: conferenceTopic, body: wrapped("room.close", conferenceRoom),
			want: event{label: "room.close", publishedAt: publishedAt, closed: &minigroup.ClosedRoom{
				ID: roomID, ClassID: classID, Audience: "example.org", TimedOut: true,
			}},
		},
		"a closed room without timed_out": {
			topic: conferenceTopic, body: wrapped("room.close", with(t, conferenceRoom, "timed_out", "")),
			want: event{label: "room.close", publishedAt: publishedAt, closed: &minigroup.ClosedRoom{
				ID: roomID, ClassID: classID, Audience: "example.org",
			}},
		},
		"a source room that is null": {
			topic: eventTopic, body: wrapped("room.create", with(t, eventRoom, "source_room_id", "null")),
			want: created(minigroup.EventRoom),
		},
		"tags of the maximum length": {
			topic: eventTopic,
			body:  wrapped("room.create", with(t, eventRoom, "tags", `{"x":"`+strings.Repeat(`\"`, 32<<10)+`"}`)),
			want:  created(minigroup.EventRoom),
		},
		"an invalid timestamp": {
			topic: eventTopic,
			body:  strings.Replace(wrapped("room.create", eventRoom), `"1700000000123"`, `{"a":[]}`, 1),
			want:  undated,
		},
		"a timestamp out of range": {
			topic: eventTopic,
			body:  strings.Replace(wrapped("room.create", eventRoom), "1700000000123", "9223372036854775807", 1),
			want:  undated,
		},
		"no timestamp": {
			topic: eventTopic, body: eventRoom, user: paho.UserProperties{{Key: "label", Value: "room.create"}},
			want: undated,
		},
		"a copy of a room": {
			topic: eventTopic, body: wrapped("room.create", with(t, eventRoom, "source_room_id", `"`+roomID.String()+`"`)),
			want: event{label: "room.create", publishedAt: publishedAt},
		},
		"a room closed by event": {
			topic: eventTopic, body: wrapped("room.close", eventRoom),
			want: event{label: "room.close", publishedAt: publishedAt},
		},
		"an updated room": {
			topic: conferenceTopic, body: wrapped("room.update", "not parsed"),
			want: event{label: "room.update", publishedAt: publishedAt},
		},
		"an event with another label": {
			topic: conferenceTopic, body: wrapped("video_group.create", ""),
			want: event{label: "other", publishedAt: publishedAt},
		},
	} {
		t.Run(name+" is parsed", func(t *testing.T) {
			got, err := testAccounts.parse(test.topic, []byte(test.body), test.user)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestParseRejects(t *testing.T) {
	create := wrapped("room.create", eventRoom)
	for _, topic := range []string{
		"", "/", "events", "apps", eventTopic + "/", "/" + eventTopic, eventTopic + "/more",
		topicOf("webinar.svc.example.org", "example.org"), topicOf("", "example.org"), topicOf(testAccounts.event, ""),
		topicOf(testAccounts.event, "a/b"), topicOf(testAccounts.event, "+"), topicOf(testAccounts.event, "#"),
		topicOf(testAccounts.event, "a\x00"), topicOf(testAccounts.event, "\xff"),
		"apps/" + testAccounts.event + "/api/v2/audiences/example.org/events",
		"apps/" + testAccounts.event + "/api/v1/rooms/" + roomID.String() + "/events",
	} {
		t.Run(fmt.Sprintf("the unknown topic %q", topic), func(t *testing.T) {
			got, err := testAccounts.parse(topic, []byte(create), nil)
			if !errors.Is(err, errUnknownTopic) || got != (event{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}

	bodies := map[string]string{
		"an empty body":                   "",
		"a body that is not JSON":         "room.create",
		"an array":                        "[" + create + "]",
		"null":                            "null",
		"a truncated envelope":            create[:len(create)/2],
		"two envelopes":                   create + create,
		"invalid UTF-8":                   strings.Replace(create, "Minigroup", "Mini\xffgroup", 1),
		"an envelope without a payload":   `{"properties":{"type":"event","label":"room.create"}}`,
		"a payload that is not a string":  `{"payload":` + eventRoom + `,"properties":{"label":"room.create"}}`,
		"a duplicate payload":             `{"payload":"{}",` + create[1:],
		"an envelope without properties":  `{"payload":"{}"}`,
		"properties that are null":        `{"payload":"{}","properties":null}`,
		"no label":                        `{"payload":"{}","properties":{"type":"event"}}`,
		"a label that is not a string":    `{"payload":"{}","properties":{"type":"event","label":7}}`,
		"a duplicate label":               `{"payload":"{}","properties":{"label":"room.update","label":"room.close"}}`,
		"a message of type request":       `{"payload":"{}","properties":{"type":"request","label":"room.update"}}`,
		"a payload that is not an object": wrapped("room.create", `[1]`),
		"a payload with trailing bytes":   wrapped("room.create", eventRoom+"{}"),
		"keys in capitals":                wrapped("room.create", strings.ToUpper(eventRoom)),
		"a duplicate id":                  wrapped("room.create", `{"id":"`+classID.String()+`",`+eventRoom[1:]),
		"a deeply nested payload": wrapped("room.create",
			strings.Replace(eventRoom, "{}", strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 1)),
		"a deeply nested envelope":           strings.Repeat(`{"payload":`, 100_000),
		"another audience than in the topic": wrapped("room.create", with(t, eventRoom, "audience", `"example.net"`)),
	}
	for key, values := range map[string][]string{
		"id": {
			"", "null", "7", `""`, `"room"`, `"00000000-0000-0000-0000-000000000000"`, `"4cdbe0fe6d904ddba00ca5351f153525"`,
			`"{4cdbe0fe-6d90-4ddb-a00c-a5351f153525}"`, `["4cdbe0fe-6d90-4ddb-a00c-a5351f153525"]`,
		},
		"classroom_id": {"", "null", "{}", `"math-7b"`, `"00000000-0000-0000-0000-000000000000"`},
		"audience":     {"", "null", "7", `""`},
		"created_at": {
			"", "null", `"1700000000"`, "1700000000.5", "0", "-1", "1e400", "99999999999999999999", "253402300800",
		},
		"source_room_id": {"7", "{}"},
	} {
		for _, value := range values {
			bodies[fmt.Sprintf("a %s that is %q", key, value)] = wrapped("room.create", with(t, eventRoom, key, value))
		}
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			got, err := testAccounts.parse(eventTopic, []byte(body), nil)
			if !errors.Is(err, errMalformed) || got != (event{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}

	t.Run("a closed room whose timed_out is not a bool", func(t *testing.T) {
		body := wrapped("room.close", with(t, conferenceRoom, "timed_out", `"true"`))
		if got, err := testAccounts.parse(conferenceTopic, []byte(body), nil); !errors.Is(err, errMalformed) {
			t.Errorf("%+v, %v", got, err)
		}
	})

	t.Run("a duplicate user property label", func(t *testing.T) {
		user := paho.UserProperties{{Key: "label", Value: "room.create"}, {Key: "label", Value: "room.close"}}
		if got, err := testAccounts.parse(eventTopic, []byte(eventRoom), user); !errors.Is(err, errMalformed) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestUnwrapReadsWhatIsPublished(t *testing.T) {
	now, scope := time.UnixMilli(1700000000123), `{"scope":"<\"7b\">"}`
	for _, protocol := range []Protocol{Protocol311, Protocol5} {
		m, err := Options{Protocol: protocol, Account: testAccounts.event}.packet(minigroup.OutboxEvent{
			Audience: "example.org", Label: "minigroup.stop", Payload: json.RawMessage(scope),
		}, now)
		if err != nil {
			t.Fatal(err)
		}
		payload, p, err := unwrap(m.Payload, m.Properties.User)
		if err != nil || m.Topic != eventTopic || string(payload) != scope || p.kind != "event" ||
			p.label != "minigroup.stop" || !p.publishedAt().Equal(now) {
			t.Errorf("MQTT %s: %s %+v, %v", protocol, payload, p, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(eventTopic, []byte(wrapped("room.create", eventRoom)), "", "")
	f.Add(conferenceTopic, []byte(wrapped("room.close", conferenceRoom)), "", "")
	f.Add(conferenceTopic, []byte(conferenceRoom), "room.create", "1700000000123")
	f.Add(eventTopic, []byte(`{"payload":"{}","properties":{"label":"room.update","timestamp":17}}`), "", "")
	f.Fuzz(func(t *testing.T, topic string, body []byte, label, timestamp string) {
		user := paho.UserProperties{{Key: "timestamp", Value: timestamp}}
		if label != "" {
			user.Add("label", label)
		}
		got, err := testAccounts.parse(topic, body, user)
		if err != nil {
			if got != (event{}) || !errors.Is(err, errUnknownTopic) && !errors.Is(err, errMalformed) {
				t.Fatalf("%+v, %v", got, err)
			}
			return
		}
		if got.created != nil && got.closed != nil ||
			got.created != nil && got.label != roomCreate || got.closed != nil && got.label != roomClose {
			t.Fatalf("%+v", got)
		}
		if r := got.created; r != nil {
			fromEvent := topic == topicOf(testAccounts.event, r.Audience)
			fromConference := topic == topicOf(testAccounts.conference, r.Audience)
			if r.ID == uuid.Nil || r.ClassID == uuid.Nil || !fromEvent && !fromConference ||
				r.CreatedAt.Year() < 1970 || r.CreatedAt.Year() > 9999 {
				t.Fatalf("%+v", r)
			}
		}
		if r := got.closed; r != nil {
			fromConference := topic == topicOf(testAccounts.conference, r.Audience)
			if r.ID == uuid.Nil || r.ClassID == uuid.Nil || !fromConference {
				t.Fatalf("%+v", r)
			}
		}
		if year := got.publishedAt.Year(); year < 1 || year > 10000 {
			t.Fatalf("%v", got.publishedAt)
		}
	})
}
