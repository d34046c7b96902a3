package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// FuzzDraft decodes arbitrary bodies of a create. Each is refused with a list of errors, or its draft is valid, can be
// stored, and equals the draft decoded from the JSON that GET returns for it.
func FuzzDraft(f *testing.F) {
	for _, body := range []string{
		with(`"time":[1900000000,null],"tags":{"a":[1,2.5,"\u00e9",null,{"b":true}]},"reserve":8,"locked_chat":true`),
		with(`"locked_questions":true,"properties":{"is_adult":true,"":1,"a\u0085":[{}],"b":{"c":"\u0000"}}`),
		with(`"time":[null,null],"tags":{"\ud83d\ude00":-0.0,"n":9223372036854775808,"t":"\\u0000"}`),
		with(`"time":[1.0,2],"tags":{"a":"\u0000","\ud800":1e999},"reserve":-1`),
		`{"scope":"\u2028/ä","audience":"a\tb","host":null,"tags":[[[]]]}`,
		`{"scope":"` + strings.Repeat("я", 256) + `"}`, `{"tags":` + strings.Repeat(`{"a":`, 40), `null`, ``, "\xff{}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		draft, err := decodeDraft(body, now)
		if err != nil {
			if n := len(fieldsOf(t, err)); n == 0 || n > maxFieldErrors {
				t.Errorf("%d errors: %v", n, err)
			}
			return
		}
		if invalid := draft.Validate(now); len(invalid) > 0 {
			t.Errorf("accepted: %v", invalid)
		}
		wantStorable(t, draft.Tags)
		wantStorable(t, draft.Properties)
		shown, err := json.Marshal(
			(&server{}).toObject(minigroup.Minigroup{Draft: draft, CreatedAt: time.Unix(now, 0)}, time.Unix(now, 0)),
		)
		noError(t, err)
		again, err := decodeDraft(shown, now)
		again.Properties = draft.Properties // GET returns only requested properties
		if err != nil || fingerprint(again) != fingerprint(draft) {
			t.Errorf("%s is decoded as %+v, %v instead of %+v", shown, again, err, draft)
		}
	})
}

// FuzzChange does for updates what FuzzDraft does for creates.
func FuzzChange(f *testing.F) {
	for _, body := range []string{
		`{"time":[null,1900000000],"reserve":2147483647,"host":"web.teacher.example.org"}`,
		`{"time":[2,1],"reserve":1.0,"host":"a..b"}`,
		`{"host":"\ud800.a.b","time":[]}`, `{}`, `[]`, `{"time":[-1,253402300800]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		change, err := decodeChange(body)
		if err != nil {
			if n := len(fieldsOf(t, err)); n == 0 || n > maxFieldErrors {
				t.Errorf("%d errors: %v", n, err)
			}
			return
		}
		if invalid := change.Validate(); len(invalid) > 0 {
			t.Errorf("accepted: %v", invalid)
		}
		update := toUpdateObject(&minigroup.Update{State: minigroup.UpdateFailed, Requested: change})
		shown, err := json.Marshal(update.Requested)
		noError(t, err)
		again, err := decodeChange(shown)
		if err != nil || again.Fingerprint() != change.Fingerprint() {
			t.Errorf("%s is decoded as %+v, %v instead of %+v", shown, again, err, change)
		}
	})
}

// FuzzDocument decodes arbitrary properties and events. Each is refused with a list of errors, or can be stored and
// decodes to itself.
func FuzzDocument(f *testing.F) {
	for _, body := range []string{
		`{"type":"message","data":{"text":"\ud83d\ude00"},"room_id":7,"room_id":8}`, `[1e999]`, `"\ud800"`, ` null `, `-0.0`,
		`{} {}`, ``, "\xff",
		strings.Repeat("[", 40) + strings.Repeat("]", 40), `{"a":1,"a":"\u0000"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) (json.RawMessage, error){
			decodeEvent, func(body []byte) (json.RawMessage, error) { return decodeDocument(body, nil) },
		} {
			document, err := decode(body)
			if err != nil {
				if n := len(fieldsOf(t, err)); n == 0 || n > maxFieldErrors {
					t.Errorf("%d errors: %v", n, err)
				}
				continue
			}
			wantStorable(t, document)
			if again, err := decode(document); err != nil || string(again) != string(document) {
				t.Errorf("%s is decoded as %s, %v", document, again, err)
			}
		}
	})
}

// wantStorable fails the test if jsonb would refuse this JSON.
func wantStorable(t *testing.T, tags json.RawMessage) {
	t.Helper()
	if tags == nil {
		return
	}
	if !json.Valid(tags) || !utf8.Valid(tags) {
		t.Fatalf("it is stored as %q", tags)
	}
	decoder := json.NewDecoder(bytes.NewReader(tags))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return // the end, because the JSON is valid
		}
		switch token := token.(type) {
		case string:
			if strings.ContainsRune(token, 0) {
				t.Errorf("NUL is in %q", tags)
			}
		case json.Number:
			if _, err := token.Float64(); err != nil {
				t.Errorf("%s is in %q: %v", token, tags, err)
			}
		}
	}
}

// FuzzPrefer sends arbitrary Prefer headers. The wait is bounded, and Preference-Applied is a valid header.
func FuzzPrefer(f *testing.F) {
	for _, header := range []string{
		"wait=10", "respond-async, wait=99", `WAIT="7";x=1,,wait=8`, "wait=-1", "wait=18446744073709551616", ";=,", "=,wait",
	} {
		f.Add(header)
	}
	s := &server{Deps: Deps{Wait: 15 * time.Second, MaxWait: time.Minute}}
	f.Fuzz(func(t *testing.T, header string) {
		recorder := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(recorder)
		c.Request = &http.Request{Header: http.Header{"Prefer": {header}}}
		if wait := s.waitFor(c); wait < 0 || wait > s.MaxWait {
			t.Errorf("the wait is %s", wait)
		}
		applied := recorder.Header().Get("Preference-Applied")
		if strings.ContainsFunc(applied, func(r rune) bool { return r < ' ' || r > '~' }) || len(applied) > 100 {
			t.Errorf("applied: %q", applied)
		}
	})
}

// FuzzPath requests arbitrary paths. No status is 500 or above, and every error is a problem.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/api/v1/minigroups/00000000-0000-0000-0000-000000000000",
		"/api/v1/minigroups/{00000000-0000-0000-0000-000000000000}",
		"/api/v1/minigroups/%ff", "/api/v1/minigroups/", "/api/v1/audiences/example.org/minigroups/a%2Fb%20%00",
		"/api/v1/audiences//minigroups/%2e%2e",
		"/api/v1/audiences/a/minigroups/%E0%80%AF?x=%", "/docs/..%2fopenapi.yaml", "//healthz",
		"/docs?proxy=http://127.0.0.1", "*",
		"/api/v1/minigroups/00000000-0000-0000-0000-000000000000?class_keys[]=%00&class_keys[]=a;b&account_keys=%zz",
		"/api/v1/account/properties/%ff",
		"/api/v1/minigroups/00000000-0000-0000-0000-000000000000/properties/a%2Fb",
	} {
		f.Add(path, "GET")
		f.Add(path, "PUT")
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, path, method string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader("{}"))
		if err != nil {
			return // net/http would refuse it
		}
		req.Header = http.Header{"Authorization": {"Bearer " + w.token}, "Content-Type": {"application/json"}}
		recorder := httptest.NewRecorder()
		w.server.Config.Handler.ServeHTTP(recorder, req)
		w.logs.TakeAll() // otherwise they would accumulate
		if recorder.Code >= 500 {
			t.Fatalf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
		}
		if recorder.Code >= 400 {
			var problem problemObject
			if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil || problem.Status != recorder.Code {
				t.Errorf("%s %s: %d %s", method, path, recorder.Code, recorder.Body)
			}
		}
	})
}
