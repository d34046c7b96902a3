package mqtt

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Why a message is dropped. The words are labels of a metric.
var (
	errStranger  = errors.New("stranger topic")
	errMalformed = errors.New("malformed")
	errFlood     = errors.New("flood")
)

// The labels that services are known to announce with. All others count as one: labels come from outside and would
// otherwise grow a metric without bound.
const (
	roomCreate = "room.create"
	roomUpdate = "room.update"
	roomClose  = "room.close"
	otherLabel = "other"
)

// announcement is what a message says. Most interest nobody here: then neither room nor closed is there.
type announcement struct {
	label  string
	sentAt time.Time // zero where it does not tell
	room   *minigroup.AnnouncedRoom
	closed *minigroup.ClosedRoom
}

// accounts are those whose announcements are listened to.
type accounts struct{ event, conference string }

// parse reads a message in one of two forms: an envelope that holds the payload as a text, with its properties beside it;
// or, from brokers that open the envelope, the payload itself with the properties as those of the MQTT message.
func (a accounts) parse(topic string, body []byte, user paho.UserProperties) (announcement, error) {
	account, audience, ok := splitTopic(topic)
	if !ok || account != a.event && account != a.conference {
		return announcement{}, errStranger
	}
	if !utf8.Valid(body) {
		return announcement{}, errMalformed
	}
	payload, p, err := open(body, user)
	if err != nil || p.label == "" || p.kind != "" && p.kind != "event" {
		return announcement{}, errMalformed
	}
	said := announcement{label: p.label, sentAt: p.sentAt()}
	switch {
	case p.label == roomCreate && account == a.event:
		said.room, err = made(minigroup.EventRoom, audience, payload)
	case p.label == roomCreate:
		said.room, err = made(minigroup.ConferenceRoom, audience, payload)
	case p.label == roomClose && account == a.conference:
		said.closed, err = closed(audience, payload)
	case p.label == roomClose, p.label == roomUpdate:
	default:
		said.label = otherLabel
	}
	if err != nil {
		return announcement{}, errMalformed
	}
	return said, nil
}

// properties stand beside a payload.
type properties struct {
	kind, label string
	timestamp   json.RawMessage // milliseconds, as a text
}

// open takes the payload and its properties out of either form.
func open(body []byte, user paho.UserProperties) (payload []byte, p properties, err error) {
	if labels := user.GetAll("label"); len(labels) > 0 {
		if len(labels) > 1 {
			return nil, p, errMalformed
		}
		return body, properties{user.Get("type"), labels[0], json.RawMessage(user.Get("timestamp"))}, nil
	}
	var text string
	var beside json.RawMessage
	if err := readObject(body, map[string]any{"payload": &text, "properties": &beside}); err != nil {
		return nil, p, err
	}
	err = readObject(beside, map[string]any{"type": &p.kind, "label": &p.label, "timestamp": &p.timestamp})
	return []byte(text), p, err
}

// sentAt reads the timestamp, which only a metric needs: one that makes no sense makes no message worthless.
func (p properties) sentAt() time.Time {
	text := string(p.timestamp)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 || ms > lastMoment*1000 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// lastMoment is the end of the year 9999 in unix seconds, up to which everybody can write a time.
const lastMoment = 253402300799

// made reads a room that its service has made. Copies of rooms, which event makes when a class is over, carry the class's
// id too, but are no attempt of ours: for them it returns nil.
func made(kind minigroup.RoomKind, audience string, payload []byte) (*minigroup.AnnouncedRoom, error) {
	var source *string
	var createdAt int64
	r, err := readRoom(audience, payload, map[string]any{"source_room_id": &source, "created_at": &createdAt})
	switch {
	case err != nil:
		return nil, err
	case source != nil:
		return nil, nil //nolint:nilnil // nothing of interest is no mistake
	case createdAt <= 0 || createdAt > lastMoment:
		return nil, errMalformed
	}
	return &minigroup.AnnouncedRoom{Kind: kind, ID: r.id, ClassID: r.class, Audience: audience, MadeAt: time.Unix(createdAt, 0).UTC()}, nil
}

// closed reads a room that conference has closed.
func closed(audience string, payload []byte) (*minigroup.ClosedRoom, error) {
	var timedOut bool
	r, err := readRoom(audience, payload, map[string]any{"timed_out": &timedOut})
	if err != nil {
		return nil, err
	}
	return &minigroup.ClosedRoom{ID: r.id, ClassID: r.class, Audience: audience, TimedOut: timedOut}, nil
}

// room is what every announcement of a room tells.
type room struct{ id, class uuid.UUID }

// readRoom reads a room of the audience that its topic names, and what else is wanted of it.
func readRoom(audience string, payload []byte, wanted map[string]any) (r room, err error) {
	var id, class, itsAudience string
	wanted["id"], wanted["classroom_id"], wanted["audience"] = &id, &class, &itsAudience
	if err := readObject(payload, wanted); err != nil {
		return room{}, err
	}
	if itsAudience != audience {
		return room{}, errMalformed
	}
	if r.id, err = readID(id); err != nil {
		return room{}, err
	}
	r.class, err = readID(class)
	return r, err
}

// readID reads a UUID as services write it; the library would take other forms too.
func readID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		return uuid.Nil, errMalformed
	}
	return id, nil
}
