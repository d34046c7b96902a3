package linearizability

import "testing"

func TestBodiesAreParsed(t *testing.T) {
	draft, err := ParseDraft([]byte(`{"host": "ann", "time": [1, null], "reserve": null, "tags": {"b": 1, "a": 2}}`))
	want := Draft{values("1", "null", "ann", "0"), `{"host":"ann","reserve":null,"tags":{"a":2,"b":1},"time":[1,null]}`}
	if err != nil || draft != want {
		t.Errorf("the draft is %+v, %v", draft, err)
	}
	change, err := ParseChange([]byte(`{"time": [1, 2], "locked_chat": true}`), true)
	renewed := Change{Start: "1", End: "2", Recreate: `{"locked_chat":true}`}
	if err != nil || change != renewed {
		t.Errorf("the recreate is %+v, %v", change, err)
	}
	object, err := ParseObject([]byte(`{"status": "real-time", "host": "ann", "time": [1, 2], "reserve": 3,
		"real_time": {"event_room_id": "e", "conference_room_id": "c", "host": "ann"},
		"update": {"state": "running", "requested": {"time": [1, 2], "recreate": {"locked_chat": true}}}}`))
	shown := Object{
		Status: "real-time", Values: values("1", "2", "ann", "3"), EventRoom: "e", ConferenceRoom: "c",
		Update: Shown{"running", renewed},
	}
	if err != nil || object != shown {
		t.Errorf("the minigroup is %+v, %v", object, err)
	}
	for name, parse := range map[string]func([]byte) error{
		"draft":  func(b []byte) error { _, err := ParseDraft(b); return err },
		"change": func(b []byte) error { _, err := ParseChange(b, true); return err },
		"object": func(b []byte) error { _, err := ParseObject(b); return err },
	} {
		if parse([]byte(`{"time": 1}`)) == nil {
			t.Errorf("a %s with an invalid time is accepted", name)
		}
	}
}
