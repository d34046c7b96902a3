package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"minigroups/clients/jwks"
)

func TestAKeyThatIsNotUnderstoodDoesNotDisableTheOthers(t *testing.T) {
	good := newKey(t)
	other := jwk(t, newKey(t), "odd")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, odd := range map[string]any{
		"use tls":                        jwk(t, newKey(t), "odd", "use", "tls"),
		"use enc":                        jwk(t, newKey(t), "odd", "use", "enc"),
		"a use that is not a string":     jwk(t, newKey(t), "odd", "use", []string{"sig"}),
		"a point off the curve":          jwk(t, newKey(t), "odd", "x", other["y"]),
		"a coordinate that is too long":  jwk(t, newKey(t), "odd", "x", strings.Repeat("_", 44)),
		"a coordinate not in base64url":  jwk(t, newKey(t), "odd", "x", "a+b/"),
		"no coordinate":                  jwk(t, newKey(t), "odd", "y", nil),
		"another curve":                  jwk(t, &p384.PublicKey, "odd"),
		"a numeric kid":                  jwk(t, newKey(t), "", "kid", 7),
		"key_ops that is not a list":     jwk(t, newKey(t), "odd", "key_ops", "verify"),
		"key_ops with a number":          jwk(t, newKey(t), "odd", "key_ops", []any{"verify", 1}),
		"key_ops for encryption":         jwk(t, newKey(t), "odd", "key_ops", []string{"encrypt"}),
		"a bare string":                  "odd",
		"null":                           nil,
		"a number":                       7,
		"an empty object":                map[string]any{},
		"an unknown type":                map[string]any{"kty": "future", "kid": "odd"},
		"a type in lower case":           jwk(t, newKey(t), "odd", "kty", "ec"),
		"a secret":                       map[string]any{"kty": "oct", "kid": "odd", "k": "AAAA"},
		"another algorithm":              jwk(t, &rsaKey.PublicKey, "odd", "alg", "RSA-OAEP"),
		"the algorithm of another type":  jwk(t, &rsaKey.PublicKey, "odd", "alg", "ES256"),
		"an algorithm that is a number":  jwk(t, newKey(t), "odd", "alg", 256),
		"an RSA key that is refused":     jwk(t, &short.PublicKey, "odd"),
		"an even RSA exponent":           jwk(t, &rsaKey.PublicKey, "odd", "e", "AQAA"),
		"a huge RSA exponent":            jwk(t, &rsaKey.PublicKey, "odd", "e", "AQAAAAAB"),
		"an empty RSA modulus":           jwk(t, &rsaKey.PublicKey, "odd", "n", ""),
		"an Ed25519 key of another size": map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "odd", "x": "AAAA"},
		"an X25519 key":                  map[string]any{"kty": "OKP", "crv": "X25519", "kid": "odd", "x": "AAAA"},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, keySet(t, odd, jwk(t, good, "good")))
			set := i.set(t)
			wantKeys(t, set, "good", good)
			if keys, err := set.Lookup(t.Context(), "odd", "ES256"); len(keys) > 0 || err != nil {
				t.Errorf("the odd key: %v, %v", keys, err)
			}
			if i.last.Err != nil || i.last.Keys != 1 || i.last.Skipped != 1 || len(i.last.Reasons) != 1 {
				t.Errorf("the fetch is reported as %+v", i.last)
			}
			if i.changes != 1 {
				t.Errorf("%d of two fetches are reported as a change", i.changes)
			}
			i = newIssuer(t, keySet(t, odd))
			if keys, err := i.set(t).Lookup(t.Context(), "odd", "ES256"); err == nil {
				t.Errorf("the odd key alone: no error, got %v", keys)
			}
			if err := i.last.Err; err == nil || !strings.Contains(err.Error(), "no key that can be used, of 1: key 1") {
				t.Errorf("the fetch of the odd key alone is reported as %v", err)
			}
		})
	}
}

func TestMembersThatAreNotNeededAreIgnored(t *testing.T) {
	key := newKey(t)
	for name, odd := range map[string]map[string]any{
		"a garbage x5c":                   jwk(t, key, "k", "x5c", []string{"garbage"}, "x5t", 7),
		"an x5c that is not a list":       jwk(t, key, "k", "x5c", "garbage"),
		"an unknown operation":            jwk(t, key, "k", "key_ops", []string{"verify", "frobnicate"}),
		"the operation of a private key":  jwk(t, key, "k", "key_ops", []string{"sign"}),
		"no operations":                   jwk(t, key, "k", "key_ops", []string{}),
		"optional members that are null":  jwk(t, key, "k", "use", nil, "alg", nil, "key_ops", nil),
		"padded coordinates":              jwk(t, key, "k", "x", jwk(t, key, "k")["x"].(string)+"="),
		"names in another case":           jwk(t, key, "k", "USE", "enc", "Kid", 7),
		"a private key beside the public": jwk(t, key, "k", "d", "AAAA"),
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, keySet(t, odd))
			wantKeys(t, i.set(t), "k", key)
			if i.last.Err != nil || i.last.Skipped != 0 {
				t.Errorf("the fetch is reported as %+v", i.last)
			}
		})
	}
}

func TestAllKeysThatMayHaveSignedAToken(t *testing.T) {
	a, b, c := newKey(t), newKey(t), newKey(t)
	t.Run("two keys with the same id", func(t *testing.T) {
		set := newIssuer(t, keySet(t, jwk(t, a, "k"), jwk(t, b, "k"), jwk(t, c, "other"))).set(t)
		wantKeys(t, set, "k", a, b)
	})
	t.Run("the same key twice", func(t *testing.T) {
		set := newIssuer(t, keySet(t, jwk(t, a, "k"), jwk(t, a, "k"))).set(t)
		wantKeys(t, set, "k", a, a)
	})
	t.Run("no id in the token", func(t *testing.T) {
		set := newIssuer(t, keySet(t, jwk(t, a, "k"), jwk(t, b, ""))).set(t)
		wantKeys(t, set, "", a, b)
	})
	t.Run("an id in the token and none in the set", func(t *testing.T) {
		i := newIssuer(t, keySet(t, jwk(t, a, ""), jwk(t, b, "")))
		wantKeys(t, i.set(t), "k", a, b)
		if fetched, _ := i.counts(); fetched != 1 {
			t.Errorf("the set was fetched %d times", fetched)
		}
	})
	t.Run("an id that the set has beside keys without one", func(t *testing.T) {
		set := newIssuer(t, keySet(t, jwk(t, a, ""), jwk(t, b, "k"))).set(t)
		wantKeys(t, set, "k", b)
	})
	t.Run("an id that the set gets later beside keys without one", func(t *testing.T) {
		i := newIssuer(t, keySet(t, jwk(t, a, ""), jwk(t, b, "old")))
		set := i.set(t)
		i.serve(keySet(t, jwk(t, a, ""), jwk(t, c, "new")))
		wantKeys(t, set, "new", c)
		wantKeys(t, set, "unknown", a)
	})
}

func TestASetWithoutUsableKeysDoesNotReplaceAGoodOne(t *testing.T) {
	key := newKey(t)
	for name, next := range map[string]http.HandlerFunc{
		"an empty set":           keySet(t),
		"a set with one bad key": keySet(t, "odd"),
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, keySet(t, jwk(t, key, "k")))
			set := i.set(t)
			i.serve(next)
			if keys, err := set.Lookup(t.Context(), "new", "ES256"); err == nil { // fetches
				t.Errorf("no error, got %v", keys)
			}
			wantKeys(t, set, "k", key)
			if i.last.Err == nil || i.last.Keys != 1 {
				t.Errorf("the fetch is reported as %+v", i.last)
			}
		})
	}
}

func TestTheKeysOfASetAreLimited(t *testing.T) {
	key := jwk(t, newKey(t), "k")
	t.Run("to a number of good ones", func(t *testing.T) {
		i := newIssuer(t, keySet(t, slices.Repeat([]any{key}, 150)...))
		keys, err := i.set(t).Lookup(t.Context(), "k", "ES256")
		if err != nil || len(keys) != 100 {
			t.Errorf("got %d keys, %v", len(keys), err)
		}
		want := []string{"key 101 and all after it: only 100 keys are read"}
		if i.last.Keys != 100 || i.last.Skipped != 50 || !slices.Equal(i.last.Reasons, want) {
			t.Errorf("the fetch is reported as %+v", i.last)
		}
	})
	t.Run("but all of a hundred are read", func(t *testing.T) {
		i := newIssuer(t, keySet(t, slices.Repeat([]any{key}, 100)...))
		i.set(t)
		if i.last.Keys != 100 || i.last.Skipped != 0 || len(i.last.Reasons) != 0 {
			t.Errorf("the fetch is reported as %+v", i.last)
		}
	})
	t.Run("and so are the reasons of bad ones", func(t *testing.T) {
		odd := map[string]any{"kty": "future", "kid": strings.Repeat("k", 1000)}
		i := newIssuer(t, keySet(t, append(slices.Repeat([]any{odd}, 50), key)...))
		i.set(t)
		if text := fmt.Sprint(i.last.Reasons); i.last.Skipped != 50 || len(i.last.Reasons) != 10 || len(text) > 2000 {
			t.Errorf("the fetch is reported as %+v", i.last)
		}
	})
}

func TestAKeyThatIsSkippedIsNamed(t *testing.T) {
	good := jwk(t, newKey(t), "k")
	odd := func(length int) map[string]any {
		return map[string]any{"use": "enc", "kid": strings.Repeat("k", length)}
	}
	unknown := `its use is "enc"`
	i := newIssuer(t, keySet(t, good, odd(64), odd(65), odd(0), nil, "text"))
	set := i.set(t)
	want := []string{
		`key 2 ("` + strings.Repeat("k", 64) + `"): ` + unknown, `key 3 ("` + strings.Repeat("k", 64) + `…"): ` + unknown,
		"key 4: " + unknown, "key 5: it is not an object", "key 6: it is not an object",
	}
	if !slices.Equal(i.last.Reasons, want) {
		t.Errorf("got %q", i.last.Reasons)
	}
	if !i.last.Changed {
		t.Error("the first set that skips keys is no change")
	}
	t.Run("another one in its place is a change", func(t *testing.T) {
		i.serve(keySet(t, good, odd(1), odd(65), odd(0), nil, "text"))
		wantKeys(t, set, "new") // fetches
		if i.last.Skipped != 5 || !i.last.Changed {
			t.Errorf("the fetch is reported as %+v", i.last)
		}
	})
}

// wantKeys demands that Lookup finds these keys, in this order.
func wantKeys(t *testing.T, set *jwks.Set, kid string, want ...interface{ Equal(crypto.PublicKey) bool }) {
	t.Helper()
	got, err := set.Lookup(t.Context(), kid, "ES256")
	if err != nil || len(got) != len(want) {
		t.Fatalf("%q: got %v, %v", kid, got, err)
	}
	for i, key := range want {
		if !key.Equal(got[i]) {
			t.Errorf("%q: key %d is another one", kid, i)
		}
	}
}
