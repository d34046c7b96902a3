package minigroup_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

const now int64 = 1_700_000_000

func window(start, end *int64) minigroup.Window { return minigroup.Window{Start: start, End: end} }

func validDraft() minigroup.Draft {
	return minigroup.Draft{Audience: "example.org", Scope: "math-7b", Host: "host.example.org"}
}

// fields returns the fields of the mistakes.
func fields(errs []minigroup.FieldError) []string {
	out := []string{}
	for _, e := range errs {
		out = append(out, e.Field)
	}
	return out
}

func TestDraftValidate(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*minigroup.Draft)
		want  []string
	}{
		{"a draft with the required fields is valid", func(*minigroup.Draft) {}, nil},
		{"names may have 255 characters of any alphabet", func(d *minigroup.Draft) {
			d.Scope, d.Audience, d.Host = strings.Repeat("Ж", 255), strings.Repeat("𝄞", 255), strings.Repeat("a", 255)
		}, nil},
		{"a scope may contain any printable character", func(d *minigroup.Draft) { d.Scope = `a/b %2F "Ж" \ ~ ?` }, nil},
		{"every mistake is listed", func(d *minigroup.Draft) {
			d.Scope, d.Audience, d.Host, d.Reserve = "", strings.Repeat("a", 256), "tab\there", new(int32(-1))
			d.Time = window(new(int64(5)), new(int64(3)))
		}, []string{"scope", "audience", "host", "time", "time[1]", "reserve"}},
		{"DEL and C1 controls are control characters", func(d *minigroup.Draft) {
			d.Scope, d.Host = "\x7f", "\u0085"
		}, []string{"scope", "host"}},
		{"names must be valid UTF-8", func(d *minigroup.Draft) { d.Scope = "a\xff" }, []string{"scope"}},
		{"names must be in NFC", func(d *minigroup.Draft) {
			d.Scope, d.Audience, d.Host = "cafe\u0301", "\u212b.example", "\uf900.example"
		}, []string{"scope", "audience", "host"}},
		{"an accent on a letter without a composed form is NFC", func(d *minigroup.Draft) {
			d.Scope, d.Audience = "q\u0301", "caf\u00e9"
		}, nil},
		{"a class may have no start and no end", func(d *minigroup.Draft) { d.Time = window(nil, nil) }, nil},
		{"a class may have begun, even at the epoch", func(d *minigroup.Draft) { d.Time = window(new(int64(0)), nil) }, nil},
		{"a class may end in the last second of the year 9999", func(d *minigroup.Draft) {
			d.Time = window(new(minigroup.MaxSecond-1), new(minigroup.MaxSecond))
		}, nil},
		{"a class is not before the epoch or after the year 9999", func(d *minigroup.Draft) {
			d.Time = window(new(int64(-1)), new(minigroup.MaxSecond+1))
		}, []string{"time[0]", "time[1]"}},
		{"a class does not end when it starts", func(d *minigroup.Draft) {
			d.Time = window(new(now+5), new(now+5))
		}, []string{"time"}},
		{"a class does not end before it starts", func(d *minigroup.Draft) {
			d.Time = window(new(now+6), new(now+5))
		}, []string{"time"}},
		{"an end now is refused", func(d *minigroup.Draft) { d.Time = window(nil, new(now)) }, []string{"time[1]"}},
		{"an end in a second is valid", func(d *minigroup.Draft) { d.Time = window(nil, new(now+1)) }, nil},
		{"reserve may be 0", func(d *minigroup.Draft) { d.Reserve = new(int32(0)) }, nil},
		{"reserve may be 2147483647", func(d *minigroup.Draft) { d.Reserve = new(int32(2147483647)) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := validDraft()
			c.spoil(&d)
			if got := fields(d.Validate(now)); !slices.Equal(got, append([]string{}, c.want...)) {
				t.Errorf("mistakes in %v, want %v", got, c.want)
			}
		})
	}
}

func TestChangeValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change minigroup.Change
		want   []string
	}{
		{"an empty change is valid", minigroup.Change{}, nil},
		{"an end in the past is valid, because it ends the class", minigroup.Change{
			Time: &minigroup.Window{End: new(int64(1))},
		}, nil},
		{"every mistake is listed", minigroup.Change{
			Time: &minigroup.Window{Start: new(int64(2)), End: new(int64(1))}, Reserve: new(int32(-1)), Host: new(""),
		}, []string{"time", "reserve", "host"}},
		{"a host may be an agent id", minigroup.Change{Host: new("web.alice.example.org")}, nil},
		{"a host with one dot is refused", minigroup.Change{Host: new("alice.example")}, []string{"host"}},
		{"a host with an empty label is refused", minigroup.Change{Host: new(".alice.example.org")}, []string{"host"}},
		{"a host with an empty account is refused", minigroup.Change{Host: new("web..example.org")}, []string{"host"}},
		{"a host with an empty audience is refused", minigroup.Change{Host: new("web.alice.")}, []string{"host"}},
		{"a host that is too long is listed once", minigroup.Change{Host: new(strings.Repeat("a", 256))}, []string{"host"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fields(c.change.Validate()); !slices.Equal(got, append([]string{}, c.want...)) {
				t.Errorf("mistakes in %v, want %v", got, c.want)
			}
		})
	}
}

func TestChangeEmpty(t *testing.T) {
	if !(minigroup.Change{}).Empty() {
		t.Error("a change that requests nothing is not empty")
	}
	for _, c := range []minigroup.Change{
		{Reserve: new(int32(0))}, {Time: &minigroup.Window{}}, {Host: new("")}, {Recreate: &minigroup.Recreation{}},
	} {
		if c.Empty() {
			t.Errorf("%+v is empty", c)
		}
	}
}

func TestClassID(t *testing.T) {
	t.Run("the id of a class never changes", func(t *testing.T) {
		for scope, want := range map[string]string{
			"math-7b": "5dd1ed50-49ec-5ccb-abca-13a7bb19e62f", "Математика 7Б": "9376a625-e1fc-5469-849b-7933c0fe93bb",
		} {
			if id := minigroup.NewClassID("example.org", scope); id.String() != want {
				t.Errorf("%q has the id %s, want %s", scope, id, want)
			}
		}
	})
	t.Run("no two pairs of audience and scope have the same id", func(t *testing.T) {
		seen := map[uuid.UUID][2]string{}
		for _, pair := range [][2]string{
			{"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {"abc", ""}, {"", "abc"}, {"a", "\x00\x00\x00\x01c"},
		} {
			id := minigroup.NewClassID(pair[0], pair[1])
			if other, ok := seen[id]; ok {
				t.Errorf("%q and %q share an id", pair, other)
			}
			seen[id] = pair
		}
	})
}

func TestFingerprint(t *testing.T) {
	full := func() minigroup.Draft {
		return minigroup.Draft{
			Audience: "a", Scope: "s", Host: "h", Time: window(new(now), new(now+1)), Tags: json.RawMessage(`{"a":1}`),
			Reserve: new(int32(1)), LockedChat: true,
		}
	}
	t.Run("every field of a draft counts", func(t *testing.T) {
		seen := map[string]string{fingerprint(full()): "no field"}
		for name, change := range map[string]func(*minigroup.Draft){
			"audience":   func(d *minigroup.Draft) { d.Audience = "b" },
			"scope":      func(d *minigroup.Draft) { d.Scope = "b" },
			"host":       func(d *minigroup.Draft) { d.Host = "b" },
			"start":      func(d *minigroup.Draft) { d.Time.Start = new(now - 1) },
			"no start":   func(d *minigroup.Draft) { d.Time.Start = nil },
			"end":        func(d *minigroup.Draft) { d.Time.End = new(now + 2) },
			"no end":     func(d *minigroup.Draft) { d.Time.End = nil },
			"tags":       func(d *minigroup.Draft) { d.Tags = json.RawMessage(`{"a":2}`) },
			"no tags":    func(d *minigroup.Draft) { d.Tags = nil },
			"empty tags": func(d *minigroup.Draft) { d.Tags = json.RawMessage(`{}`) },
			"reserve":    func(d *minigroup.Draft) { d.Reserve = new(int32(2)) },
			"no reserve": func(d *minigroup.Draft) { d.Reserve = nil },
			"chat":       func(d *minigroup.Draft) { d.LockedChat = false },
			"questions":  func(d *minigroup.Draft) { d.LockedQuestions = true },
			"properties": func(d *minigroup.Draft) { d.Properties = json.RawMessage(`{"a":1}`) },
			"a property": func(d *minigroup.Draft) { d.Properties = json.RawMessage(`{"a":2}`) },
		} {
			d := full()
			change(&d)
			if other, ok := seen[fingerprint(d)]; ok {
				t.Errorf("changing %s and changing %s give the same fingerprint", name, other)
			}
			seen[fingerprint(d)] = name
		}
	})
	t.Run("no reserve and a reserve of 0 are the same request", func(t *testing.T) {
		none, zero := full(), full()
		none.Reserve, zero.Reserve = nil, new(int32(0))
		if fingerprint(none) != fingerprint(zero) {
			t.Error("they differ")
		}
	})
	t.Run("no properties and an empty object are the same request", func(t *testing.T) {
		none := full()
		none.Properties = json.RawMessage(`{}`)
		if fingerprint(none) != fingerprint(full()) {
			t.Error("they differ")
		}
	})
	t.Run("the fingerprint of a draft never changes, because rows and histories contain it", func(t *testing.T) {
		if got := fingerprint(full()); got != "9e6fbe2c95cf4487a6ee6225a9c6fefa" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("nor does that of a change", func(t *testing.T) {
		change := minigroup.Change{Time: new(window(nil, new(now))), Reserve: new(int32(1))}
		if got := change.Fingerprint(); got != "2396230a8d585f202720cbd811e2291b" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("the same tags with spaces are the same request", func(t *testing.T) {
		spaced := full()
		spaced.Tags = json.RawMessage("{ \"a\" : 1 }\n")
		if fingerprint(spaced) != fingerprint(full()) {
			t.Error("they differ")
		}
	})
	t.Run("every field of a change counts, whether absent or zero", func(t *testing.T) {
		seen := map[string]int{}
		for i, c := range []minigroup.Change{
			{}, {Time: &minigroup.Window{}},
			{Time: &minigroup.Window{Start: new(now)}}, {Time: &minigroup.Window{End: new(now)}},
			{Reserve: new(int32(0))}, {Reserve: new(int32(1))}, {Host: new("")}, {Host: new("a")}, {Repair: true},
		} {
			if other, ok := seen[c.Fingerprint()]; ok {
				t.Errorf("changes %d and %d have the same fingerprint", i, other)
			}
			seen[c.Fingerprint()] = i
		}
	})
}

func fingerprint(d minigroup.Draft) string { return minigroup.NewCreateRequest(d).Fingerprint }
