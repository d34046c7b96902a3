package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"
)

// Object is a minigroup, or a problem, as the API shows it.
type Object struct {
	ClassID  uuid.UUID       `json:"class_id"`
	Status   any             `json:"status"`
	Time     json.RawMessage `json:"time"`
	Host     string          `json:"host"`
	Reserve  *int32          `json:"reserve"`
	TimedOut bool            `json:"timed_out"`
	RealTime *struct {
		EventRoomID      uuid.UUID `json:"event_room_id"`
		ConferenceRoomID uuid.UUID `json:"conference_room_id"`
	} `json:"real_time"`
	Update *struct {
		State string `json:"state"`
	} `json:"update"`

	Type        string `json:"type"`
	Detail      string `json:"detail"`
	IsTransient bool   `json:"is_transient"`
}

// Answer is the answer to a request. Code is 0 if there was none.
type Answer struct {
	Object
	Code int
	Text string
	// RetryAfter and ETag are the headers of these names.
	RetryAfter, ETag string
}

// Summary returns status code and problem type, for counting.
func (a Answer) Summary() string {
	switch {
	case a.Code == 0:
		return "none"
	case a.Type != "":
		return fmt.Sprintf("%d %s", a.Code, a.Type)
	default:
		return fmt.Sprint(a.Code)
	}
}

// IsUncertain reports whether the request may have had an effect and should be repeated. Clients repeat a request that
// Temporal has refused, too, as if they knew that an operator acts.
func (a Answer) IsUncertain() bool {
	return a.Code == 0 || a.IsTransient || a.Type == "service_misconfigured"
}

// Exchange sends one request with a token. It returns the answer, or an error if there was none.
func Exchange(
	ctx context.Context, client *http.Client, token, method, url string, body any, headers ...string,
) (a Answer, err error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return a, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(text, &a.Object); err != nil && res.StatusCode != http.StatusNotModified {
		return a, fmt.Errorf("%d with a body that is not JSON: %q", res.StatusCode, text)
	}
	a.Code, a.Text = res.StatusCode, string(text)
	a.RetryAfter, a.ETag = res.Header.Get("Retry-After"), res.Header.Get("ETag")
	return a, nil
}
