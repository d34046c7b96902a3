package httpapi

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"minigroups/minigroup"
)

const now = 1_800_000_000

// fieldsOf returns the fields of an invalid_payload error. Any other error fails the test.
func fieldsOf(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *minigroup.Error
	if !errors.As(err, &e) || e.Kind != minigroup.InvalidPayload {
		t.Fatalf("got %v, want invalid_payload", err)
	}
	var fields []string
	for _, f := range e.Fields {
		if f.Detail == "" {
			t.Errorf("%s has no detail", f.Field)
		}
		fields = append(fields, f.Field)
	}
	return fields
}

// with returns a valid body with these additional fields.
func with(fields string) string {
	return `{"scope":"s","audience":"a","host":"h",` + fields + `}`
}

func TestDecodeDraft(t *testing.T) {
	t.Run("reads every field", func(t *testing.T) {
		got, err := decodeDraft([]byte(` { "scope" : "a/б\ud83d\ude00" , "audience":"example.org","host":"teacher",
			"time": [ 1 , 4102444800 ] , "reserve": 8 , "locked_chat": true, "locked_questions":true,
			"tags": { "b" : [1, 2.50, 1e2, true, null, {"x":"\u00e9\\ud800\n"}] , "a": 9223372036854775807 } ,
			"unknown": [[[{}]]], "properties": {"q":null, "p" : [1.0] } } `), now)
		want := minigroup.Draft{
			Scope: "a/б😀", Audience: "example.org", Host: "teacher",
			Time:    minigroup.Window{Start: new(int64(1)), End: new(int64(4102444800))},
			Tags:    []byte(`{"a":9223372036854775807,"b":[1,2.5,100,true,null,{"x":"é\\ud800\n"}]}`),
			Reserve: new(int32(8)), LockedChat: true, LockedQuestions: true,
			Properties: []byte(`{"p":[1],"q":null}`),
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v (%s), %v\nwant %+v", got, got.Tags, err, want)
		}
	})
	for name, c := range map[string]struct {
		body string
		want func(*minigroup.Draft)
	}{
		"optional fields may be absent": {
			`{"scope":"s","audience":"a","host":"h"}`, func(*minigroup.Draft) {},
		},
		"null is the same as absent": {
			with(`"time":null,"tags":null,"reserve":null,"locked_chat":null,"locked_questions":null,"properties":null`),
			func(*minigroup.Draft) {},
		},
		"one element of the time may be null": {
			with(`"time":[5,null]`), func(d *minigroup.Draft) { d.Time.Start = new(int64(5)) },
		},
		"both elements of the time may be null": {with(`"time":[null,null]`), func(*minigroup.Draft) {}},
		"a reserve of 0 is kept": {
			with(`"reserve":0`), func(d *minigroup.Draft) { d.Reserve = new(int32(0)) },
		},
		"a reserve of 2147483647 is accepted": {
			with(`"reserve":2147483647`), func(d *minigroup.Draft) { d.Reserve = new(int32(2147483647)) },
		},
		"empty tags are kept": {
			with(`"tags":{}`), func(d *minigroup.Draft) { d.Tags = []byte(`{}`) },
		},
		"the last of duplicate fields counts": {
			with(`"reserve":-1,"reserve":2`), func(d *minigroup.Draft) { d.Reserve = new(int32(2)) },
		},
		"the last of duplicate tags counts": {
			with(`"tags":{"a":1,"a":2}`), func(d *minigroup.Draft) { d.Tags = []byte(`{"a":2}`) },
		},
		"field names are case-sensitive": {with(`"Reserve":-1,"TIME":5`), func(*minigroup.Draft) {}},
		"unknown fields may contain anything": {
			with("\"x\":\"\xff\\ud800\\u0000\",\"y\":" + nested(5000)), func(*minigroup.Draft) {},
		},
		"tags may be 32 levels deep": {
			with(`"tags":{"a":` + nested(31) + `}`), func(d *minigroup.Draft) { d.Tags = []byte(`{"a":` + nested(31) + `}`) },
		},
		"an escaped backslash before ud800 is not a surrogate": {
			with(`"tags":{"a":"\\ud800"}`), func(d *minigroup.Draft) { d.Tags = []byte(`{"a":"\\ud800"}`) },
		},
		"the replacement character itself is accepted": {
			with(`"tags":{"a":"\ufffd"}`), func(d *minigroup.Draft) { d.Tags = []byte(`{"a":"` + "\ufffd" + `"}`) },
		},
		"a whole number beyond int64 becomes a float64": {
			with(`"tags":{"a":18446744073709551616}`),
			func(d *minigroup.Draft) { d.Tags = []byte(`{"a":18446744073709552000}`) },
		},
		"separators in strings are not separators": {
			with(`"tags":{":,[":":,]"}`), func(d *minigroup.Draft) { d.Tags = []byte(`{":,[":":,]"}`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := minigroup.Draft{Scope: "s", Audience: "a", Host: "h"}
			c.want(&want)
			got, err := decodeDraft([]byte(c.body), now)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %+v (%s), %v\nwant %+v", got, got.Tags, err, want)
			}
		})
	}
}

// nested returns this number of nested arrays.
func nested(levels int) string {
	return strings.Repeat("[", levels) + strings.Repeat("]", levels)
}

func TestDecodeDraftListsEveryError(t *testing.T) {
	long := strings.Repeat("я", 256)
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"an empty body":               {``, []string{"body"}},
		"an array":                    {`[]`, []string{"body"}},
		"an open brace":               {`{`, []string{"body"}},
		"null":                        {`null`, []string{"body"}},
		"a string":                    {`"x"`, []string{"body"}},
		"a number":                    {`1`, []string{"body"}},
		"two objects":                 {`{}{}`, []string{"body"}},
		"a trailing comma":            {`{"scope":"s",}`, []string{"body"}},
		"single quotes":               {`{'scope':'s'}`, []string{"body"}},
		"a byte order mark":           {"\ufeff{}", []string{"body"}},
		"a control character as text": {"{\"scope\":\"a\nb\"}", []string{"body"}},
		"an unknown escape":           {`{"scope":"\x41"}`, []string{"body"}},
		"not a number":                {`{"reserve":NaN}`, []string{"body"}},
		"60,000 open brackets":        {strings.Repeat("[", 60_000), []string{"body"}},
		"60,000 open tags":            {`{"tags":` + strings.Repeat("[", 60_000), []string{"body"}},

		"an empty object":             {`{}`, []string{"scope", "audience", "host"}},
		"required fields null":        {`{"scope":null,"audience":null,"host":null}`, []string{"scope", "audience", "host"}},
		"required fields empty":       {`{"scope":"","audience":"","host":""}`, []string{"scope", "audience", "host"}},
		"required fields not strings": {`{"scope":1,"audience":["a"],"host":{}}`, []string{"scope", "audience", "host"}},
		"required fields too long": {
			fmt.Sprintf(`{"scope":%q,"audience":%q,"host":%q}`, long, long, long), []string{"scope", "audience", "host"},
		},
		"control characters": {
			`{"scope":"a\u0000","audience":"a\n","host":"\u0085"}`, []string{"scope", "audience", "host"},
		},
		"lone surrogates": {
			`{"scope":"\ud800","audience":"\udc00","host":"\ud800\ud800"}`, []string{"scope", "audience", "host"},
		},
		"invalid UTF-8": {
			"{\"scope\":\"\xff\",\"audience\":\"\xc0\x80\",\"host\":\"\xed\xa0\x80\"}", []string{"scope", "audience", "host"},
		},
		"host missing": {`{"scope":"s","audience":"a"}`, []string{"host"}},

		"time from 5 to 3":             {with(`"time":[5,3]`), []string{"time", "time[1]"}},
		"time from 4102444800 back":    {with(`"time":[4102444800,4102444799]`), []string{"time"}},
		"time empty":                   {with(`"time":[4102444800,4102444800]`), []string{"time"}},
		"time 1.5":                     {with(`"time":[1.5,2]`), []string{"time[0]", "time[1]"}},
		"time 1.0 and 2.0":             {with(`"time":[1.0,2.0]`), []string{"time[0]", "time[1]"}},
		"time 1e3":                     {with(`"time":[1e3,4102444800]`), []string{"time[0]"}},
		"time in strings":              {with(`"time":["1","4102444800"]`), []string{"time[0]", "time[1]"}},
		"time true":                    {with(`"time":[true,[]]`), []string{"time[0]", "time[1]"}},
		"time beyond int64":            {with(`"time":[null,9223372036854775808]`), []string{"time[1]"}},
		"time negative and after 9999": {with(`"time":[-1,253402300800]`), []string{"time[0]", "time[1]"}},
		"time ends in the past":        {with(`"time":[null,1799999999]`), []string{"time[1]"}},
		"time ends now":                {with(`"time":[null,1800000000]`), []string{"time[1]"}},
		"time without elements":        {with(`"time":[]`), []string{"time"}},
		"time with one element":        {with(`"time":[1]`), []string{"time"}},
		"time with three elements":     {with(`"time":[1,2,3]`), []string{"time"}},
		"time an object":               {with(`"time":{"0":1,"1":2}`), []string{"time"}},
		"time a string":                {with(`"time":"now"`), []string{"time"}},

		"reserve -1":         {with(`"reserve":-1`), []string{"reserve"}},
		"reserve 2147483648": {with(`"reserve":2147483648`), []string{"reserve"}},
		"reserve 4294967301": {with(`"reserve":4294967301`), []string{"reserve"}},
		"reserve 1.0":        {with(`"reserve":1.0`), []string{"reserve"}},
		"reserve 1e2":        {with(`"reserve":1e2`), []string{"reserve"}},
		"reserve a string":   {with(`"reserve":"8"`), []string{"reserve"}},
		"reserve enormous":   {with(`"reserve":` + strings.Repeat("9", 1000)), []string{"reserve"}},
		"locked_chat 1":      {with(`"locked_chat":1`), []string{"locked_chat"}},
		"locked_chat a word": {with(`"locked_chat":"true"`), []string{"locked_chat"}},

		"locked_questions 0":             {with(`"locked_questions":0`), []string{"locked_questions"}},
		"properties a string":            {with(`"properties":"{}"`), []string{"properties"}},
		"a lone surrogate in properties": {with(`"properties":{"a":["\ud800"]}`), []string{"properties.a[0]"}},
		"a property without a key":       {with(`"properties":{"":1}`), []string{"properties."}},
		"a property with a long key": {
			with(`"properties":{"` + strings.Repeat("x", 256) + `":1}`),
			[]string{"properties." + strings.Repeat("x", 189) + "…"},
		},
		"a property with a line break":       {with(`"properties":{"a\n":1}`), []string{"properties.a\n"}},
		"tags an array":                      {with(`"tags":[]`), []string{"tags"}},
		"tags a string":                      {with(`"tags":"x"`), []string{"tags"}},
		"NUL deep in tags":                   {with(`"tags":{"a":[0,0,{"b":"\u0000"}]}`), []string{"tags.a[2].b"}},
		"NUL in a key":                       {with(`"tags":{"a\u0000":1}`), []string{`tags.a\u0000`}},
		"a lone surrogate deep in tags":      {with(`"tags":{"a":[0,0,{"b":"x\ud83dx"}]}`), []string{"tags.a[2].b"}},
		"a low surrogate first":              {with(`"tags":{"a":"\ude00\ud83d"}`), []string{"tags.a"}},
		"a high surrogate at the end":        {with(`"tags":{"a":"\ud83d"}`), []string{"tags.a"}},
		"a surrogate and another escape":     {with(`"tags":{"a":"\ud83d\n"}`), []string{"tags.a"}},
		"a lone surrogate in a key":          {with(`"tags":{"a":{"k\ud800":1}}`), []string{"tags.a.k\ufffd"}},
		"invalid UTF-8 in a value":           {with("\"tags\":{\"a\":\"\xe2\x82\"}"), []string{"tags.a"}},
		"invalid UTF-8 in a key":             {with("\"tags\":{\"\xff\":1}"), []string{"tags.\ufffd"}},
		"an encoded surrogate":               {with("\"tags\":{\"a\":\"\xed\xa0\x80\"}"), []string{"tags.a"}},
		"a bad value that is replaced later": {with(`"tags":{"a":"\ud800","a":1}`), []string{"tags.a"}},
		"1e400":                              {with(`"tags":{"a":[1e400]}`), []string{"tags.a[0]"}},
		"33 levels": {
			with(`"tags":{"a":` + nested(32) + `}`), []string{"tags.a" + strings.Repeat("[0]", 31)},
		},
		"a nesting of 1,000": {
			with(`"tags":{"a":` + nested(1000) + `,"b":"\u0000"}`), []string{"tags.a" + strings.Repeat("[0]", 31), "tags.b"},
		},
		"a nesting of 9,000 objects": {
			with(`"tags":` + strings.Repeat(`{"":`, 9000) + `1` + strings.Repeat("}", 9000)),
			[]string{"tags" + strings.Repeat(".", 32)},
		},
		"a nesting of 30,000": {with(`"tags":{"a":` + nested(30_000) + `}`), []string{"body"}},

		"many errors": {
			`{"scope":"","host":5,"time":[1.0,3],"reserve":-1,"locked_chat":"no",
				"tags":{"b":"\ud800","a":1e999,"c":"\u0000"}}`,
			[]string{
				"audience", "host", "locked_chat", "reserve", "scope", "tags.a", "tags.b", "tags.c", "time[0]", "time[1]",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeDraft([]byte(c.body), now)
			got := map[string]bool{}
			for _, field := range fieldsOf(t, err) {
				if got[field] {
					t.Errorf("%s is listed twice: %v", field, err)
				}
				got[field] = true
			}
			want := map[string]bool{}
			for _, field := range c.want {
				want[field] = true
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got errors in %v, want %v", fieldsOf(t, err), c.want)
			}
		})
	}
}

func TestTheListOfErrorsIsBounded(t *testing.T) {
	// There are 3000 errors, each with a path of 30,000 characters.
	body := with(`"tags":{"` + strings.Repeat("k", 30_000) + `":[` + strings.Repeat(`"\ud800",`, 3000) + `0]}`)
	_, err := decodeDraft([]byte(body), now)
	fields := fieldsOf(t, err)
	if len(fields) != maxFieldErrors {
		t.Errorf("%d errors are listed", len(fields))
	}
	if len(err.Error()) > 2*maxFieldErrors*(maxFieldRunes+10) {
		t.Errorf("they take %d bytes", len(err.Error()))
	}
}
