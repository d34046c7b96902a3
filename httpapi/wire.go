package httpapi

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// minigroupObject is the JSON form of a minigroup.
type minigroupObject struct {
	ID              string          `json:"id"`
	ClassID         string          `json:"class_id"`
	ContentID       string          `json:"content_id"`
	Audience        string          `json:"audience"`
	Scope           string          `json:"scope"`
	Host            string          `json:"host"`
	Time            windowTuple     `json:"time"`
	Tags            json.RawMessage `json:"tags,omitempty"`
	Reserve         *int32          `json:"reserve,omitempty"`
	LockedChat      bool            `json:"locked_chat"`
	LockedQuestions bool            `json:"locked_questions"`
	Status          string          `json:"status"`
	TimedOut        bool            `json:"timed_out"`
	CreatedAt       int64           `json:"created_at"`
	RealTime        *realTimeObject `json:"real_time,omitempty"`
	TurnHost        string          `json:"turn_host,omitempty"`
	// Properties and AccountProperties are the properties that a read names. They are never null.
	Properties        map[string]json.RawMessage `json:"properties"`
	AccountProperties map[string]json.RawMessage `json:"account_properties"`
	Failure           *failureObject             `json:"failure,omitempty"`
	Update            *updateObject              `json:"update,omitempty"`
}

// windowTuple is [start, end) in unix seconds, where null is unbounded.
type windowTuple [2]*int64

type realTimeObject struct {
	EventRoomID      string `json:"event_room_id"`
	ConferenceRoomID string `json:"conference_room_id"`
	Host             string `json:"host"`
}

type failureObject struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Detail   string          `json:"detail"`
	FailedAt int64           `json:"failed_at"`
	Upstream *upstreamObject `json:"upstream,omitempty"`
}

// upstreamObject names the service that refused or failed, and its own error type if it sent one.
type upstreamObject struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

type updateObject struct {
	State     string         `json:"state"`
	Requested changeObject   `json:"requested"`
	Failure   *failureObject `json:"failure,omitempty"`
}

type changeObject struct {
	Time    *windowTuple `json:"time,omitempty"`
	Reserve *int32       `json:"reserve,omitempty"`
	Host    *string      `json:"host,omitempty"`
	// Recreate is set, possibly to {}, if the change replaces the rooms.
	Recreate *recreationObject `json:"recreate,omitempty"`
}

type recreationObject struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

// problemObject is the JSON form of an error (RFC 9457).
type problemObject struct {
	Type        string             `json:"type"`
	Title       string             `json:"title"`
	Status      int                `json:"status"`
	Detail      string             `json:"detail,omitempty"`
	Instance    string             `json:"instance"`
	RequestID   string             `json:"request_id"`
	IsTransient bool               `json:"is_transient"`
	Errors      []fieldErrorObject `json:"errors,omitempty"`
	Upstream    *upstreamObject    `json:"upstream,omitempty"`
}

type fieldErrorObject struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// healthObject is the state of the process, of Temporal, of the worker in the process and of the MQTT broker.
type healthObject struct {
	Status   string `json:"status"`
	Temporal string `json:"temporal,omitempty"`
	Worker   string `json:"worker,omitempty"`
	Broker   string `json:"broker,omitempty"`
}

// describe returns the JSON form of the minigroup at the time now, without properties.
func (s *server) toObject(m minigroup.Minigroup, now time.Time) minigroupObject {
	status, classID := m.Status(now.Unix()), m.ID.String()
	o := minigroupObject{
		ID:                m.Scope,
		ClassID:           classID,
		ContentID:         classID,
		Audience:          m.Audience,
		Scope:             m.Scope,
		Host:              m.Host,
		Time:              windowTuple{m.Time.Start, m.Time.End},
		Tags:              m.Tags,
		Reserve:           m.Reserve,
		LockedChat:        m.LockedChat,
		LockedQuestions:   m.LockedQuestions,
		Status:            string(status),
		TimedOut:          m.TimedOut,
		CreatedAt:         m.CreatedAt.Unix(),
		TurnHost:          turnHost(s.TurnHosts, m.ID),
		Properties:        map[string]json.RawMessage{},
		AccountProperties: map[string]json.RawMessage{},
		Update:            toUpdateObject(m.Update),
	}
	if m.State == minigroup.Ready {
		o.RealTime = &realTimeObject{m.EventRoomID.String(), m.ConferenceRoomID.String(), m.Host}
	}
	if status == minigroup.StatusFailed {
		o.Failure = toFailureObject(m.Failure)
	}
	return o
}

// turnHost returns the TURN server of a class: always the same one, and evenly distributed because class ids are
// hashes.
func turnHost(hosts []string, classID uuid.UUID) string {
	if len(hosts) == 0 {
		return ""
	}
	n := uint32(len(hosts)) //nolint:gosec // a configured list is short
	return hosts[binary.BigEndian.Uint32(classID[:4])%n]
}

func toUpdateObject(u *minigroup.Update) *updateObject {
	if u == nil || u.State == minigroup.UpdateDone {
		return nil
	}
	o := &updateObject{State: "running", Requested: changeObject{Reserve: u.Requested.Reserve, Host: u.Requested.Host}}
	if w := u.Requested.Time; w != nil {
		o.Requested.Time = &windowTuple{w.Start, w.End}
	}
	if r := u.Requested.Recreate; r != nil {
		o.Requested.Recreate = (*recreationObject)(r)
	}
	if u.State == minigroup.UpdateFailed {
		o.State, o.Failure = "failed", toFailureObject(u.Failure)
	}
	return o
}

func toFailureObject(f *minigroup.Failure) *failureObject {
	if f == nil {
		return nil
	}
	return &failureObject{
		Type:     string(f.Kind),
		Title:    titleOf(f.Kind),
		Detail:   f.Detail,
		FailedAt: f.FailedAt.Unix(),
		Upstream: toUpstreamObject(f.Upstream, f.UpstreamType),
	}
}

func toUpstreamObject(name, errorType string) *upstreamObject {
	if name == "" {
		return nil
	}
	return &upstreamObject{Name: name, Type: errorType}
}

// The content types of responses.
const (
	objectType  = "application/json; charset=utf-8"
	problemType = "application/problem+json"
)

// reply encodes and sends an object.
func reply(c *gin.Context, status int, object any) error {
	return replyAs(c, status, objectType, object)
}

func replyAs(c *gin.Context, status int, contentType string, object any) error {
	body, err := encode(object)
	if err != nil {
		return err
	}
	send(c, status, contentType, body)
	return nil
}

// send writes the response, unless it is held back. Content-Length is set because HEAD has it too.
func send(c *gin.Context, status int, contentType string, body []byte) {
	if hold(c, status, body) {
		return
	}
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Data(status, contentType, body)
}

// usualSize is that of most responses, in bytes, so that their buffer does not grow.
const usualSize = 1 << 10

func encode(object any) ([]byte, error) {
	body := bytes.NewBuffer(make([]byte, 0, usualSize))
	encoder := json.NewEncoder(body)
	encoder.SetEscapeHTML(false) // names and tags keep their form
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("encode the response: %w", err)
	}
	return body.Bytes(), nil
}
