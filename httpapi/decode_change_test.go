package httpapi

import (
	"reflect"
	"testing"

	"minigroups/minigroup"
)

func TestDecodeChange(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want minigroup.Change
	}{
		"an empty object changes nothing": {`{}`, minigroup.Change{}},
		"null changes nothing":            {`{"time":null,"reserve":null,"host":null}`, minigroup.Change{}},
		"other fields are ignored":        {`{"tags":[],"scope":5}`, minigroup.Change{}},
		"every field": {
			`{"time":[null,5],"reserve":0,"host":"web.teacher.example.org"}`,
			minigroup.Change{
				Time: &minigroup.Window{End: new(int64(5))}, Reserve: new(int32(0)), Host: new("web.teacher.example.org"),
			},
		},
		"an unbounded time": {`{"time":[null,null]}`, minigroup.Change{Time: &minigroup.Window{}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := decodeChange([]byte(c.body)); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"an array":         {`[]`, []string{"body"}},
		"null":             {`null`, []string{"body"}},
		"time from 5 to 3": {`{"time":[5,3]}`, []string{"time"}},
		"every field invalid": {
			`{"time":[1.0,-2],"reserve":-1,"host":5}`, []string{"time[0]", "reserve", "host", "time[1]"},
		},
		"a host that is not an agent id": {`{"host":"teacher.example"}`, []string{"host"}},
		"an empty host":                  {`{"host":""}`, []string{"host"}},
		"a host with a surrogate":        {`{"host":"a.b.\ud800"}`, []string{"host"}},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			_, err := decodeChange([]byte(c.body))
			if got := fieldsOf(t, err); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got errors in %v, want %v", got, c.want)
			}
		})
	}
}
