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

// minigroupObject is a minigroup as callers see it.
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
	// Properties are those that a read asked for, of the class and of the account; never null.
	Properties        map[string]json.RawMessage `json:"properties"`
	AccountProperties map[string]json.RawMessage `json:"account_properties"`
	Failure           *failureObject             `json:"failure,omitempty"`
	Update            *updateObject              `json:"update,omitempty"`
}

// windowTuple is [start, end) in unix seconds; null is unbounded.
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

// upstreamObject says which other service refused, and its own word for it where it gave one.
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
	// Recreate is there, if only as {}, where the minigroup is given new rooms.
	Recreate *recreationObject `json:"recreate,omitempty"`
}

type recreationObject struct {
	LockedChat      *bool `json:"locked_chat,omitempty"`
	LockedQuestions *bool `json:"locked_questions,omitempty"`
}

// problemObject is a failed request as callers see it (RFC 9457).
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

// healthObject says how the process is, and of what it needs for writing only.
type healthObject struct {
	Status   string `json:"status"`
	Temporal string `json:"temporal,omitempty"`
	Broker   string `json:"broker,omitempty"`
}

// describe is the minigroup as it stands at the moment now, without any of its properties.
func (s *server) describe(m minigroup.Minigroup, now time.Time) minigroupObject {
	status, classID := m.Status(now.Unix()), m.ID
	o := minigroupObject{
		ID:                m.Scope,
		ClassID:           classID.String(),
		ContentID:         classID.String(),
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
		TurnHost:          turnHost(s.TurnHosts, classID),
		Properties:        map[string]json.RawMessage{},
		AccountProperties: map[string]json.RawMessage{},
		Update:            describeUpdate(m.Update),
	}
	if m.State == minigroup.Ready {
		o.RealTime = &realTimeObject{m.EventRoomID.String(), m.ConferenceRoomID.String(), m.Host}
	}
	if status == minigroup.StatusFailed {
		o.Failure = describeFailure(m.Failure)
	}
	return o
}

// turnHost is always the same for a class; the classes spread evenly, for their ids are hashes.
func turnHost(hosts []string, classID uuid.UUID) string {
	if len(hosts) == 0 {
		return ""
	}
	return hosts[binary.BigEndian.Uint32(classID[:4])%uint32(len(hosts))] //nolint:gosec // a list from a file
}

func describeUpdate(u *minigroup.Update) *updateObject {
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
		o.State, o.Failure = "failed", describeFailure(u.Failure)
	}
	return o
}

func describeFailure(f *minigroup.Failure) *failureObject {
	if f == nil {
		return nil
	}
	return &failureObject{
		Type:     string(f.Kind),
		Title:    titleOf(f.Kind),
		Detail:   f.Detail,
		FailedAt: f.FailedAt.Unix(),
		Upstream: describeUpstream(f.Upstream, f.UpstreamType),
	}
}

func describeUpstream(name, word string) *upstreamObject {
	if name == "" {
		return nil
	}
	return &upstreamObject{Name: name, Type: word}
}

// The types of what is answered.
const (
	objectType  = "application/json; charset=utf-8"
	problemType = "application/problem+json"
)

// reply answers with an object.
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

// send writes the answer. Its length is told to HEAD as well.
func send(c *gin.Context, status int, contentType string, body []byte) {
	c.Set(bodyKey, body)
	c.Header("Content-Length", strconv.Itoa(len(body)))
	c.Data(status, contentType, body)
}

func encode(object any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // names and tags read as they were written
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("write the answer as JSON: %w", err)
	}
	return body.Bytes(), nil
}
