package httpapitest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

type (
	// jsonText generates the text of a JSON value, which may be invalid JSON.
	jsonText = *rapid.Generator[string]
	// fields are the members of an object.
	fields map[string]jsonText
)

// encoded generates the JSON of values, which are strings, numbers, booleans or arrays of them.
func encoded[T any](values *rapid.Generator[T]) jsonText {
	return rapid.Map(values, func(v T) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return string(text)
	})
}

var (
	nameRunes = rapid.RuneFrom([]rune("/%?#. +\"'"), unicode.Letter, unicode.Nd, unicode.So)
	names     = encoded(rapid.Map(rapid.StringOfN(nameRunes, 1, 40, -1), norm.NFC.String))

	slotNumbers = encoded(rapid.Int32Range(0, 40))

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
		return encoded(rapid.Just(window)).Draw(t, "window")
	})

	// validValues are stored unchanged in tags and properties.
	validValues = rapid.OneOf(
		encoded(rapid.StringOf(runesExcept(0))),
		encoded(rapid.Int64()), encoded(rapid.Float64()), encoded(rapid.Bool()),
		rapid.Just("null"), rapid.Just(`"\ud83d\ude00\u2028"`), rapid.Just("-0.0"),
	)
	// invalidValues are invalid in at least one field.
	invalidValues = rapid.SampledFrom([]string{
		"null", "1.0", "1e400", "-1", "9223372036854775808", "253402300800",
		`""`, `"\ud800"`, `"\u0000"`, `"\u0085"`, `"e\u0301"`, "\"\xff\"", `"` + strings.Repeat("я", 256) + `"`,
		"[]", "{}", "[2,1]", "[1,2,3]", `{"a":1,"a":"\u0000"}`, strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		"01", "'a'", "tru",
	})
	arbitraryBytes = rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })

	anything = rapid.OneOf(
		invalidValues, validValues, objects(3, rapid.OneOf(invalidValues, validValues)), arbitraryBytes,
	)
)

func runesExcept(excluded ...rune) *rapid.Generator[rune] {
	return rapid.Rune().Filter(func(r rune) bool { return !slices.Contains(excluded, r) })
}

// bodies generates objects with these valid fields. Each field is absent in one of 40 objects and has any value in
// another one; one of 20 bodies is not such an object at all.
func bodies(valid fields) jsonText {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 19).Draw(t, "is arbitrary") == 19 {
			return anything.Draw(t, "body")
		}
		members := fields{}
		for _, field := range slices.Sorted(maps.Keys(valid)) {
			switch rapid.IntRange(0, 39).Draw(t, field+" is") {
			case 38:
				members[field] = anything
			case 39: // absent
			default:
				members[field] = valid[field]
			}
		}
		return object(t, members)
	})
}

func object(t *rapid.T, members fields) string {
	var text []string
	for _, key := range slices.Sorted(maps.Keys(members)) {
		text = append(text, encoded(rapid.Just(key)).Draw(t, "key")+":"+members[key].Draw(t, key))
	}
	return "{" + strings.Join(text, ",") + "}"
}

// objects generates objects of leaves, objects and arrays, at most depth levels deep.
func objects(depth int, leaves jsonText) jsonText {
	values := leaves
	if depth > 1 {
		nested := objects(depth-1, leaves)
		arrays := rapid.Map(rapid.SliceOfN(nested, 0, 3), func(items []string) string {
			return "[" + strings.Join(items, ",") + "]"
		})
		values = rapid.OneOf(leaves, nested, arrays)
	}
	// The validator of responses cannot handle a line break in a key.
	keys := rapid.SliceOfNDistinct(rapid.StringOf(runesExcept(0, '\n')), 0, 4, rapid.ID)
	return rapid.Custom(func(t *rapid.T) string {
		members := fields{}
		for _, key := range keys.Draw(t, "keys") {
			members[key] = values
		}
		return object(t, members)
	})
}
