package httpapitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"pgregory.net/rapid"
)

// Creates are bodies of POST for these audiences: most of them good, some with a field that is not, some with anything.
func Creates(audiences ...string) *rapid.Generator[string] {
	return bodies(fields{
		"scope": name, "audience": written(rapid.SampledFrom(audiences)), "host": name,
		"time": windows, "tags": objects(3, plain), "reserve": slots, "locked_chat": written(rapid.Bool()),
		"locked_questions": written(rapid.Bool()), "properties": rapid.SampledFrom([]string{`{"is_adult":true,"note":{"a":["\u2028",-0.0]}}`, "{}"}),
	})
}

// Changes are bodies of PUT, of the same kinds.
func Changes() *rapid.Generator[string] {
	return bodies(fields{"time": windows, "reserve": slots, "host": written(rapid.SampledFrom([]string{"a.b.c", "web.teacher.example.org"}))})
}

// Differences lists the fields that a body asks for and an object, which has no properties unless they were asked for, shows
// otherwise. Both are JSON objects.
func Differences(body, object string) (different []string, err error) {
	var asked, shown map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &asked); err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if err := json.Unmarshal([]byte(object), &shown); err != nil {
		return nil, fmt.Errorf("read the object: %w", err)
	}
	for _, field := range []string{"scope", "audience", "host", "time", "tags", "reserve", "locked_chat", "locked_questions"} {
		if len(asked[field]) == 0 || string(asked[field]) == "null" {
			continue
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(asked[field], &want), json.Unmarshal(shown[field], &got)); err != nil {
			return nil, fmt.Errorf("read %s: %w", field, err)
		}
		if !reflect.DeepEqual(want, got) {
			different = append(different, fmt.Sprintf("%s is %v, not %v", field, got, want))
		}
	}
	return different, nil
}

// texts makes JSON as it is written, which may be none at all.
type (
	texts  = *rapid.Generator[string]
	fields map[string]texts
)

func written[T any](values *rapid.Generator[T]) texts {
	return rapid.Map(values, func(v T) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // strings, numbers and the like
		}
		return string(text)
	})
}

var (
	name    = written(rapid.StringOfN(rapid.RuneFrom([]rune("/%?#. +\"'"), unicode.Letter, unicode.Nd, unicode.So), 1, 40, -1))
	slots   = written(rapid.Int32Range(0, 40))
	windows = rapid.Custom(func(t *rapid.T) string {
		window := [2]*int64{}
		start := rapid.Int64Range(0, 253402300798).Draw(t, "start")
		end := rapid.Int64Range(max(start+1, 4102444800), 253402300799).Draw(t, "end")
		if rapid.Bool().Draw(t, "starts") {
			window[0] = &start
		}
		if rapid.Bool().Draw(t, "ends") {
			window[1] = &end
		}
		return written(rapid.Just(window)).Draw(t, "window")
	})

	// plain values are kept as they are; with odd ones something is the matter.
	plain = rapid.OneOf(
		written(rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 }))),
		written(rapid.Int64()), written(rapid.Float64()), written(rapid.Bool()), rapid.Just("null"), rapid.Just(`"\ud83d\ude00\u2028"`), rapid.Just("-0.0"),
	)
	odd = rapid.SampledFrom([]string{
		"null", "1.0", "1e400", "-1", "9223372036854775808", "253402300800", `""`, `"\ud800"`, `"\u0000"`, `"\u0085"`, "\"\xff\"", "[]", "{}", "[2,1]", "[1,2,3]",
		`{"a":1,"a":"\u0000"}`, strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), `"` + strings.Repeat("я", 256) + `"`, "01", "'a'", "tru",
	})
	anything = rapid.OneOf(odd, plain, objects(3, rapid.OneOf(odd, plain)), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
)

// bodies are objects whose fields are good but for one in twenty, which is absent, or anything.
func bodies(good fields) texts {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 19).Draw(t, "is no object") == 19 {
			return anything.Draw(t, "body")
		}
		members := fields{}
		for _, field := range slices.Sorted(maps.Keys(good)) {
			switch rapid.IntRange(0, 39).Draw(t, field+" is") {
			case 38:
				members[field] = anything
			case 39: // absent
			default:
				members[field] = good[field]
			}
		}
		return object(t, members)
	})
}

func object(t *rapid.T, members fields) string {
	var text []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		text = append(text, written(rapid.Just(key)).Draw(t, "key")+":"+members[key].Draw(t, key))
	}
	return "{" + strings.Join(text, ",") + "}"
}

// objects hold objects, arrays and leaves, nested at most so deep.
func objects(depth int, leaves texts) texts {
	values := leaves
	if depth > 1 {
		values = rapid.OneOf(leaves, objects(depth-1, leaves), rapid.Map(rapid.SliceOfN(objects(depth-1, leaves), 0, 3), func(items []string) string {
			return "[" + strings.Join(items, ",") + "]"
		}))
	}
	// A line break in a key is beyond the tests' own reader of openapi.yaml.
	keys := rapid.SliceOfNDistinct(rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 && r != '\n' })), 0, 4, rapid.ID)
	return rapid.Custom(func(t *rapid.T) string {
		members := fields{}
		for _, key := range keys.Draw(t, "keys") {
			members[key] = values
		}
		return object(t, members)
	})
}
