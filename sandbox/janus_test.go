package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

const (
	janusSecret = "admin-secret"
	janusKey    = "admin-key"
)

// janusExchange is a body for POST /admin. Those with a request are put into an envelope.
type janusExchange struct{ raw, request string }

func envelope(request string) janusExchange { return janusExchange{request: request} }

func (e janusExchange) body() string {
	if e.request == "" {
		return e.raw
	}
	return fmt.Sprintf(`{"janus":"message_plugin","plugin":"janus.plugin.videoroom","transaction":"t1","admin_secret":%q,"request":%s}`, janusSecret, e.request)
}

// Each scenario leaves no room behind that another one lists.
var janusScenarios = map[string][]janusExchange{
	"the envelope": {
		{raw: `{"janus":"ping","transaction":"x"}`},
		{raw: `{"janus":"PING","transaction":""}`},
		{raw: `{"janus":"info","transaction":"x"}`},
		{raw: `{"janus":"frob","transaction":"x","admin_secret":"admin-secret"}`},
		{raw: `{"janus":"frob","transaction":"x"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":5}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"wrong"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":5}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":"nope"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":"janus.plugin.videoroom"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":"janus.plugin.videoroom","request":5}`},
		{raw: `{"janus":5,"transaction":"x"}`},
		{raw: `{"janus":"ping","transaction":5}`},
		{raw: `{"janus":"ping"}`},
		{raw: `{"transaction":"x"}`},
		{raw: `{}`},
		{raw: `[]`},
		{raw: `5`},
		{raw: `null`},
		{raw: `{bad`},
		{raw: `{"a":1} x`},
		{raw: `{"a":9223372036854775808}`},
	},
	"the plugin's request": {
		envelope(`{}`), envelope(`[]`), envelope(`{"request":5}`), envelope(`{"request":"frob"}`), envelope(`{"request":"join","room":"r"}`),
	},
	"create, twice, edit, destroy, twice": {
		envelope(`{"request":"CREATE","room":"r1","publishers":12,"is_private":true,"secret":"s","pin":"p","description":"d","admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"r1","publishers":13,"admin_key":"admin-key"}`),
		envelope(`{"request":"exists","room":"r1"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"list","admin_key":"wrong"}`),
		envelope(`{"request":"list","admin_key":5}`),
		envelope(`{"request":"list","admin_key":"admin-key"}`),
		envelope(`{"request":"listparticipants","room":"r1"}`),
		envelope(`{"request":"edit","room":"r1"}`),
		envelope(`{"request":"edit","room":"r1","secret":5}`),
		envelope(`{"request":"edit","room":"r1","secret":"wrong"}`),
		envelope(`{"request":"edit","room":"r1","secret":"s","new_publishers":20,"new_description":"d2","new_is_private":false,"new_secret":"s2"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"r1"}`),
		envelope(`{"request":"destroy","room":"r1","secret":5}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s"}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s2"}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s2"}`),
		envelope(`{"request":"exists","room":"r1"}`),
	},
	"a room without a secret": {
		envelope(`{"request":"create","room":"open","admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"open","new_publishers":7,"new_description":"","new_secret":"","new_pin":""}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"open"}`),
	},
	"an empty secret is one": {
		envelope(`{"request":"create","room":"e","secret":"","description":"","pin":"","admin_key":"admin-key"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"e"}`),
		envelope(`{"request":"destroy","room":"e","secret":""}`),
	},
	"the admin key": {
		envelope(`{"request":"create","room":"k"}`),
		envelope(`{"request":"create","room":"k","admin_key":5}`),
		envelope(`{"request":"create","room":"k","admin_key":"wrong"}`),
		envelope(`{"request":"create","room":"k","admin_key":"wrong","publishers":"12"}`),
		envelope(`{"request":"create","room":5}`),
	},
	"types": {
		envelope(`{"request":"create","room":null,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","publishers":null,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","is_private":"yes","admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","secret":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","pin":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","description":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","permanent":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"nope","new_publishers":-1}`),
		envelope(`{"request":"edit","room":"nope","new_description":5}`),
		envelope(`{"request":"edit","room":"nope","new_is_private":5}`),
	},
	"no such room, and no room at all": {
		envelope(`{"request":"edit","room":"nope"}`), envelope(`{"request":"destroy","room":"nope"}`), envelope(`{"request":"exists","room":"nope"}`),
		envelope(`{"request":"listparticipants","room":"nope"}`), envelope(`{"request":"edit"}`), envelope(`{"request":"destroy"}`),
		envelope(`{"request":"exists"}`), envelope(`{"request":"listparticipants"}`), envelope(`{"request":"edit","room":5}`),
		envelope(`{"request":"destroy","room":5}`), envelope(`{"request":"exists","room":5}`), envelope(`{"request":"listparticipants","room":5}`),
	},
	"publishers": slices.Concat(
		publishers(`0`), publishers(`1`), publishers(`2147483647`), publishers(`-1`), publishers(`1.5`), publishers(`12.0`), publishers(`"12"`), publishers(`true`),
		publishers(`2147483648`), publishers(`4294967295`), publishers(`4294967296`), publishers(`4294967301`), publishers(`9223372036854775807`), publishers(`9223372036854775808`),
	),
}

// publishers creates a room with so many, and edits one to have so many.
func publishers(n string) []janusExchange {
	return []janusExchange{
		envelope(`{"request":"create","room":"p","admin_key":"admin-key","publishers":` + n + `}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"p"}`),
		envelope(`{"request":"create","room":"p","admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"p","new_publishers":` + n + `}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"p"}`),
	}
}

func TestTheJanusStandInAnswersAsTheGatewayDoes(t *testing.T) {
	gateway := startRealJanus(t)
	standIn := httptest.NewServer(sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: janusSecret, AdminKey: janusKey}).Admin())
	defer standIn.Close()
	for name, exchanges := range janusScenarios {
		t.Run(name, func(t *testing.T) {
			for _, e := range exchanges {
				want, got := askJanus(t, gateway, e.body()), askJanus(t, standIn.URL, e.body())
				if !reflect.DeepEqual(want, got) {
					t.Errorf("%s%s\n got %v\nwant %v", e.raw, e.request, got, want)
				}
			}
		})
	}
}

// askJanus returns the answer without what differs from gateway to gateway: the wording of JSON errors, the details of
// info, the order of lists.
func askJanus(t *testing.T, base, body string) map[string]any {
	t.Helper()
	resp := post(t, base+"/admin", body)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: status %d, content type %q", body, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if failure, _ := answer["error"].(map[string]any); failure["code"] == 454.0 {
		delete(failure, "reason")
	}
	if answer["janus"] == "server_info" {
		return map[string]any{"janus": answer["janus"], "transaction": answer["transaction"], "version": answer["version"]}
	}
	response, _ := answer["response"].(map[string]any)
	list, _ := response["list"].([]any)
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return answer
}

func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// startRealJanus runs the installed gateway until the test ends and returns the base URL of its Admin API.
func startRealJanus(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	gateway, err := stack.StartJanus(t.Context(), stack.JanusOptions{
		Dir: filepath.Join(dir, "etc"), Port: freePort(t), AdminPort: freePort(t),
		AdminSecret: janusSecret, AdminKey: janusKey, Log: filepath.Join(dir, "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Kill() })
	return strings.TrimSuffix(gateway.AdminURL(), "/admin")
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func TestTheJanusStandIn(t *testing.T) {
	janus := sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: janusSecret, AdminKey: janusKey})
	admin, public := httptest.NewServer(janus.Admin()), httptest.NewServer(janus.Public())
	defer admin.Close()
	defer public.Close()

	t.Run("the public port pings and informs", func(t *testing.T) {
		resp := post(t, public.URL+"/janus", `{"janus":"ping","transaction":"x"}`)
		defer func() { _ = resp.Body.Close() }()
		if body, _ := io.ReadAll(resp.Body); !strings.Contains(string(body), "pong") {
			t.Errorf("ping: %s", body)
		}
		info, err := http.Get(public.URL + "/janus/info")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = info.Body.Close() }()
		if body, _ := io.ReadAll(info.Body); !strings.Contains(string(body), `"version_string":"1.1.2"`) {
			t.Errorf("info: %s", body)
		}
	})

	t.Run("an abandoned create is carried out", func(t *testing.T) {
		setFaults(t, admin.URL, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 40, Times: 1})
		create := envelope(`{"request":"create","room":"late","admin_key":"admin-key"}`).body()
		sendAndHangUp(t, admin.URL, fmt.Sprintf("POST /admin HTTP/1.1\r\nHost: janus\r\nContent-Length: %d\r\n\r\n%s", len(create), create), 0)
		eventually(t, "the room exists", func() bool { return len(janusRooms(t, admin.URL)) == 1 })
	})

	t.Run("faults find a class by the room's description", func(t *testing.T) {
		class := uuid.New()
		setFaults(t, admin.URL, sandbox.Fault{Operation: sandbox.OperationCreate, ClassroomID: &class, Do: sandbox.EffectRefuse, Status: 436, Type: "no"})
		create := `{"request":"create","room":"other","admin_key":"admin-key","description":"minigroup:%s"}`
		answer := askJanus(t, admin.URL, envelope(fmt.Sprintf(create, class)).body())
		if response := answer["response"].(map[string]any); response["error_code"] != 436.0 || response["error"] != "no" {
			t.Errorf("got %v, want the refusal", response)
		}
		answer = askJanus(t, admin.URL, envelope(fmt.Sprintf(create, uuid.New())).body())
		if response := answer["response"].(map[string]any); response["videoroom"] != "created" {
			t.Errorf("got %v, want a room", response)
		}
	})

	t.Run("a lost reply leaves the room", func(t *testing.T) {
		setFaults(t, admin.URL, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1})
		create := envelope(`{"request":"create","room":"lost","admin_key":"admin-key"}`).body()
		if resp, err := http.Post(admin.URL+"/admin", "application/json", strings.NewReader(create)); err == nil {
			_ = resp.Body.Close()
			t.Fatalf("answered %d", resp.StatusCode)
		}
		if !slices.ContainsFunc(janusRooms(t, admin.URL), func(r sandbox.JanusRoom) bool { return r.Room == "lost" }) {
			t.Error("the room does not exist")
		}
	})

	t.Run("failing answers no JSON", func(t *testing.T) {
		setFaults(t, admin.URL, sandbox.Fault{Operation: sandbox.OperationAny, Do: sandbox.EffectFail, Times: 1})
		resp := post(t, admin.URL+"/admin", envelope(`{"request":"exists","room":"lost"}`).body())
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

func janusRooms(t *testing.T, base string) []sandbox.JanusRoom {
	t.Helper()
	rooms, err := sandboxclient.JanusRooms(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	return rooms
}
