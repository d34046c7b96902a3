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
	"minigroups/storage/storagetest"
)

// sameJSON reports whether both are the same document, however they are written.
func sameJSON(t *testing.T, got json.RawMessage, want string) bool {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatalf("%s and %s: %v", got, want, err)
	}
	return reflect.DeepEqual(a, b)
}

func isKind(err error, kind minigroup.Kind) bool {
	var e *minigroup.Error
	return errors.As(err, &e) && e.Kind == kind
}

// large is a JSON string of n bytes.
func large(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }

func TestProperties(t *testing.T) {
	t.Run("one is set beside the others, or in place of what it was", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		begun(t, s, entry("run-1", d)) // a class that is still being created has properties, too
		for _, c := range []struct{ key, value, want string }{
			{"new Ж", `null`, `{"p":{"q":[true]},"new Ж":null}`},
			{"p", `1.5`, `{"p":1.5,"new Ж":null}`},
			{"p", `{"x":{}}`, `{"p":{"x":{}},"new Ж":null}`},
		} {
			got, err := s.SetProperty(t.Context(), classID(d), c.key, json.RawMessage(c.value))
			if err != nil || !sameJSON(t, got, c.want) {
				t.Fatalf("got %s, %v, want %s", got, err, c.want)
			}
			if m, err := s.ByID(t.Context(), classID(d)); err != nil || !sameJSON(t, m.Properties, c.want) {
				t.Errorf("read %s, %v", m.Properties, err)
			}
		}
	})
	t.Run("they stay when the run that has the row begins again, and are as asked when another starts over", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		if err := s.AcceptCreate(t.Context(), minigroup.Claim{Run: "run-1"}, minigroup.NewCreateRequest(d)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SetProperty(t.Context(), classID(d), "p", json.RawMessage(`2`)); err != nil {
			t.Fatal(err)
		}
		e := entry("run-1", d)
		for range 2 {
			begun(t, s, e)
			if m, err := s.ByID(t.Context(), classID(d)); err != nil || !sameJSON(t, m.Properties, `{"p":2}`) {
				t.Errorf("they are %s, %v", m.Properties, err)
			}
		}
		e.Claim = minigroup.Claim{Run: "run-2", Replaces: "run-1"}
		begun(t, s, e)
		if m, err := s.ByID(t.Context(), classID(d)); err != nil || !sameJSON(t, m.Properties, string(d.Properties)) {
			t.Errorf("they are %s, %v", m.Properties, err)
		}
	})
	t.Run("of those that are set at once none is lost", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		begun(t, s, entry("run-1", d))
		account := minigroup.Account{Label: "l", Audience: "a"}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				key := fmt.Sprint("k", i)
				_, err := s.SetProperty(t.Context(), classID(d), key, json.RawMessage(`1`))
				_, other := s.SetAccountProperty(t.Context(), account, key, json.RawMessage(`1`))
				if err != nil || other != nil {
					t.Error(err, other)
				}
			})
		}
		wg.Wait()
		m, own, err := s.ByIDForAccount(t.Context(), classID(d), account)
		if err != nil || strings.Count(string(m.Properties), `"k`) != 20 || strings.Count(string(own), `"k`) != 20 {
			t.Errorf("%s and %s, %v", m.Properties, own, err)
		}
	})
	t.Run("what would grow too large is refused and changes nothing", func(t *testing.T) {
		s, _ := storagetest.New(t)
		d := draft(0)
		begun(t, s, entry("run-1", d))
		account := minigroup.Account{Label: "l", Audience: "a"}
		set := map[string]func(string, json.RawMessage) (json.RawMessage, error){
			"class": func(key string, v json.RawMessage) (json.RawMessage, error) {
				return s.SetProperty(t.Context(), classID(d), key, v)
			},
			"account": func(key string, v json.RawMessage) (json.RawMessage, error) {
				return s.SetAccountProperty(t.Context(), account, key, v)
			},
		}
		for name, set := range set {
			if _, err := set("a", large(minigroup.MaxPropertiesBytes)); !isKind(err, minigroup.PayloadTooLarge) {
				t.Errorf("%s: the first alone: %v", name, err)
			}
			before, err := set("a", large(minigroup.MaxPropertiesBytes-100))
			if err != nil {
				t.Fatal(name, err)
			}
			if _, err := set("b", large(100)); !isKind(err, minigroup.PayloadTooLarge) {
				t.Errorf("%s: %v", name, err)
			}
			m, own, err := s.ByIDForAccount(t.Context(), classID(d), account)
			if err != nil || !sameJSON(t, map[string]json.RawMessage{"class": m.Properties, "account": own}[name], string(before)) {
				t.Errorf("%s: it changed something, %v", name, err)
			}
			if _, err := set("a", json.RawMessage(`1`)); err != nil {
				t.Errorf("%s: it cannot shrink: %v", name, err)
			}
		}
	})
	t.Run("there are none of a class that does not exist", func(t *testing.T) {
		s, _ := storagetest.New(t)
		if _, err := s.SetProperty(t.Context(), uuid.New(), "p", json.RawMessage(`1`)); !isKind(err, minigroup.ClassNotFound) {
			t.Error(err)
		}
	})
}

func TestAccountProperties(t *testing.T) {
	s, _ := storagetest.New(t)
	d := draft(0)
	begun(t, s, entry("run-1", d))
	// Both have the account id a.b.c.
	one, other := minigroup.Account{Label: "a", Audience: "b.c"}, minigroup.Account{Label: "a.b", Audience: "c"}
	if got, err := s.SetAccountProperty(t.Context(), one, "lang", json.RawMessage(`"ru"`)); err != nil || !sameJSON(t, got, `{"lang":"ru"}`) {
		t.Fatalf("got %s, %v", got, err)
	}
	if got, err := s.SetAccountProperty(t.Context(), one, "n", json.RawMessage(`[1]`)); err != nil || !sameJSON(t, got, `{"lang":"ru","n":[1]}`) {
		t.Fatalf("got %s, %v", got, err)
	}
	t.Run("they are read alone and with a minigroup", func(t *testing.T) {
		got, err := s.AccountProperties(t.Context(), one)
		_, beside, also := s.ByIDForAccount(t.Context(), classID(d), one)
		if err != nil || also != nil || !sameJSON(t, got, `{"lang":"ru","n":[1]}`) || !sameJSON(t, beside, string(got)) {
			t.Errorf("got %s and %s, %v, %v", got, beside, err, also)
		}
	})
	t.Run("no other account has them", func(t *testing.T) {
		got, err := s.AccountProperties(t.Context(), other)
		_, beside, also := s.ByIDForAccount(t.Context(), classID(d), other)
		if err != nil || also != nil || got != nil || beside != nil {
			t.Errorf("got %s and %s, %v, %v", got, beside, err, also)
		}
	})
	t.Run("there is no minigroup because an account exists", func(t *testing.T) {
		if _, _, err := s.ByIDForAccount(t.Context(), uuid.New(), one); !isKind(err, minigroup.ClassNotFound) {
			t.Error(err)
		}
	})
}
