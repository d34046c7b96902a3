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

// The reasons for dropping a message. Their texts are label values of a metric.
var (
	errUnknownTopic = errors.New("unknown_topic")
	errMalformed    = errors.New("malformed")
	errOverflow     = errors.New("overflow")
)

// The known labels of events. All others are counted as otherLabel, because values from outside must not create metric
// labels without bound.
const (
	roomCreate = "room.create"
	roomUpdate = "room.update"
	roomClose  = "room.close"
	otherLabel = "other"
)

// event is a parsed message. At most one of created and closed is set; both are nil for events that the ledger does not
// record.
type event struct {
	label       string
	publishedAt time.Time // zero if unknown
	created     *minigroup.AnnouncedRoom
	closed      *minigroup.ClosedRoom
}

// accounts are the services whose events are received.
type accounts struct{ event, conference string }

// parse parses a message in either of two forms: an envelope with the payload as a string and its properties, or, from
// brokers that unwrap the envelope, the payload itself with the properties as user properties of the MQTT message. It
// returns errUnknownTopic or errMalformed if it fails.
func (a accounts) parse(topic string, body []byte, user paho.UserProperties) (event, error) {
	account, audience, ok := splitTopic(topic)
	if !ok || account != a.event && account != a.conference {
		return event{}, errUnknownTopic
	}
	if !utf8.Valid(body) {
		return event{}, errMalformed
	}
	payload, p, err := unwrap(body, user)
	if err != nil || p.label == "" || p.kind != "" && p.kind != "event" {
		return event{}, errMalformed
	}
	e := event{label: p.label, publishedAt: p.publishedAt()}
	switch {
	case p.label == roomCreate && account == a.event:
		e.created, err = parseCreated(minigroup.EventRoom, audience, payload)
	case p.label == roomCreate:
		e.created, err = parseCreated(minigroup.ConferenceRoom, audience, payload)
	case p.label == roomClose && account == a.conference:
		e.closed, err = parseClosed(audience, payload)
	case p.label == roomClose, p.label == roomUpdate:
	default:
		e.label = otherLabel
	}
	if err != nil {
		return event{}, errMalformed
	}
	return e, nil
}

// properties are the metadata of a payload.
type properties struct {
	kind, label string
	timestamp   json.RawMessage // milliseconds, as a number or a string
}

// unwrap returns the payload and its properties from either form of a message.
func unwrap(body []byte, user paho.UserProperties) (payload []byte, p properties, err error) {
	if labels := user.GetAll("label"); len(labels) > 0 {
		if len(labels) > 1 {
			return nil, p, errMalformed
		}
		timestamp := json.RawMessage(user.Get("timestamp"))
		return body, properties{kind: user.Get("type"), label: labels[0], timestamp: timestamp}, nil
	}
	var text string
	var props json.RawMessage
	if err := readObject(body, map[string]any{"payload": &text, "properties": &props}); err != nil {
		return nil, p, err
	}
	err = readObject(props, map[string]any{"type": &p.kind, "label": &p.label, "timestamp": &p.timestamp})
	return []byte(text), p, err
}

// publishedAt returns the timestamp, or the zero time if it is missing or invalid. Only a metric uses it, so an invalid
// one does not make the message malformed.
func (p properties) publishedAt() time.Time {
	text := string(p.timestamp)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms <= 0 || ms > maxUnixTime*1000 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// maxUnixTime is the end of the year 9999 in unix seconds, the last time that RFC 3339 can represent.
const maxUnixTime = 253402300799

// parseCreated parses a created room. It returns nil for a copy of another room: event copies rooms after a class has
// ended, and such a copy has the id of the class too but belongs to no create request of this service.
func parseCreated(kind minigroup.RoomKind, audience string, payload []byte) (*minigroup.AnnouncedRoom, error) {
	var source *string
	var createdAt int64
	r, err := parseRoom(audience, payload, map[string]any{"source_room_id": &source, "created_at": &createdAt})
	switch {
	case err != nil:
		return nil, err
	case source != nil:
		return nil, nil //nolint:nilnil // a copy is ignored, not an error
	case createdAt <= 0 || createdAt > maxUnixTime:
		return nil, errMalformed
	}
	return &minigroup.AnnouncedRoom{
		Kind: kind, ID: r.id, ClassID: r.class, Audience: audience, CreatedAt: time.Unix(createdAt, 0).UTC(),
	}, nil
}

// parseClosed parses a room that conference has closed.
func parseClosed(audience string, payload []byte) (*minigroup.ClosedRoom, error) {
	var timedOut bool
	r, err := parseRoom(audience, payload, map[string]any{"timed_out": &timedOut})
	if err != nil {
		return nil, err
	}
	return &minigroup.ClosedRoom{ID: r.id, ClassID: r.class, Audience: audience, TimedOut: timedOut}, nil
}

// room has the members that every room event contains.
type room struct{ id, class uuid.UUID }

// parseRoom parses a room, and the members of fields besides. It returns an error if its audience differs from that of
// the topic.
func parseRoom(topicAudience string, payload []byte, fields map[string]any) (r room, err error) {
	var id, class, audience string
	fields["id"], fields["classroom_id"], fields["audience"] = &id, &class, &audience
	if err := readObject(payload, fields); err != nil {
		return room{}, err
	}
	if audience != topicAudience {
		return room{}, errMalformed
	}
	if r.id, err = parseID(id); err != nil {
		return room{}, err
	}
	r.class, err = parseID(class)
	return r, err
}

// parseID parses a UUID in its canonical form. The library would accept other forms too.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		return uuid.Nil, errMalformed
	}
	return id, nil
}
