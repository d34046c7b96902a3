package minigroup_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"minigroups/minigroup"
)

// canonical decodes tags as the API does and returns their canonical form and the paths of mistakes.
func canonical(t *testing.T, text string) (string, []string) {
	t.Helper()
	var tags map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tags); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	out, errs := minigroup.CanonicalJSON("tags", tags)
	return string(out), fields(errs)
}

// nested returns tags with this depth: objects or arrays, which open and shut begin and end.
func nested(levels int, open, shut string) string {
	return `{"a":` + strings.Repeat(open, levels-1) + "1" + strings.Repeat(shut, levels-1) + "}"
}

func TestCanonicalJSON(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{
			"keys are sorted at every level and spaces removed",
			` { "b" : [ {"d":1, "c":2} ], "a" : null } `, `{"a":null,"b":[{"c":2,"d":1}]}`,
		},
		{"an array keeps its order", `{"a":[3,1,2]}`, `{"a":[3,1,2]}`},
		{"the greatest int64 is unchanged", `{"a":9223372036854775807}`, `{"a":9223372036854775807}`},
		{"the least int64 is unchanged", `{"a":-9223372036854775808}`, `{"a":-9223372036854775808}`},
		{"1.0 is 1", `{"a":1.0}`, `{"a":1}`},
		{"1e2 is 100", `{"a":1e2}`, `{"a":100}`},
		{"-0 is 0", `{"a":-0}`, `{"a":0}`},
		{"-0.0 is 0", `{"a":-0.0}`, `{"a":0}`},
		{"a whole number beyond int64 is the nearest float64", `{"a":12345678901234567890}`, `{"a":12345678901234567000}`},
		{"a fraction is the nearest float64", `{"a":0.1000000000000000055}`, `{"a":0.1}`},
		{"text of any alphabet is unchanged", `{"Ж":"𝄞"}`, `{"Ж":"𝄞"}`},
		{"an escape is written as its character", `{"\u0416":"\ud834\udd1e"}`, `{"Ж":"𝄞"}`},
		{"an object without tags is unchanged", `{}`, `{}`},
		{"true, false and null are unchanged", `{"a":[true,false,null]}`, `{"a":[true,false,null]}`},
		{"32 levels of objects are allowed", nested(32, `{"a":`, "}"), nested(32, `{"a":`, "}")},
		{"32 levels of arrays are allowed", nested(32, "[", "]"), nested(32, "[", "]")},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, errs := canonical(t, c.text)
			if text != c.want || len(errs) > 0 {
				t.Errorf("got %s, mistakes in %v, want %s", text, errs, c.want)
			}
			if again, _ := canonical(t, text); again != text {
				t.Errorf("the canonical form changes when it is written again: %s", again)
			}
		})
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a number beyond float64 is refused", `{"a":[1e400,-1e400]}`, []string{"tags.a[0]", "tags.a[1]"}},
		{"NUL in a value is refused", `{"a":{"b":"\u0000"}}`, []string{"tags.a.b"}},
		{"NUL in a key is refused, and its path escaped", `{"a\u0000":1}`, []string{`tags.a\u0000`}},
		{"33 levels of objects are refused", nested(33, `{"a":`, "}"), []string{"tags" + strings.Repeat(".a", 32)}},
		{"33 levels of arrays are refused", nested(33, "[", "]"), []string{"tags.a" + strings.Repeat("[0]", 31)}},
		{"1000 levels are one mistake", nested(1000, "[", "]"), []string{"tags.a" + strings.Repeat("[0]", 31)}},
		{
			"every mistake is listed, sorted by key",
			`{"c":1e400,"a":"\u0000","b":["\u0000"]}`, []string{"tags.a", "tags.b[0]", "tags.c"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if text, errs := canonical(t, c.text); text != "" || !slices.Equal(errs, c.want) {
				t.Errorf("got %q, mistakes in %v, want %v", text, errs, c.want)
			}
		})
	}
	t.Run("a hundred mistakes are listed", func(t *testing.T) {
		mistakes := strings.TrimSuffix(strings.Repeat("1e400,", 102), ",")
		if _, errs := canonical(t, `{"a":[`+mistakes+`]}`); len(errs) != 100 {
			t.Errorf("%d are", len(errs))
		}
	})
	t.Run("invalid UTF-8 is refused, in keys and in values", func(t *testing.T) {
		text, errs := minigroup.CanonicalJSON("tags", map[string]any{"a": "\xff", "\xfe": 1})
		if got := fields(errs); text != nil || !slices.Equal(got, []string{"tags.a", "tags.\uFFFD"}) {
			t.Errorf("got %q, mistakes in %v", text, got)
		}
	})
}
