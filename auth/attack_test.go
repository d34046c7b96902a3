package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/auth"
)

// raw signs this header and these claims without validating either.
func (i testIssuer) raw(t testing.TB, header, claims string) string {
	t.Helper()
	text := base64url(header) + "." + base64url(claims)
	signature, err := i.method.Sign(text, i.key)
	must(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func base64url(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func (i testIssuer) header() string { return fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, i.Algorithm) }

// claims returns valid claims, preceded by changes. A claim at the start of changes replaces the valid one.
func (i testIssuer) claims(changes string) string {
	all := []string{
		fmt.Sprintf(`"iss":%q`, i.Name), `"aud":"example.org"`, `"sub":"teacher"`, fmt.Sprintf(`"exp":%d`, now.Unix()+60),
	}
	text := changes
	for _, claim := range all {
		if name, _, _ := strings.Cut(claim, ":"); !strings.HasPrefix(changes, name+":") {
			text = strings.TrimPrefix(text+","+claim, ",")
		}
	}
	return "{" + text + "}"
}

// sized returns a valid token of this many bytes. An unknown parameter of the header and an unknown claim make it so
// long: no text in base64 has every length, but two together have.
func (i testIssuer) sized(t testing.TB, bytes int) string {
	t.Helper()
	fill := func(n int) string { return `"x":"` + strings.Repeat("x", n) + `"` }
	missing := bytes - len(i.raw(t, i.header(), i.claims(fill(0))))
	for n := missing*3/4 - 16; n <= missing*3/4+16; n++ {
		for header := range 3 {
			token := i.raw(t, fmt.Sprintf(`{"alg":%q,%s}`, i.Algorithm, fill(header)), i.claims(fill(n)))
			if len(token) == bytes {
				return token
			}
		}
	}
	t.Fatalf("no token has %d bytes", bytes)
	return ""
}

func TestEveryAlgorithm(t *testing.T) {
	all := testIssuers(t)
	verifier := verifierOf(t, all)
	teacher := auth.Account{Label: "teacher", Audience: "example.org"}
	for n, issuer := range all {
		t.Run(issuer.Algorithm, func(t *testing.T) {
			other := all[(n+1)%len(all)]
			good := issuer.raw(t, issuer.header(), issuer.claims(""))
			parts := strings.Split(good, ".")
			accepts := func(name, token string) {
				t.Run("accepts "+name, func(t *testing.T) {
					if got, err := verifier.Verify(t.Context(), token, now); err != nil || got != teacher {
						t.Fatalf("got %v, %v", got, err)
					}
				})
			}
			with := func(changes string) string { return issuer.raw(t, issuer.header(), issuer.claims(changes)) }
			under := func(header string) string { return issuer.raw(t, header, issuer.claims("")) }

			accepts("a valid token", good)
			accepts("unknown claims", with(`"iat":"x","jti":[]`))
			accepts("claim names in another case as unknown claims", with(`"ISS":"unknown","Exp":1`))
			accepts("an expiry within the leeway", with(fmt.Sprintf(`"exp":%d`, now.Add(-auth.Leeway).Unix()+1)))
			accepts("a start within the leeway", with(fmt.Sprintf(`"nbf":%d`, now.Add(auth.Leeway).Unix())))
			accepts("an expiry of the largest uint64", with(`"exp":18446744073709551615`))
			accepts("an array with our audience", with(`"aud":["https://api.example.org/","example.org","account"]`))
			accepts("an array of one audience", with(`"aud":["example.org"]`))
			accepts("a token of 8 KiB", issuer.sized(t, 8<<10))
			accepts("any key id", under(fmt.Sprintf(`{"alg":%q,"kid":"../../dev/null' OR 1=1 --"}`, issuer.Algorithm)))
			accepts("a header with key sources, without using them", under(fmt.Sprintf(
				`{"alg":%q,"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":"AAAA"},"x5c":["AAAA"]}`,
				issuer.Algorithm)))

			for _, c := range []struct{ name, token, reason string }{
				{"alg none", base64url(`{"alg":"none"}`) + "." + parts[1] + ".", "algorithm"},
				{"alg none in capitals", base64url(`{"alg":"NONE"}`) + "." + parts[1] + ".", "algorithm"},
				{"alg none with the signature kept", base64url(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], "algorithm"},
				{"no alg", under(`{"typ":"JWT"}`), "algorithm"},
				{"an alg that is not a string", under(`{"alg":["` + issuer.Algorithm + `"]}`), "algorithm"},
				{"a duplicate alg", under(`{"alg":"none","alg":"` + issuer.Algorithm + `"}`), "duplicate"},
				{"a duplicate kid", under(`{"alg":"` + issuer.Algorithm + `","kid":"a","kid":"b"}`), "duplicate"},
				{"a kid that is not a string", under(`{"alg":"` + issuer.Algorithm + `","kid":{}}`), "kid"},
				{"critical extensions", under(`{"alg":"` + issuer.Algorithm + `","crit":["exp"]}`), "crit"},
				{"the algorithm of another issuer", other.raw(t, other.header(), issuer.claims("")), "algorithm"},
				{"another issuer in the claims", with(fmt.Sprintf(`"iss":%q`, other.Name)), "algorithm"},
				{"the key of another issuer", other.raw(t, issuer.header(), issuer.claims("")), "signature"},
				{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
				{
					"other claims with the signature kept",
					parts[0] + "." + strings.Split(with(`"sub":"admin"`), ".")[1] + "." + parts[2],
					"signature",
				},
				{"a truncated signature", parts[0] + "." + parts[1] + "." + parts[2][:32], "signature"},
				{"a signature with trailing bytes", good + "AAAA", "signature"},
				{"two parts", parts[0] + "." + parts[1], "JWT"},
				{"four parts", good + ".", "JWT"},
				{"truncated claims", parts[0] + "." + parts[1][:len(parts[1])/2] + "." + parts[2], "JWT"},
				{"padding", good + "=", "JWT"},
				{"standard instead of URL-safe base64", strings.Replace(good, ".", "+.", 1), "JWT"},
				{"a space in front", " " + good, "JWT"},
				{"a NUL at the end", good + "\x00", "JWT"},
				{"a line break in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], "line breaks"},
				{"a line break at the end", good + "\r\n", "line breaks"},
				{"an empty token", "", "JWT"},
				{"three empty parts", "..", "JWT"},
				{"a megabyte", strings.Repeat("a", 1<<20), "long"},
				{"a valid token that is too long", issuer.sized(t, 8<<10+1), "long"},
				{"an empty audience", with(`"aud":""`), "audience"},
				{"claims that are an array", issuer.raw(t, issuer.header(), `[]`), "JWT"},
				{"claims that are a string", issuer.raw(t, issuer.header(), `"x"`), "JWT"},
				{"claims that are null", issuer.raw(t, issuer.header(), `null`), "issuer"},
				{"an empty object of claims", issuer.raw(t, issuer.header(), `{}`), "issuer"},
				{"claims that are not JSON", issuer.raw(t, issuer.header(), `{"iss":`), "JWT"},
				{"two objects of claims", issuer.raw(t, issuer.header(), issuer.claims("")+issuer.claims("")), "JWT"},
				{"a header that is an array", under(`[]`), "JWT"},
				{"a header that is null", under(`null`), "algorithm"},
				{"a duplicate issuer", with(`"sub":"teacher","iss":"` + other.Name + `"`), "duplicate"},
				{"a duplicate subject", with(`"iss":"` + issuer.Name + `","sub":"admin"`), "duplicate"},
				{"a duplicate claim in escaped letters", with(`"iss":"` + issuer.Name + `","\u0073ub":"admin"`), "duplicate"},
				{"an array without our audience", with(`"aud":["account","https://api.example.org/"]`), "audience"},
				{"an array with two of our audiences", with(`"aud":["example.org","example.org:tenant"]`), "several"},
				{"an array with our audience twice", with(`"aud":["example.org","example.org"]`), "several"},
				{"an empty array of audiences", with(`"aud":[]`), "audience"},
				{"an array of audiences with a null", with(`"aud":["example.org",null]`), "JWT"},
				{"an array of audiences with a number", with(`"aud":["example.org",7]`), "JWT"},
				{"an array of audiences with an array", with(`"aud":[["example.org"]]`), "JWT"},
				{"an array of audiences with a NUL", with(`"aud":["example.org","a\u0000"]`), "JWT"},
				{"an object of audiences", with(`"aud":{"example.org":1}`), "JWT"},
				{"an empty audience", with(`"aud":""`), "audience"},
				{"an audience that is null", with(`"aud":null`), "audience"},
				{"a subject that is a number", with(`"sub":7`), "JWT"},
				{"a subject that is not in NFC", with(`"sub":"jose\u0301"`), "subject (sub) must be in Unicode"},
				{"an audience that is not in NFC", with(`"aud":"example.org:cafe\u0301"`), "audience (aud) must be in Unicode"},
				{"a subject with a NUL", with(`"sub":"teacher\u0000"`), "JWT"},
				{"an audience with a NUL", with(`"aud":"example.org:\u0000"`), "JWT"},
				{
					"no expiry",
					issuer.raw(t, issuer.header(), fmt.Sprintf(`{"iss":%q,"aud":"example.org","sub":"teacher"}`, issuer.Name)),
					"exp",
				},
				{"an expiry of null", with(`"exp":null`), "exp"},
				{"an expiry before the leeway", with(fmt.Sprintf(`"exp":%d`, now.Add(-auth.Leeway).Unix())), "expired"},
				{"an expiry of 0", with(`"exp":0`), "expired"},
				{"a negative expiry", with(`"exp":-1`), "JWT"},
				{"an expiry with a fraction", with(`"exp":1900000000.5`), "JWT"},
				{"an expiry with an exponent", with(`"exp":1e300`), "JWT"},
				{"an expiry above the largest uint64", with(`"exp":18446744073709551616`), "JWT"},
				{"an expiry that is a string", with(`"exp":"1900000000"`), "JWT"},
				{"a start after the leeway", with(fmt.Sprintf(`"nbf":%d`, now.Add(auth.Leeway).Unix()+1)), "nbf"},
				{"a start of the largest uint64", with(`"nbf":18446744073709551615`), "nbf"},
			} {
				t.Run("rejects "+c.name, func(t *testing.T) { rejects(t, verifier, c.token, c.reason) })
			}
			if issuer.PublicKey != nil {
				t.Run("rejects HS256 with the public key as the secret", func(t *testing.T) {
					forged := testIssuer{method: jwt.SigningMethodHS256, key: issuer.PublicKey}
					rejects(t, verifier, forged.raw(t, `{"alg":"HS256"}`, issuer.claims("")), "algorithm")
				})
			}
		})
	}
}

// FuzzVerify demands that only the tokens that the issuers signed are accepted.
func FuzzVerify(f *testing.F) {
	all := testIssuers(f)
	verifier := verifierOf(f, all)
	valid := map[string]bool{}
	for _, issuer := range all {
		token := issuer.raw(f, issuer.header(), issuer.claims(""))
		valid[token] = true
		f.Add(token)
		f.Add(issuer.raw(f, issuer.header(), issuer.claims(`"exp":1`)))
		f.Add(issuer.raw(f, `{"alg":"none"}`, issuer.claims("")))
		f.Add(strings.Join(strings.Split(token, ".")[:2], ".") + ".")
	}
	f.Fuzz(func(t *testing.T, token string) {
		account, err := verifier.Verify(t.Context(), token, now)
		if (err == nil) != valid[token] {
			t.Errorf("%q is accepted for %v, %v", token, account, err)
		}
	})
}

// FuzzClaims signs arbitrary claims and demands that Verify reads the same values as encoding/json.
func FuzzClaims(f *testing.F) {
	issuer := testIssuers(f)[3]
	verifier := verifierOf(f, []testIssuer{issuer})
	for _, changes := range []string{
		"", `"sub":"ü"`, `"exp":1e9`, `"sub":"\ud800"`, `"aud":"example.org:x"`, `"aud":["example.org:x","y"]`,
	} {
		f.Add(issuer.claims(changes))
	}
	f.Fuzz(func(t *testing.T, claims string) {
		account, err := verifier.Verify(t.Context(), issuer.raw(t, issuer.header(), claims), now)
		if err != nil {
			return
		}
		var plain map[string]any
		err = json.Unmarshal([]byte(claims), &plain)
		array, _ := plain["aud"].([]any)
		audience := plain["aud"] == account.Audience || slices.Contains(array, any(account.Audience))
		if err != nil || plain["iss"] != issuer.Name || plain["sub"] != account.Label || !audience {
			t.Errorf("%q is accepted for %v", claims, account)
		}
		if exp, ok := plain["exp"].(float64); !ok || exp <= float64(now.Add(-auth.Leeway).Unix()) {
			t.Errorf("%q is accepted", claims)
		}
	})
}
