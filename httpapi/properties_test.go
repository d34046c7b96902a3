package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"minigroups/minigroup"
)

const accountProperties = "/api/v1/account/properties/"

func classPath() string { return minigroups + "/" + filled().ID.String() }

func TestReadWithProperties(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	w.accounts[minigroup.Account{Label: "teacher", Audience: "example.org"}] = json.RawMessage(`{"lang":"ru","n":[1]}`)
	byScope := "/api/v1/audiences/example.org/minigroups/math-7b"

	for name, c := range map[string]struct{ query, properties, account string }{
		"none without keys":         {"", `{}`, `{}`},
		"properties of the class":   {"class_keys[]=p&class_keys[]=z", `{"p":{"q":"<b>"},"z":null}`, `{}`},
		"properties of the account": {"account_keys[]=lang", `{}`, `{"lang":"ru"}`},
		"both": {
			"class_keys[]=n&account_keys[]=n&account_keys[]=lang", `{"n":1}`, `{"n":[1],"lang":"ru"}`,
		},
		"encoded brackets":               {"class_keys%5B%5D=n&account_keys%5b%5d=n", `{"n":1}`, `{"n":[1]}`},
		"only existing properties":       {"class_keys[]=none&class_keys[]=n&class_keys[]=n", `{"n":1}`, `{}`},
		"unknown parameters are ignored": {"_=1&class_keysx=2&class_keys[]=n", `{"n":1}`, `{}`},
		"a hundred keys":                 {strings.Repeat("class_keys[]=n&", 100), `{"n":1}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{classPath(), byScope} {
				a := w.call(t, http.MethodGet, path+"?"+c.query, "").wantStatus(http.StatusOK)
				for member, want := range map[string]string{"properties": c.properties, "account_properties": c.account} {
					var wanted any
					noError(t, json.Unmarshal([]byte(want), &wanted))
					if !reflect.DeepEqual(a.body[member], wanted) {
						t.Errorf("%s is %v, want %s", member, a.body[member], want)
					}
				}
			}
		})
	}
	t.Run("an account cannot read the properties of another", func(t *testing.T) {
		m := filled()
		m.Audience = "open.example"
		m.ID = classID(m.Draft)
		w.put(m)
		pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
		a := w.call(t, http.MethodGet, minigroups+"/"+m.ID.String()+"?account_keys[]=lang", "", "Authorization", pupil).
			wantStatus(http.StatusOK)
		if !strings.Contains(a.text, `"account_properties":{}`) {
			t.Error(a.text)
		}
	})
	for query, field := range map[string]string{
		"class_keys=p":                             "class_keys",
		"class_keys[0]=p":                          "class_keys",
		"class_keys[a][b]=p":                       "class_keys",
		"account_keys%5Ba%5D=p":                    "account_keys",
		"class_keys[]=":                            "class_keys[0]",
		"class_keys[]=p&class_keys[]=%00":          "class_keys[1]",
		"account_keys[]=%ff":                       "account_keys[0]",
		"class_keys[]=" + strings.Repeat("x", 256): "class_keys[0]",
		strings.Repeat("account_keys[]=n&", 101):   "account_keys",
		"class_keys[]=%zz":                         "query",
		"a;b":                                      "query",
	} {
		t.Run("an invalid query is refused: "+query, func(t *testing.T) {
			a := w.call(t, http.MethodGet, classPath()+"?"+query, "").
				wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if fields := fieldsIn(a); !reflect.DeepEqual(fields, []string{field}) {
				t.Errorf("got %v", fields)
			}
		})
	}
}

func fieldsIn(a response) (fields []string) {
	errs, _ := a.body["errors"].([]any)
	for _, e := range errs {
		field, _ := e.(map[string]any)["field"].(string)
		fields = append(fields, field)
	}
	return fields
}

func TestProperty(t *testing.T) {
	for kind, c := range map[string]struct {
		path     func() string
		notFound minigroup.Kind
	}{
		"of a class":    {func() string { return classPath() + "/properties/" }, minigroup.ClassPropertyNotFound},
		"of an account": {func() string { return accountProperties }, minigroup.AccountPropertyNotFound},
	} {
		fresh := func(t *testing.T) *world {
			w := newWorld(t)
			m := filled()
			m.Properties = nil
			w.put(m)
			return w
		}
		t.Run(kind+" is returned as written, and the others stay", func(t *testing.T) {
			w := fresh(t)
			w.call(t, http.MethodPut, c.path()+"first", `1`).wantStatus(http.StatusOK)
			for _, value := range []string{
				`"ru"`, `null`, `false`, `0`, `[]`, `{}`, `{"x":[1,2.5,"б"]}`, ` [ 9223372036854775807 ] `,
			} {
				value := strings.TrimSpace(value)
				a := w.call(t, http.MethodPut, c.path()+"p", value).wantStatus(http.StatusOK)
				if _, ok := a.body["p"]; !ok || a.body["first"] != 1.0 || len(a.body) != 2 {
					t.Errorf("after %s all are %s", value, a.text)
				}
				want := strings.ReplaceAll(value, " ", "")
				if got := w.call(t, http.MethodGet, c.path()+"p", "").wantStatus(http.StatusOK).text; got != want+"\n" {
					t.Errorf("wrote %s, read %s", want, got)
				}
			}
		})
		t.Run(kind+" may have any printable key", func(t *testing.T) {
			w := fresh(t)
			for _, key := range []string{"a/b", "a b", "ключ", "%2F", "+", "..", "a.b", "😀", "_", strings.Repeat("ж", 255)} {
				a := w.call(t, http.MethodPut, c.path()+url.PathEscape(key), `1`).wantStatus(http.StatusOK)
				if a.body[key] != 1.0 {
					t.Errorf("%q: %s", key, a.text)
				}
				w.call(t, http.MethodGet, c.path()+url.PathEscape(key), "").wantStatus(http.StatusOK)
			}
		})
		t.Run(kind+" that does not exist is not found", func(t *testing.T) {
			w := fresh(t)
			w.call(t, http.MethodGet, c.path()+"p", "").wantProblem(http.StatusNotFound, c.notFound)
			w.call(t, http.MethodPut, c.path()+"p", `1`).wantStatus(http.StatusOK)
			for _, key := range []string{"none", "%00", "%ff", strings.Repeat("x", 256)} {
				w.call(t, http.MethodGet, c.path()+key, "").wantProblem(http.StatusNotFound, c.notFound)
			}
		})
		for name, c2 := range map[string]struct{ key, body, field string }{
			"not JSON":                {"p", `{`, "body"},
			"an empty body":           {"p", ``, "body"},
			"two values":              {"p", `1 2`, "body"},
			"NUL":                     {"p", `{"a":["\u0000"]}`, "body.a[0]"},
			"a lone surrogate":        {"p", `"\ud800"`, "body"},
			"invalid UTF-8":           {"p", "[\"\xff\"]", "body[0]"},
			"a number beyond float64": {"p", `1e400`, "body"},
			"33 levels":               {"p", nested(33), "body" + strings.Repeat("[0]", 32)},
			"a key with NUL":          {"%00", `1`, "property_id"},
			"a key of invalid UTF-8":  {"%ff", `1`, "property_id"},
			"a key of 256 characters": {strings.Repeat("x", 256), `1`, "property_id"},
			"a key with a line break": {"a%0Ab", `1`, "property_id"},
		} {
			t.Run(kind+" that cannot be stored is refused: "+name, func(t *testing.T) {
				w := fresh(t)
				a := w.call(t, http.MethodPut, c.path()+c2.key, c2.body).
					wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
				if fields := fieldsIn(a); !reflect.DeepEqual(fields, []string{c2.field}) {
					t.Errorf("got %v", fields)
				}
				if len(w.minigroups[filled().ID].Properties)+len(w.accounts) != 0 {
					t.Error("something was stored")
				}
			})
		}
		t.Run(kind+" that is too large, alone or with the others, is refused", func(t *testing.T) {
			w := fresh(t)
			w.call(t, http.MethodPut, c.path()+"p", strconv.Quote(strings.Repeat("x", maxBodyBytes))).
				wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
			w.call(t, http.MethodPut, c.path()+"p", `"too large"`).
				wantProblem(http.StatusRequestEntityTooLarge, minigroup.PayloadTooLarge)
			w.call(t, http.MethodPut, c.path()+"p", `1`, "Content-Type", "text/plain").
				wantProblem(http.StatusUnsupportedMediaType, minigroup.UnsupportedMediaType)
		})
		t.Run(kind+" is unavailable without a database", func(t *testing.T) {
			w := fresh(t)
			w.readErr = errors.New("down")
			w.call(t, http.MethodGet, c.path()+"p", "").wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
			w.call(t, http.MethodPut, c.path()+"p", `1`).wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
		})
	}
}

func TestRightsForProperties(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	pupil := "Bearer " + w.tokenOf(t, "pupil", time.Now().Add(time.Hour))
	t.Run("properties of a class need the right to read or update it", func(t *testing.T) {
		w.call(t, http.MethodGet, classPath()+"/properties/p", "", "Authorization", pupil).
			wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		w.call(t, http.MethodPut, classPath()+"/properties/p", "5", "Authorization", pupil).
			wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		if got := w.minigroups[filled().ID].Properties; !reflect.DeepEqual(got, filled().Properties) {
			t.Errorf("they are %s", got)
		}
	})
	t.Run("properties of an account belong to that account", func(t *testing.T) {
		w.call(t, http.MethodPut, accountProperties+"lang", `"en"`, "Authorization", pupil).wantStatus(http.StatusOK)
		w.call(t, http.MethodGet, accountProperties+"lang", "", "Authorization", pupil).wantStatus(http.StatusOK)
		w.call(t, http.MethodGet, accountProperties+"lang", "").
			wantProblem(http.StatusNotFound, minigroup.AccountPropertyNotFound)
		w.call(t, http.MethodPut, accountProperties+"lang", `"en"`, "Authorization", "").
			wantProblem(http.StatusUnauthorized, minigroup.NoAuthenticationToken)
	})
	t.Run("properties can be set in every state of the class and start no saga", func(t *testing.T) {
		for _, state := range []minigroup.State{minigroup.Creating, minigroup.Undoing, minigroup.Failed} {
			m := filled()
			m.State, m.Update, m.Failure = state, nil, &minigroup.Failure{Kind: minigroup.UpstreamRefused}
			w.put(m)
			w.call(t, http.MethodPut, classPath()+"/properties/p", "5").wantStatus(http.StatusOK)
		}
		if w.startedSagas() != 0 {
			t.Errorf("%d sagas", w.startedSagas())
		}
	})
	t.Run("properties of a class that does not exist are not found", func(t *testing.T) {
		missing := minigroups + "/" + minigroup.NewClassID("a", "b").String() + "/properties/p"
		w.call(t, http.MethodGet, missing, "").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
		w.call(t, http.MethodPut, missing, "5").wantProblem(http.StatusNotFound, minigroup.ClassNotFound)
	})
}

func TestCreateWithProperties(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(
		lesson, `"locked_chat":true`, `"locked_chat":true,"locked_questions":true,"properties":{"p":1}`, 1,
	)
	a := w.call(t, http.MethodPost, minigroups, body).wantStatus(http.StatusCreated)
	if a.body["locked_questions"] != true {
		t.Error(a.text)
	}
	if got := w.call(t, http.MethodGet, classPath()+"/properties/p", "").wantStatus(http.StatusOK).text; got != "1\n" {
		t.Errorf("the property is %s", got)
	}
}

// dispatcherRead is a recorded reply of dispatcher, the service that this one replaces, to the GET of a class without
// recordings. Frontends use these members.
const dispatcherRead = `{"account_properties":{},"class_id":"$class","content_id":"$class","id":"$scope",
	"properties":{},
	"real_time":{"conference_room_id":"$uuid","event_room_id":"$uuid"},"status":"real-time","timed_out":false,
	"turn_host":"turn.example.org"}`

func TestReadHasTheMembersThatFrontendsUse(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	a := w.call(t, http.MethodGet, classPath(), "").wantStatus(http.StatusOK)
	var dispatcher map[string]any
	noError(t, json.Unmarshal([]byte(dispatcherRead), &dispatcher))
	wantMembers := func(within string, want, got map[string]any) {
		for member, value := range want {
			if reflect.TypeOf(got[member]) != reflect.TypeOf(value) {
				t.Errorf("%s%s is %v, want a value like %v", within, member, got[member], value)
			}
		}
	}
	wantMembers("", dispatcher, a.body)
	rooms, _ := a.body["real_time"].(map[string]any)
	wantMembers("real_time.", dispatcher["real_time"].(map[string]any), rooms)
	if a.body["id"] != filled().Scope || a.body["class_id"] != a.body["content_id"] {
		t.Error(a.text)
	}
}

func TestTurnHost(t *testing.T) {
	hosts := []string{"a", "b", "c"}
	seen := map[string]int{}
	for i := range 300 {
		id := minigroup.NewClassID("example.org", strconv.Itoa(i))
		host := turnHost(hosts, id)
		if again := turnHost(hosts, id); again != host {
			t.Fatalf("the host of %s is %q, then %q", id, host, again)
		}
		seen[host]++
	}
	if host := turnHost(nil, filled().ID); host != "" {
		t.Errorf("without hosts it is %q", host)
	}
	for _, host := range hosts {
		if seen[host] < 50 {
			t.Errorf("the distribution is %v", seen)
		}
	}
}
