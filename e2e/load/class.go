package load

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Promise is how much the API has acknowledged of a class.
type Promise int

// What the API has acknowledged, from less to more.
const (
	Nothing  Promise = iota // no answer promises a row
	Accepted                // 202: there is a row
	Ready                   // 200 or 201: it stays real-time
)

// Class is what its only client knows of a minigroup from the answers it received.
type Class struct {
	Scope    string
	ID       uuid.UUID
	body     map[string]any
	start    int64
	Promised Promise
	drafts   int    // number of drafts sent so far
	key      string // the idempotency key of the draft; empty without one
	// possible are the values that each field may have: one if the API acknowledged it, several if a request was not
	// answered.
	possible map[string][]string
}

// NewClass returns a class for which no request was sent yet.
func NewClass(scope string) *Class {
	return &Class{Scope: scope, ID: minigroup.NewClassID("example.org", scope), possible: map[string][]string{}}
}

// Path returns its path at the API.
func (c *Class) Path() string { return "/api/v1/minigroups/" + c.ID.String() }

// draft returns the body of a create and, if it has one, the header with its key.
func (c *Class) draft() (body map[string]any, key []string) {
	if c.key != "" {
		key = []string{"Idempotency-Key", c.key}
	}
	return c.body, key
}

// fields returns the values that a request sets, as JSON.
func fields(requested map[string]any) map[string]string {
	values := map[string]string{}
	for _, field := range []string{"time", "reserve", "host"} {
		if value, ok := requested[field]; ok {
			text, _ := json.Marshal(value) // cannot fail for numbers, lists and strings
			values[field] = string(text)
		}
	}
	return values
}

// setValues records values that the API acknowledged.
func (c *Class) setValues(requested map[string]any) {
	for field, value := range fields(requested) {
		c.possible[field] = []string{value}
	}
}

// addValues records values that may have been set, because the request was not answered.
func (c *Class) addValues(requested map[string]any) {
	for field, value := range fields(requested) {
		if !slices.Contains(c.possible[field], value) {
			c.possible[field] = append(c.possible[field], value)
		}
	}
}

// ForgetValues makes any values possible.
func (c *Class) ForgetValues() { clear(c.possible) }

// Contradiction returns how the object shown at the end contradicts the answers; empty if it does not. closing is what
// conference has done to the room.
func (c *Class) Contradiction(a Answer, closing *Closing) string {
	shown := fields(map[string]any{"time": a.Time, "host": a.Host, "reserve": a.Reserve})
	switch {
	case closing != nil && a.Code == 200 && a.Status == "closed":
		if a.TimedOut != closing.TimedOut {
			return "timed_out is not as conference closed the room: " + a.Text
		}
		delete(shown, "time") // it ended when the room was closed
	case closing != nil && closing.Certain:
		return "its room was closed and it is not: " + a.Text
	case a.Code == 404 && c.Promised == Nothing:
		return ""
	case a.Code != 200:
		return fmt.Sprintf("it was acknowledged, and the answer is %d %s", a.Code, a.Text)
	case a.Status == "failed" && c.Promised == Ready:
		return "it was acknowledged as ready and has failed: " + a.Text
	case a.Status == "failed":
		return ""
	case a.Status != "real-time":
		return "it is neither real-time nor failed: " + a.Text
	case a.Update != nil && a.Update.State != "failed":
		return "its update is still running: " + a.Text
	}
	for field, possible := range c.possible {
		if value, isShown := shown[field]; isShown && !slices.Contains(possible, value) {
			return fmt.Sprintf("%s is %s, want one of %v", field, value, possible)
		}
	}
	return ""
}
