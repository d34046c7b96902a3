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
	both = accounts{event: "event.svc.example.org", conference: "conference.svc.example.org"}

	ofEvent      = topicOf(both.event, "example.org")
	ofConference = topicOf(both.conference, "example.org")

	roomID  = uuid.MustParse("4cdbe0fe-6d90-4ddb-a00c-a5351f153525")
	classID = uuid.MustParse("5dd1ed50-49ec-5ccb-abca-13a7bb19e62f")
)

// A room as each service announces it.
const (
	eventRoom = `{"audience":"example.org","classroom_id":"5dd1ed50-49ec-5ccb-abca-13a7bb19e62f","created_at":1700000000,` +
		`"id":"4cdbe0fe-6d90-4ddb-a00c-a5351f153525","kind":"Minigroup","locked_types":{},"preserve_history":true,` +
		`"tags":{"scope":"math-7b","id":"not this"},"time":[1700000000,null],"whiteboard_access":{}}`
	conferenceRoom = `{"audience":"example.org","backend":"none","classroom_id":"5dd1ed50-49ec-5ccb-abca-13a7bb19e62f","closed_by":null,` +
		`"created_at":1700000000,"host":null,"id":"4cdbe0fe-6d90-4ddb-a00c-a5351f153525","reserve":10,"rtc_sharing_policy":"owned",` +
		`"tags":{},"time":[1700000000,null],"timed_out":true}`
)

func enveloped(label, payload string) string {
	text, _ := json.Marshal(payload)
	return `{"payload":` + string(text) + `,"properties":{"type":"event","label":"` + label + `","timestamp":"1700000000123","processing_time":"3"}}`
}

// with changes one member of a room.
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
	made := func(kind minigroup.RoomKind) announcement {
		return announcement{label: "room.create", sentAt: time.UnixMilli(1700000000123), room: &minigroup.AnnouncedRoom{
			Kind: kind, ID: roomID, ClassID: classID, Audience: "example.org", MadeAt: time.Unix(1700000000, 0).UTC(),
		}}
	}
	beside := paho.UserProperties{{Key: "type", Value: "event"}, {Key: "timestamp", Value: "1700000000123"}, {Key: "label", Value: "room.create"}}
	undated := made(minigroup.EventRoom)
	undated.sentAt = time.Time{}
	for name, test := range map[string]struct {
		topic, body string
		user        paho.UserProperties
		want        announcement
	}{
		"a room that event has made": {
			ofEvent, enveloped("room.create", eventRoom), nil, made(minigroup.EventRoom),
		},
		"a room that conference has made": {
			ofConference, enveloped("room.create", conferenceRoom), nil, made(minigroup.ConferenceRoom),
		},
		"a room whose properties stand beside it": {
			ofEvent, eventRoom, beside, made(minigroup.EventRoom),
		},
		"a room that conference has closed": {
			ofConference, enveloped("room.close", conferenceRoom), nil,
			announcement{label: "room.close", sentAt: time.UnixMilli(1700000000123), closed: &minigroup.ClosedRoom{
				ID: roomID, ClassID: classID, Audience: "example.org", TimedOut: true,
			}},
		},
		"a room that does not tell why it was closed": {
			ofConference, enveloped("room.close", with(t, conferenceRoom, "timed_out", "")), nil,
			announcement{label: "room.close", sentAt: time.UnixMilli(1700000000123), closed: &minigroup.ClosedRoom{
				ID: roomID, ClassID: classID, Audience: "example.org",
			}},
		},
		"the source of a room that has none": {
			ofEvent, enveloped("room.create", with(t, eventRoom, "source_room_id", "null")), nil, made(minigroup.EventRoom),
		},
		"tags as long as they may be": {
			ofEvent, enveloped("room.create", with(t, eventRoom, "tags", `{"x":"`+strings.Repeat(`\"`, 32<<10)+`"}`)), nil, made(minigroup.EventRoom),
		},
		"a timestamp that makes no sense": {
			ofEvent, strings.Replace(enveloped("room.create", eventRoom), `"1700000000123"`, `{"a":[]}`, 1), nil, undated,
		},
		"a timestamp out of this world": {
			ofEvent, strings.Replace(enveloped("room.create", eventRoom), "1700000000123", "9223372036854775807", 1), nil, undated,
		},
		"no timestamp": {
			ofEvent, eventRoom, paho.UserProperties{{Key: "label", Value: "room.create"}}, undated,
		},
		"a copy that event has made of a room": {
			ofEvent, enveloped("room.create", with(t, eventRoom, "source_room_id", `"4cdbe0fe-6d90-4ddb-a00c-a5351f153525"`)), nil,
			announcement{label: "room.create", sentAt: time.UnixMilli(1700000000123)},
		},
		"a room that event has closed": {
			ofEvent, enveloped("room.close", eventRoom), nil, announcement{label: "room.close", sentAt: time.UnixMilli(1700000000123)},
		},
		"a room that was changed": {
			ofConference, enveloped("room.update", "not looked at"), nil, announcement{label: "room.update", sentAt: time.UnixMilli(1700000000123)},
		},
		"something else": {
			ofConference, enveloped("video_group.create", ""), nil, announcement{label: "other", sentAt: time.UnixMilli(1700000000123)},
		},
	} {
		t.Run(name+" is read", func(t *testing.T) {
			got, err := both.parse(test.topic, []byte(test.body), test.user)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	create := enveloped("room.create", eventRoom)
	for _, topic := range []string{
		"", "/", "events", "apps", ofEvent + "/", "/" + ofEvent, ofEvent + "/more",
		topicOf("webinar.svc.example.org", "example.org"), topicOf("", "example.org"), topicOf(both.event, ""),
		topicOf(both.event, "a/b"), topicOf(both.event, "+"), topicOf(both.event, "#"), topicOf(both.event, "a\x00"), topicOf(both.event, "\xff"),
		"apps/" + both.event + "/api/v2/audiences/example.org/events",
		"apps/" + both.event + "/api/v1/rooms/" + roomID.String() + "/events",
	} {
		t.Run(fmt.Sprintf("the topic %q of a stranger", topic), func(t *testing.T) {
			if got, err := both.parse(topic, []byte(create), nil); !errors.Is(err, errStranger) || got != (announcement{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}

	bodies := map[string]string{
		"no body":                            "",
		"no JSON":                            "room.create",
		"an array":                           "[" + create + "]",
		"nothing":                            "null",
		"half of it":                         create[:len(create)/2],
		"two of it":                          create + create,
		"bytes that are no text":             strings.Replace(create, "Minigroup", "Mini\xffgroup", 1),
		"an envelope without a payload":      `{"properties":{"type":"event","label":"room.create"}}`,
		"an envelope with an open payload":   `{"payload":` + eventRoom + `,"properties":{"type":"event","label":"room.create"}}`,
		"an envelope with two payloads":      `{"payload":"{}",` + create[1:],
		"an envelope without properties":     `{"payload":"{}"}`,
		"properties that are nothing":        `{"payload":"{}","properties":null}`,
		"no label":                           `{"payload":"{}","properties":{"type":"event"}}`,
		"a label that is no text":            `{"payload":"{}","properties":{"type":"event","label":7}}`,
		"two labels":                         `{"payload":"{}","properties":{"label":"room.update","label":"room.close"}}`,
		"a request":                          `{"payload":"{}","properties":{"type":"request","label":"room.update"}}`,
		"a payload that is no object":        enveloped("room.create", `[1]`),
		"a payload that goes on":             enveloped("room.create", eventRoom+"{}"),
		"keys in capitals":                   enveloped("room.create", strings.ToUpper(eventRoom)),
		"two ids":                            enveloped("room.create", `{"id":"`+classID.String()+`",`+eventRoom[1:]),
		"a payload deep as a well":           enveloped("room.create", strings.Replace(eventRoom, "{}", strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 1)),
		"an envelope deep as a well":         strings.Repeat(`{"payload":`, 100_000),
		"another audience than in the topic": enveloped("room.create", with(t, eventRoom, "audience", `"example.net"`)),
	}
	for key, values := range map[string][]string{
		"id":             {"", "null", "7", `""`, `"room"`, `"00000000-0000-0000-0000-000000000000"`, `"4cdbe0fe6d904ddba00ca5351f153525"`, `"{4cdbe0fe-6d90-4ddb-a00c-a5351f153525}"`, `["4cdbe0fe-6d90-4ddb-a00c-a5351f153525"]`},
		"classroom_id":   {"", "null", "{}", `"math-7b"`, `"00000000-0000-0000-0000-000000000000"`},
		"audience":       {"", "null", "7", `""`},
		"created_at":     {"", "null", `"1700000000"`, "1700000000.5", "0", "-1", "1e400", "99999999999999999999", "253402300800"},
		"source_room_id": {"7", "{}"},
	} {
		for _, value := range values {
			bodies[fmt.Sprintf("a %s that is %q", key, value)] = enveloped("room.create", with(t, eventRoom, key, value))
		}
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			if got, err := both.parse(ofEvent, []byte(body), nil); !errors.Is(err, errMalformed) || got != (announcement{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}

	t.Run("a closed room with another reason than yes or no", func(t *testing.T) {
		body := enveloped("room.close", with(t, conferenceRoom, "timed_out", `"true"`))
		if got, err := both.parse(ofConference, []byte(body), nil); !errors.Is(err, errMalformed) {
			t.Errorf("%+v, %v", got, err)
		}
	})

	t.Run("two labels beside the payload", func(t *testing.T) {
		user := paho.UserProperties{{Key: "label", Value: "room.create"}, {Key: "label", Value: "room.close"}}
		if got, err := both.parse(ofEvent, []byte(eventRoom), user); !errors.Is(err, errMalformed) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWhatIsSealedCanBeOpened(t *testing.T) {
	now := time.UnixMilli(1700000000123)
	body, err := seal(minigroup.OutboxEvent{Audience: "example.org", Label: "minigroup.stop", Payload: json.RawMessage(`{"scope":"<\"7b\">"}`)}, now)
	if err != nil {
		t.Fatal(err)
	}
	payload, p, err := open(body, nil)
	if err != nil || string(payload) != `{"scope":"<\"7b\">"}` || p.kind != "event" || p.label != "minigroup.stop" || !p.sentAt().Equal(now) {
		t.Errorf("%s %+v, %v", payload, p, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ofEvent, []byte(enveloped("room.create", eventRoom)), "", "")
	f.Add(ofConference, []byte(enveloped("room.close", conferenceRoom)), "", "")
	f.Add(ofConference, []byte(conferenceRoom), "room.create", "1700000000123")
	f.Add(ofEvent, []byte(`{"payload":"{}","properties":{"label":"room.update","timestamp":17}}`), "", "")
	f.Fuzz(func(t *testing.T, topic string, body []byte, label, timestamp string) {
		user := paho.UserProperties{{Key: "timestamp", Value: timestamp}}
		if label != "" {
			user.Add("label", label)
		}
		got, err := both.parse(topic, body, user)
		if err != nil {
			if got != (announcement{}) || !errors.Is(err, errStranger) && !errors.Is(err, errMalformed) {
				t.Fatalf("%+v, %v", got, err)
			}
			return
		}
		if got.room != nil && got.closed != nil || got.room != nil && got.label != roomCreate || got.closed != nil && got.label != roomClose {
			t.Fatalf("%+v", got)
		}
		if r := got.room; r != nil && (r.ID == uuid.Nil || r.ClassID == uuid.Nil || topic != topicOf(both.event, r.Audience) && topic != topicOf(both.conference, r.Audience) || r.MadeAt.Year() < 1970 || r.MadeAt.Year() > 9999) {
			t.Fatalf("%+v", r)
		}
		if r := got.closed; r != nil && (r.ID == uuid.Nil || r.ClassID == uuid.Nil || topic != topicOf(both.conference, r.Audience)) {
			t.Fatalf("%+v", r)
		}
		if year := got.sentAt.Year(); year < 1 || year > 10000 {
			t.Fatalf("%v", got.sentAt)
		}
	})
}
