package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"minigroups/auth"
)

// raw signs a header and claims as they stand, whatever they are.
func (i tenant) raw(t testing.TB, header, claims string) string {
	t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := i.method.Sign(text, i.key)
	must(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (i tenant) header() string { return fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, i.Algorithm) }

// claims are good ones, those of changes added in front, or put in place of what is called alike.
func (i tenant) claims(changes string) string {
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

func TestEveryAlgorithm(t *testing.T) {
	all := tenants(t)
	verifier := verifierOf(t, all)
	teacher := auth.Account{Label: "teacher", Audience: "example.org"}
	for n, issuer := range all {
		t.Run(issuer.Algorithm, func(t *testing.T) {
			other := all[(n+1)%len(all)]
			good := issuer.raw(t, issuer.header(), issuer.claims(""))
			parts := strings.Split(good, ".")
			takes := func(name, token string) {
				t.Run("takes "+name, func(t *testing.T) {
					if got, err := verifier.Verify(t.Context(), token, now); err != nil || got != teacher {
						t.Fatalf("got %v, %v", got, err)
					}
				})
			}
			with := func(changes string) string { return issuer.raw(t, issuer.header(), issuer.claims(changes)) }
			under := func(header string) string { return issuer.raw(t, header, issuer.claims("")) }

			takes("a good token", good)
			takes("claims it does not know", with(`"iat":"x","jti":[]`))
			takes("names of claims in other letters as other claims", with(`"ISS":"nobody","Exp":1`))
			takes("an expiry a moment ago", with(fmt.Sprintf(`"exp":%d`, now.Add(-auth.Leeway).Unix()+1)))
			takes("a beginning in a moment", with(fmt.Sprintf(`"nbf":%d`, now.Add(auth.Leeway).Unix())))
			takes("an expiry beyond all calendars", with(`"exp":18446744073709551615`))
			takes("whatever the name of the key", under(fmt.Sprintf(`{"alg":%q,"kid":"../../dev/null' OR 1=1 --"}`, issuer.Algorithm)))
			takes("a header that brings keys along, by its own key", under(fmt.Sprintf(
				`{"alg":%q,"jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":"AAAA"},"x5c":["AAAA"]}`, issuer.Algorithm)))

			for _, c := range []struct{ name, token, reason string }{
				{"alg none", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "algorithm"},
				{"alg none in capitals", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"NONE"}`)) + "." + parts[1] + ".", "algorithm"},
				{"alg none with the signature kept", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2], "algorithm"},
				{"no alg", under(`{"typ":"JWT"}`), "algorithm"},
				{"an alg that is no text", under(`{"alg":["` + issuer.Algorithm + `"]}`), "algorithm"},
				{"an alg twice", under(`{"alg":"none","alg":"` + issuer.Algorithm + `"}`), "twice"},
				{"a kid twice", under(`{"alg":"` + issuer.Algorithm + `","kid":"a","kid":"b"}`), "twice"},
				{"a kid that is no text", under(`{"alg":"` + issuer.Algorithm + `","kid":{}}`), "kid"},
				{"critical extensions", under(`{"alg":"` + issuer.Algorithm + `","crit":["exp"]}`), "crit"},
				{"the algorithm of another issuer", other.raw(t, other.header(), issuer.claims("")), "algorithm"},
				{"another issuer in the claims", with(fmt.Sprintf(`"iss":%q`, other.Name)), "algorithm"},
				{"the key of another issuer", other.raw(t, issuer.header(), issuer.claims("")), "signature"},
				{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
				{"other claims under a good signature", parts[0] + "." + strings.Split(with(`"sub":"admin"`), ".")[1] + "." + parts[2], "signature"},
				{"a signature cut short", parts[0] + "." + parts[1] + "." + parts[2][:32], "signature"},
				{"a signature that goes on", good + "AAAA", "signature"},
				{"two parts", parts[0] + "." + parts[1], "JWT"},
				{"four parts", good + ".", "JWT"},
				{"claims cut short", parts[0] + "." + parts[1][:len(parts[1])/2] + "." + parts[2], "JWT"},
				{"padding", good + "=", "JWT"},
				{"another alphabet", strings.Replace(good, ".", "+.", 1), "JWT"},
				{"a space in front", " " + good, "JWT"},
				{"a NUL at the end", good + "\x00", "JWT"},
				{"a line break in the signature", good[:len(good)-4] + "\n" + good[len(good)-4:], "line breaks"},
				{"a line break at the end", good + "\r\n", "line breaks"},
				{"nothing", "", "JWT"},
				{"dots", "..", "JWT"},
				{"far too much", strings.Repeat("a", 1<<20), "long"},
				{"a good token that is too long", with(`"x":"` + strings.Repeat("x", 8<<10) + `"`), "long"},
				{"claims that are an array", issuer.raw(t, issuer.header(), `[]`), "JWT"},
				{"claims that are a text", issuer.raw(t, issuer.header(), `"x"`), "JWT"},
				{"claims that are null", issuer.raw(t, issuer.header(), `null`), "issuer"},
				{"claims that are empty", issuer.raw(t, issuer.header(), `{}`), "issuer"},
				{"claims that are no JSON", issuer.raw(t, issuer.header(), `{"iss":`), "JWT"},
				{"two objects of claims", issuer.raw(t, issuer.header(), issuer.claims("")+issuer.claims("")), "JWT"},
				{"a header that is an array", under(`[]`), "JWT"},
				{"a header that is null", under(`null`), "algorithm"},
				{"an issuer twice", with(`"sub":"teacher","iss":"` + other.Name + `"`), "twice"},
				{"a subject twice", with(`"iss":"` + issuer.Name + `","sub":"admin"`), "twice"},
				{"a claim twice, once with an escape", with(`"iss":"` + issuer.Name + `","\u0073ub":"admin"`), "twice"},
				{"an array of audiences", with(`"aud":["example.org"]`), "JWT"},
				{"an audience that is null", with(`"aud":null`), "audience"},
				{"a subject that is a number", with(`"sub":7`), "JWT"},
				{"a subject with a NUL", with(`"sub":"teacher\u0000"`), "JWT"},
				{"an audience with a NUL", with(`"aud":"example.org:\u0000"`), "JWT"},
				{"no expiry", issuer.raw(t, issuer.header(), fmt.Sprintf(`{"iss":%q,"aud":"example.org","sub":"teacher"}`, issuer.Name)), "exp"},
				{"an expiry of null", with(`"exp":null`), "exp"},
				{"an expiry long enough ago", with(fmt.Sprintf(`"exp":%d`, now.Add(-auth.Leeway).Unix())), "expired"},
				{"an expiry of 0", with(`"exp":0`), "expired"},
				{"a negative expiry", with(`"exp":-1`), "JWT"},
				{"an expiry with a fraction", with(`"exp":1900000000.5`), "JWT"},
				{"an expiry with an exponent", with(`"exp":1e300`), "JWT"},
				{"an expiry that fits no number", with(`"exp":18446744073709551616`), "JWT"},
				{"an expiry in words", with(`"exp":"1900000000"`), "JWT"},
				{"a beginning in some time", with(fmt.Sprintf(`"nbf":%d`, now.Add(auth.Leeway).Unix()+1)), "nbf"},
				{"a beginning beyond all calendars", with(`"nbf":18446744073709551615`), "nbf"},
			} {
				t.Run("refuses "+c.name, func(t *testing.T) { refuses(t, verifier, c.token, c.reason) })
			}
			if issuer.PublicKey != nil {
				t.Run("refuses HS256 with the public key as the secret", func(t *testing.T) {
					forged := tenant{method: jwt.SigningMethodHS256, key: issuer.PublicKey}
					refuses(t, verifier, forged.raw(t, `{"alg":"HS256"}`, issuer.claims("")), "algorithm")
				})
			}
		})
	}
}

// FuzzVerify knows every token that was signed: no other may be taken.
func FuzzVerify(f *testing.F) {
	all := tenants(f)
	verifier := verifierOf(f, all)
	genuine := map[string]bool{}
	for _, issuer := range all {
		token := issuer.raw(f, issuer.header(), issuer.claims(""))
		genuine[token] = true
		f.Add(token)
		f.Add(issuer.raw(f, issuer.header(), issuer.claims(`"exp":1`)))
		f.Add(issuer.raw(f, `{"alg":"none"}`, issuer.claims("")))
		f.Add(strings.Join(strings.Split(token, ".")[:2], ".") + ".")
	}
	f.Fuzz(func(t *testing.T, token string) {
		account, err := verifier.Verify(t.Context(), token, now)
		if (err == nil) != genuine[token] {
			t.Errorf("%q is taken for %v, %v", token, account, err)
		}
	})
}

// FuzzClaims has whatever claims signed: what is taken is what a plain reader of JSON finds there.
func FuzzClaims(f *testing.F) {
	issuer := tenants(f)[3]
	verifier := verifierOf(f, []tenant{issuer})
	for _, changes := range []string{"", `"sub":"ü"`, `"exp":1e9`, `"sub":"\ud800"`, `"aud":"example.org:x"`} {
		f.Add(issuer.claims(changes))
	}
	f.Fuzz(func(t *testing.T, claims string) {
		account, err := verifier.Verify(t.Context(), issuer.raw(t, issuer.header(), claims), now)
		if err != nil {
			return
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(claims), &plain); err != nil || plain["iss"] != issuer.Name || plain["sub"] != account.Label || plain["aud"] != account.Audience {
			t.Errorf("%q is taken for %v", claims, account)
		}
		if exp, ok := plain["exp"].(float64); !ok || exp <= float64(now.Add(-auth.Leeway).Unix()) {
			t.Errorf("%q is taken", claims)
		}
	})
}
