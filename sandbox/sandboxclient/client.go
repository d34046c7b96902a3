package sandboxclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/pool"
)

// No connection is kept open, so that a test that ends leaves none.
var client = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// Rooms returns all rooms of the stand-in for event or conference at baseURL in the order of creation.
func Rooms(ctx context.Context, baseURL string) ([]sandbox.Room, error) {
	return get[sandbox.Room](ctx, baseURL, "rooms")
}

// JanusRooms returns all rooms of the stand-in for Janus at baseURL, its admin port, in the order of creation.
func JanusRooms(ctx context.Context, baseURL string) ([]sandbox.JanusRoom, error) {
	return get[sandbox.JanusRoom](ctx, baseURL, "rooms")
}

// Log returns the log of creates of the stand-in for event or conference at baseURL, the oldest first. It does not
// contain creates that still run and have not created a room yet.
func Log(ctx context.Context, baseURL string) ([]sandbox.Creation, error) {
	return get[sandbox.Creation](ctx, baseURL, "log")
}

// Pool returns the state of the database connections of the stand-in for event or conference at baseURL.
func Pool(ctx context.Context, baseURL string) (state pool.State, err error) {
	body, err := do(ctx, http.MethodGet, baseURL, "pool", nil)
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return state, fmt.Errorf("read sandbox pool: %w", err)
	}
	return state, nil
}

// ResizePool changes the number of database connections of the stand-in for event or conference at baseURL; 0 is
// unlimited. Connections in use stay in use.
func ResizePool(ctx context.Context, baseURL string, connections int) error {
	_, err := do(ctx, http.MethodPut, baseURL, "pool", fmt.Appendf(nil, `{"connections": %d}`, connections))
	return err
}

// SetFaults replaces all faults of the stand-in at baseURL. The error names a field that is not valid.
func SetFaults(ctx context.Context, baseURL string, faults ...sandbox.Fault) error {
	if faults == nil {
		faults = []sandbox.Fault{}
	}
	body, err := json.Marshal(faults)
	if err != nil {
		return fmt.Errorf("encode faults: %w", err)
	}
	_, err = do(ctx, http.MethodPut, baseURL, "faults", body)
	return err
}

// AddFault adds a fault behind the others of the stand-in at baseURL, and returns its id. The error names a field that
// is not valid.
func AddFault(ctx context.Context, baseURL string, fault sandbox.Fault) (id uuid.UUID, err error) {
	body, err := json.Marshal(fault)
	if err != nil {
		return id, fmt.Errorf("encode fault: %w", err)
	}
	reply, err := do(ctx, http.MethodPost, baseURL, "faults", body)
	if err != nil {
		return id, err
	}
	var added struct{ ID uuid.UUID }
	if err := json.Unmarshal(reply, &added); err != nil {
		return id, fmt.Errorf("read sandbox fault: %w", err)
	}
	return added.ID, nil
}

// RemoveFault removes a fault of the stand-in at baseURL. Requests that hang because of it receive a 503.
func RemoveFault(ctx context.Context, baseURL string, id uuid.UUID) error {
	_, err := do(ctx, http.MethodDelete, baseURL, "faults/"+id.String(), nil)
	return err
}

// ClearFaults removes all faults of the stand-in at baseURL. Requests that hang receive a 503.
func ClearFaults(ctx context.Context, baseURL string) error {
	_, err := do(ctx, http.MethodDelete, baseURL, "faults", nil)
	return err
}

// CloseRoom lets the stand-in for conference at baseURL close an open room without a request to its API, as
// conference does if the host has not come back (timedOut) or for another reason.
func CloseRoom(ctx context.Context, baseURL string, id uuid.UUID, timedOut bool) error {
	_, err := do(ctx, http.MethodPost, baseURL, fmt.Sprintf("rooms/%s/close?timed_out=%t", id, timedOut), nil)
	return err
}

func get[T any](ctx context.Context, baseURL, what string) ([]T, error) {
	body, err := do(ctx, http.MethodGet, baseURL, what, nil)
	if err != nil {
		return nil, err
	}
	var list []T
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read sandbox %s: %w", what, err)
	}
	return list, nil
}

func do(ctx context.Context, method, baseURL, what string, body []byte) ([]byte, error) {
	url := strings.TrimRight(baseURL, "/") + "/sandbox/" + what
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s sandbox %s: %w", method, what, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s sandbox %s: %w", method, what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s sandbox %s: %w", method, what, err)
	}
	if resp.StatusCode >= 300 {
		message := strings.TrimSpace(string(reply))
		return nil, fmt.Errorf("%s sandbox %s: status %d: %s", method, what, resp.StatusCode, message)
	}
	return reply, nil
}
