package dispatcher

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// Service is an API with the paths of dispatcher.
type Service struct {
	URL, Token string
	Transport  http.RoundTripper
}

// Difference is a field in which the answers of both services differ.
type Difference struct {
	ClassID    uuid.UUID `json:"class_id"`
	Audience   string    `json:"audience"`
	Scope      string    `json:"scope"`
	Field      string    `json:"field"`
	Dispatcher string    `json:"dispatcher"`
	Here       string    `json:"here"`
}

// answer is what both services say about a class.
type answer struct {
	Status int `json:"-"`

	ID       string `json:"id"`
	ClassID  string `json:"class_id"`
	RealTime struct {
		EventRoomID      string `json:"event_room_id"`
		ConferenceRoomID string `json:"conference_room_id"`
	} `json:"real_time"`
	ClassStatus string         `json:"status"`
	TimedOut    bool           `json:"timed_out"`
	Properties  map[string]any `json:"properties"`
}

// maxCompared bounds the properties that one request names.
const maxCompared = 100

// Compare reads a class from both services, by its scope and with its properties, and returns the fields that both have
// and that differ. A class with a recording is closed here, whatever dispatcher's status says about the recording.
func Compare(ctx context.Context, theirs, ours Service, c Class) ([]Difference, error) {
	path := "/api/v1/audiences/" + url.PathEscape(c.Audience) + "/minigroups/" + url.PathEscape(c.Scope)
	var properties map[string]json.RawMessage
	if c.Properties != nil {
		if err := json.Unmarshal(c.Properties, &properties); err != nil {
			return nil, fmt.Errorf("properties of class %s: %w", c.ID, err)
		}
	}
	for i, key := range slices.Sorted(maps.Keys(properties)) {
		if i == maxCompared {
			break
		}
		path += map[bool]string{true: "?", false: "&"}[i == 0] + "class_keys[]=" + url.QueryEscape(key)
	}
	their, err := theirs.get(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("ask dispatcher for class %s: %w", c.ID, err)
	}
	our, err := ours.get(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("ask this service for class %s: %w", c.ID, err)
	}
	return their.differences(our, c), nil
}

func (a answer) differences(our answer, c Class) (all []Difference) {
	field := func(name string, theirs, ours any) {
		if !reflect.DeepEqual(theirs, ours) {
			all = append(all, Difference{
				ClassID: c.ID, Audience: c.Audience, Scope: c.Scope, Field: name,
				Dispatcher: fmt.Sprint(theirs), Here: fmt.Sprint(ours),
			})
		}
	}
	if a.Status != http.StatusOK || our.Status != http.StatusOK { // two refusals are no comparison
		return []Difference{{
			ClassID: c.ID, Audience: c.Audience, Scope: c.Scope, Field: "HTTP status",
			Dispatcher: strconv.Itoa(a.Status), Here: strconv.Itoa(our.Status),
		}}
	}
	field("id", a.ID, our.ID)
	field("class_id", a.ClassID, our.ClassID)
	field("real_time.event_room_id", a.RealTime.EventRoomID, our.RealTime.EventRoomID)
	field("real_time.conference_room_id", a.RealTime.ConferenceRoomID, our.RealTime.ConferenceRoomID)
	status := a.ClassStatus
	if status == "finished" || status == "adjusted" || status == "transcoded" {
		status = "closed"
	}
	field("status", status, our.ClassStatus)
	field("timed_out", a.TimedOut, our.TimedOut)
	field("properties", a.Properties, our.Properties)
	return all
}

// maxAnswer bounds the body of an answer, in bytes.
const maxAnswer = 1 << 20

func (s Service) get(ctx context.Context, path string) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return a, err
	}
	request.Header.Set("Authorization", "Bearer "+s.Token)
	response, err := s.Transport.RoundTrip(request)
	if err != nil {
		return a, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return a, err
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode >= http.StatusInternalServerError:
		return a, fmt.Errorf("it answered %s: %.200s", response.Status, body)
	case response.StatusCode == http.StatusOK:
		err = json.Unmarshal(body, &a)
	}
	a.Status = response.StatusCode
	return a, err
}
