package httpapitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"pgregory.net/rapid"
)

// CreateBodies generates bodies of POST in these audiences: most are valid, some have an invalid field, and some are
// arbitrary bytes.
func CreateBodies(audiences ...string) *rapid.Generator[string] {
	return bodies(fields{
		"scope": names, "audience": encoded(rapid.SampledFrom(audiences)), "host": names,
		"time": windows, "tags": objects(3, validValues), "reserve": slotNumbers,
		"locked_chat": encoded(rapid.Bool()), "locked_questions": encoded(rapid.Bool()),
		"properties": rapid.SampledFrom([]string{`{"is_adult":true,"note":{"a":["\u2028",-0.0]}}`, "{}"}),
	})
}

// UpdateBodies generates bodies of PUT, as CreateBodies does of POST.
func UpdateBodies() *rapid.Generator[string] {
	hosts := encoded(rapid.SampledFrom([]string{"a.b.c", "web.teacher.example.org"}))
	return bodies(fields{"time": windows, "reserve": slotNumbers, "host": hosts})
}

// Differences describes each field of a request body that has another value in the minigroup object of a response.
// Properties are not compared. It returns an error if one of the texts is not a JSON object.
func Differences(body, object string) (different []string, err error) {
	var requested, shown map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &requested); err != nil {
		return nil, fmt.Errorf("decode the body: %w", err)
	}
	if err := json.Unmarshal([]byte(object), &shown); err != nil {
		return nil, fmt.Errorf("decode the object: %w", err)
	}
	for _, field := range []string{
		"scope", "audience", "host", "time", "tags", "reserve", "locked_chat", "locked_questions",
	} {
		if len(requested[field]) == 0 || string(requested[field]) == "null" {
			continue
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(requested[field], &want), json.Unmarshal(shown[field], &got)); err != nil {
			return nil, fmt.Errorf("decode %s: %w", field, err)
		}
		if !reflect.DeepEqual(want, got) {
			different = append(different, fmt.Sprintf("%s is %v, not %v", field, got, want))
		}
	}
	return different, nil
}
