package linearizability

import (
	"encoding/json"
	"fmt"

	"minigroups/minigroup"
)

// wireChange is a change in JSON.
type wireChange struct {
	Time     *[2]*int64  `json:"time"`
	Host     *string     `json:"host"`
	Reserve  *int32      `json:"reserve"`
	Recreate *recreation `json:"recreate"`
}

func (w wireChange) change() Change {
	c := minigroup.Change{Host: w.Host, Reserve: w.Reserve, Recreate: (*minigroup.Recreation)(w.Recreate)}
	if w.Time != nil {
		c.Time = &minigroup.Window{Start: w.Time[0], End: w.Time[1]}
	}
	return ChangeOf(c)
}

// values returns the values of a draft or a minigroup, which has all of them.
func (w wireChange) values() Values {
	c := w.change()
	v := Values{Start: "null", End: "null", Host: c.Host, Reserve: slots(w.Reserve)}
	if w.Time != nil {
		v.Start, v.End = c.Start, c.End
	}
	return v
}

// ParseDraft parses the body of a create. Bodies with the same fields are equal drafts.
func ParseDraft(text []byte) (d Draft, err error) {
	var w wireChange
	var all map[string]any
	if err := json.Unmarshal(text, &w); err != nil {
		return d, fmt.Errorf("parse draft: %w", err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return d, fmt.Errorf("parse draft: %w", err)
	}
	sorted, err := json.Marshal(all)
	return Draft{w.values(), string(sorted)}, err
}

// ParseChange parses the body of an update or, if recreate is set, of a recreate.
func ParseChange(text []byte, recreate bool) (c Change, err error) {
	var w wireChange
	if err := json.Unmarshal(text, &w); err != nil {
		return c, fmt.Errorf("parse change: %w", err)
	}
	if recreate {
		w.Recreate = &recreation{}
		if err := json.Unmarshal(text, w.Recreate); err != nil {
			return c, fmt.Errorf("parse recreate: %w", err)
		}
	}
	return w.change(), nil
}

// ParseObject parses a minigroup.
func ParseObject(text []byte) (o Object, err error) {
	var w struct {
		wireChange
		Status   string `json:"status"`
		RealTime struct {
			Event      string `json:"event_room_id"`
			Conference string `json:"conference_room_id"`
		} `json:"real_time"`
		Update struct {
			State     string     `json:"state"`
			Requested wireChange `json:"requested"`
		} `json:"update"`
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return o, fmt.Errorf("parse minigroup: %w", err)
	}
	o = Object{
		Status: w.Status, Values: w.values(), EventRoom: w.RealTime.Event, ConferenceRoom: w.RealTime.Conference,
		Update: Shown{State: w.Update.State, Requested: w.Update.Requested.change()},
	}
	return o, nil
}
