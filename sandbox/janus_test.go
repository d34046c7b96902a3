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

func TestTheJanusStandInAnswersAsTheGateway(t *testing.T) {
	gateway := startRealJanus(t)
	janus := sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: janusSecret, AdminKey: janusKey})
	standIn := httptest.NewServer(janus.Admin())
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

// askJanus returns the response without the parts that differ between gateways: the wording of JSON errors, the
// details of info, the order of lists.
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
		return map[string]any{
			"janus": answer["janus"], "transaction": answer["transaction"], "version": answer["version"],
		}
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

// eventually polls until the condition holds, for at most 20 seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not within 20 seconds: %s", what)
		case <-tick.C:
		}
	}
}

func TestTheJanusStandIn(t *testing.T) {
	janus := sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: janusSecret, AdminKey: janusKey})
	admin, public := httptest.NewServer(janus.Admin()), httptest.NewServer(janus.Public())
	defer admin.Close()
	defer public.Close()

	t.Run("the public port answers ping and info", func(t *testing.T) {
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

	t.Run("a create is executed although its client hangs up", func(t *testing.T) {
		setFaults(t, admin.URL, sandbox.Fault{
			Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 40, Times: 1,
		})
		create := envelope(`{"request":"create","room":"late","admin_key":"admin-key"}`).body()
		const request = "POST /admin HTTP/1.1\r\nHost: janus\r\nContent-Length: %d\r\n\r\n%s"
		sendAndHangUp(t, admin.URL, fmt.Sprintf(request, len(create), create), 0)
		eventually(t, "the room exists", func() bool { return len(janusRooms(t, admin.URL)) == 1 })
	})

	t.Run("faults match a class by the room's description", func(t *testing.T) {
		class := uuid.New()
		setFaults(t, admin.URL, sandbox.Fault{
			Operation: sandbox.OperationCreate, ClassroomID: &class, Do: sandbox.EffectRefuse, Status: 436, Type: "no",
		})
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
		setFaults(t, admin.URL, sandbox.Fault{
			Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1,
		})
		create := envelope(`{"request":"create","room":"lost","admin_key":"admin-key"}`).body()
		if resp, err := http.Post(admin.URL+"/admin", "application/json", strings.NewReader(create)); err == nil {
			_ = resp.Body.Close()
			t.Fatalf("replied %d", resp.StatusCode)
		}
		if !slices.ContainsFunc(janusRooms(t, admin.URL), func(r sandbox.JanusRoom) bool { return r.Room == "lost" }) {
			t.Error("the room does not exist")
		}
	})

	t.Run("fail replies without JSON", func(t *testing.T) {
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
