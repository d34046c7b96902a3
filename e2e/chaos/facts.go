package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// promise is how much the API has acknowledged of a class.
type promise int

const (
	nothing  promise = iota // no POST was answered so that there must be a row
	accepted                // 202: there is a row
	ready                   // 200 or 201: it is real-time from here on
)

// class is a minigroup as its one client knows it from the answers it got.
type class struct {
	scope    string
	id       uuid.UUID
	body     map[string]any
	start    int64
	promised promise
	drafts   int // that were asked for, one after the other
	// may are the values that each field may have: one where the API has acknowledged it, more where a request went unanswered.
	may map[string][]string
}

func newClass(scope string) *class {
	return &class{scope: scope, id: minigroup.ClassID("example.org", scope), may: map[string][]string{}}
}

func (c *class) path() string { return "/api/v1/minigroups/" + c.id.String() }

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
func (c *class) is(asked map[string]any) {
	for field, value := range fields(asked) {
		c.may[field] = []string{value}
	}
}

// maybe notes values of which nobody said whether they were taken.
func (c *class) maybe(asked map[string]any) {
	for field, value := range fields(asked) {
		if !slices.Contains(c.may[field], value) {
			c.may[field] = append(c.may[field], value)
		}
	}
}

// contradicts tells what is wrong with the object that is shown in the end; empty where nothing is. closing is what
// conference has done to its room.
func (c *class) contradicts(a answer, closing *closing) string {
	shown := fields(map[string]any{"time": a.Time, "host": a.Host, "reserve": a.Reserve})
	switch {
	case closing != nil && a.code == 200 && a.Status == "closed":
		if a.TimedOut != closing.timedOut {
			return "its room was closed otherwise: " + a.text
		}
		delete(shown, "time") // its end was the moment
	case closing != nil && closing.sure:
		return "its room was closed: " + a.text
	case a.code == 404 && c.promised == nothing:
		return ""
	case a.code != 200:
		return fmt.Sprintf("it was acknowledged and is answered %d %s", a.code, a.text)
	case a.Status == "failed" && c.promised == ready:
		return "it was acknowledged as ready and has failed: " + a.text
	case a.Status == "failed":
		return ""
	case a.Status != "real-time":
		return "it is none of real-time, failed: " + a.text
	case a.Update != nil && a.Update.State != "failed":
		return "its update is not decided: " + a.text
	}
	for field, may := range c.may {
		if _, told := shown[field]; told && !slices.Contains(may, shown[field]) {
			return fmt.Sprintf("%s is %s and may be %v only", field, shown[field], may)
		}
	}
	return ""
}
