package storage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// sameJSON reports whether both are the same document.
func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatalf("%s and %s: %v", got, want, err)
	}
	return reflect.DeepEqual(a, b)
}

// large is a JSON string of n bytes.
func large(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }

// mustHaveProperties checks the properties of a minigroup.
func (l ledger) mustHaveProperties(d minigroup.Draft, want string) {
	l.Helper()
	if m := l.read(classID(d)); !sameJSON(l.T, m.Properties, want) {
		l.Errorf("the properties are %s, want %s", m.Properties, want)
	}
}

func TestAPropertyIsSetBesideTheOthersOrReplaced(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.begin(entry("run-1", d)) // also while the class is being created
	for _, c := range []struct{ key, value, want string }{
		{"new Ж", `null`, `{"p":{"q":[true]},"new Ж":null}`},
		{"p", `1.5`, `{"p":1.5,"new Ж":null}`},
		{"p", `{"x":{}}`, `{"p":{"x":{}},"new Ж":null}`},
	} {
		got, err := l.SetProperty(t.Context(), classID(d), c.key, json.RawMessage(c.value))
		if err != nil || !sameJSON(t, got, c.want) {
			t.Fatalf("got %s, %v, want %s", got, err, c.want)
		}
		l.mustHaveProperties(d, c.want)
	}
}

func TestPropertiesStayWhenTheirRunBeginsAgainAndAreReplacedWhenAnotherStartsOver(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.must(l.AcceptCreate(t.Context(), minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d)))
	_, err := l.SetProperty(t.Context(), classID(d), "p", json.RawMessage(`2`))
	l.must(err)
	for range 2 {
		l.begin(entry("run-1", d))
		l.mustHaveProperties(d, `{"p":2}`)
	}
	l.begin(replacing("run-1", "run-2", d))
	l.mustHaveProperties(d, string(d.Properties))
}

func TestOfPropertiesThatAreSetAtTheSameTimeNoneIsLost(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.begin(entry("run-1", d))
	account := minigroup.Account{Label: "l", Audience: "a"}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			key := fmt.Sprint("k", i)
			_, err := l.SetProperty(t.Context(), classID(d), key, json.RawMessage(`1`))
			_, accountErr := l.SetAccountProperty(t.Context(), account, key, json.RawMessage(`1`))
			if err := errors.Join(err, accountErr); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, own, err := l.ReadFor(t.Context(), minigroup.ByID(classID(d)), account)
	if err != nil || strings.Count(string(m.Properties), `"k`) != 20 || strings.Count(string(own), `"k`) != 20 {
		t.Errorf("%s and %s, %v", m.Properties, own, err)
	}
}

func TestAPropertyThatIsTooLargeIsRefusedAndChangesNothing(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.begin(entry("run-1", d))
	account := minigroup.Account{Label: "l", Audience: "a"}
	read := func() (minigroup.Minigroup, json.RawMessage) {
		t.Helper()
		m, own, err := l.ReadFor(t.Context(), minigroup.ByID(classID(d)), account)
		l.must(err)
		return m, own
	}
	for name, of := range map[string]struct {
		set func(string, json.RawMessage) (json.RawMessage, error)
		get func() json.RawMessage
	}{
		"class": {
			set: func(key string, v json.RawMessage) (json.RawMessage, error) {
				return l.SetProperty(t.Context(), classID(d), key, v)
			},
			get: func() json.RawMessage { m, _ := read(); return m.Properties },
		},
		"account": {
			set: func(key string, v json.RawMessage) (json.RawMessage, error) {
				return l.SetAccountProperty(t.Context(), account, key, v)
			},
			get: func() json.RawMessage { _, own := read(); return own },
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := of.set("a", large(minigroup.MaxPropertiesBytes)); !isKind(err, minigroup.PayloadTooLarge) {
				t.Errorf("the first alone: %v", err)
			}
			before, err := of.set("a", large(minigroup.MaxPropertiesBytes-100))
			l.must(err)
			if _, err := of.set("b", large(100)); !isKind(err, minigroup.PayloadTooLarge) {
				t.Errorf("the second: %v", err)
			}
			if !sameJSON(t, of.get(), string(before)) {
				t.Error("it has changed something")
			}
			if _, err := of.set("a", json.RawMessage(`1`)); err != nil {
				t.Errorf("it cannot shrink: %v", err)
			}
		})
	}
}

func TestAPropertyOfAnUnknownClassIsRefused(t *testing.T) {
	_, err := newLedger(t).SetProperty(t.Context(), uuid.New(), "p", json.RawMessage(`1`))
	if !isKind(err, minigroup.ClassNotFound) {
		t.Error(err)
	}
}

func TestAccountProperties(t *testing.T) {
	l, d := newLedger(t), draft(0)
	l.begin(entry("run-1", d))
	// Both have the account id a.b.c.
	one, other := minigroup.Account{Label: "a", Audience: "b.c"}, minigroup.Account{Label: "a.b", Audience: "c"}
	const both = `{"lang":"ru","n":[1]}`
	for _, c := range []struct{ key, value, want string }{{"lang", `"ru"`, `{"lang":"ru"}`}, {"n", `[1]`, both}} {
		got, err := l.SetAccountProperty(t.Context(), one, c.key, json.RawMessage(c.value))
		if err != nil || !sameJSON(t, got, c.want) {
			t.Fatalf("got %s, %v", got, err)
		}
	}
	read := func(a minigroup.Account) (alone, beside json.RawMessage) {
		t.Helper()
		alone, err := l.AccountProperties(t.Context(), a)
		_, beside, besideErr := l.ReadFor(t.Context(), minigroup.ByID(classID(d)), a)
		l.must(errors.Join(err, besideErr))
		return alone, beside
	}
	t.Run("are read alone and with a minigroup", func(t *testing.T) {
		if alone, beside := read(one); !sameJSON(t, alone, both) || !sameJSON(t, beside, both) {
			t.Errorf("got %s and %s", alone, beside)
		}
	})
	t.Run("belong to no other account", func(t *testing.T) {
		if alone, beside := read(other); alone != nil || beside != nil {
			t.Errorf("got %s and %s", alone, beside)
		}
	})
	t.Run("do not make a minigroup", func(t *testing.T) {
		if _, _, err := l.ReadFor(t.Context(), minigroup.ByID(uuid.New()), one); !isKind(err, minigroup.ClassNotFound) {
			t.Error(err)
		}
	})
}
