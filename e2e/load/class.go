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
	Nothing  Promise = iota // no POST was answered so that there must be a row
	Accepted                // 202: there is a row
	Ready                   // 200 or 201: it is real-time from here on
)

// Class is a minigroup as its one client knows it from the answers it got.
type Class struct {
	Scope    string
	ID       uuid.UUID
	body     map[string]any
	start    int64
	Promised Promise
	drafts   int // that were asked for, one after the other
	// may are the values that each field may have: one where the API has acknowledged it, more where a request went unanswered.
	possible map[string][]string
}

// NewClass is a class of which nobody has asked for anything yet.
func NewClass(scope string) *Class {
	return &Class{Scope: scope, ID: minigroup.ClassID("example.org", scope), possible: map[string][]string{}}
}

// Path is where the API has it.
func (c *Class) Path() string { return "/api/v1/minigroups/" + c.ID.String() }

// fields are the values that a request asks for, written down.
func fields(asked map[string]any) map[string]string {
	values := map[string]string{}
	for _, field := range []string{"time", "reserve", "host"} {
		if value, ok := asked[field]; ok {
			text, _ := json.Marshal(value) // numbers, lists and strings
			values[field] = string(text)
		}
	}
	return values
}

// is notes values that were acknowledged.
func (c *Class) setValues(asked map[string]any) {
	for field, value := range fields(asked) {
		c.possible[field] = []string{value}
	}
}

// maybe notes values of which nobody said whether they were taken.
func (c *Class) addValues(asked map[string]any) {
	for field, value := range fields(asked) {
		if !slices.Contains(c.possible[field], value) {
			c.possible[field] = append(c.possible[field], value)
		}
	}
}

// Contradicts tells what is wrong with the object that is shown in the end; empty where nothing is. closing is what
// conference has done to its room.
func (c *Class) Contradiction(a Answer, closing *Closing) string {
	shown := fields(map[string]any{"time": a.Time, "host": a.Host, "reserve": a.Reserve})
	switch {
	case closing != nil && a.Code == 200 && a.Status == "closed":
		if a.TimedOut != closing.TimedOut {
			return "its room was closed otherwise: " + a.Text
		}
		delete(shown, "time") // its end was the moment
	case closing != nil && closing.Certain:
		return "its room was closed: " + a.Text
	case a.Code == 404 && c.Promised == Nothing:
		return ""
	case a.Code != 200:
		return fmt.Sprintf("it was acknowledged and is answered %d %s", a.Code, a.Text)
	case a.Status == "failed" && c.Promised == Ready:
		return "it was acknowledged as ready and has failed: " + a.Text
	case a.Status == "failed":
		return ""
	case a.Status != "real-time":
		return "it is none of real-time, failed: " + a.Text
	case a.Update != nil && a.Update.State != "failed":
		return "its update is not decided: " + a.Text
	}
	for field, may := range c.possible {
		if _, told := shown[field]; told && !slices.Contains(may, shown[field]) {
			return fmt.Sprintf("%s is %s and may be %v only", field, shown[field], may)
		}
	}
	return ""
}
