package stack_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minigroups/stack"
)

func janusOptions(t *testing.T) stack.JanusOptions {
	t.Helper()
	ports := make([]int, 2)
	for i := range ports {
		port, err := stack.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	return stack.JanusOptions{
		Dir: filepath.Join(sharedDir(t), "janus"), Port: ports[0], AdminPort: ports[1],
		AdminSecret: "open sesame", AdminKey: "rooms", Log: filepath.Join(t.TempDir(), "log"),
	}
}

// admin posts one request for the VideoRoom plugin and returns its answer.
func admin(t *testing.T, url, request string) (answer struct {
	Janus    string `json:"janus"`
	Response struct {
		VideoRoom string `json:"videoroom"`
		Room      any    `json:"room"`
		Error     string `json:"error"`
	} `json:"response"`
}) {
	t.Helper()
	body := `{"janus":"message_plugin","plugin":"janus.plugin.videoroom","transaction":"t","admin_secret":"open sesame",` +
		`"request":` + request + `}`
	reply, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if err := json.NewDecoder(reply.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestJanus(t *testing.T) {
	options := janusOptions(t)
	janus, err := stack.StartJanus(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = janus.Kill() })

	t.Run("creates rooms with strings as ids for clients with the key", func(t *testing.T) {
		answer := admin(t, janus.AdminURL(), `{"request":"create","room":"a-room","admin_key":"rooms"}`)
		if answer.Response.VideoRoom != "created" || answer.Response.Room != "a-room" {
			t.Errorf("got %+v", answer)
		}
		answer = admin(t, janus.AdminURL(), `{"request":"create","room":"another","admin_key":"guess"}`)
		if !strings.Contains(answer.Response.Error, "admin_key") {
			t.Errorf("got %+v", answer)
		}
	})

	t.Run("runs as nobody if root starts it", func(t *testing.T) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", janus.PID()))
		if err != nil {
			t.Fatal(err)
		}
		if asRoot := strings.Contains(string(status), "\nUid:\t0\t"); asRoot {
			t.Error("it runs as root")
		}
	})

	t.Run("does not start on the ports of another gateway", func(t *testing.T) {
		taken := options
		taken.Dir, taken.Log = filepath.Join(sharedDir(t), "janus"), filepath.Join(t.TempDir(), "log")
		if _, err := stack.StartJanus(t.Context(), taken); err == nil || !strings.Contains(err.Error(), "start Janus") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("starts in a directory that its account cannot enter", func(t *testing.T) {
		closed := janusOptions(t)
		closed.Dir = filepath.Join(t.TempDir(), "janus")
		second, err := stack.StartJanus(t.Context(), closed)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("refuses secrets that would break its configuration files", func(t *testing.T) {
		for _, secret := range []string{"", `a"b`, `a\b`, "a\nb"} {
			bad := options
			bad.AdminKey = secret
			if _, err := stack.StartJanus(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "secrets") {
				t.Errorf("%q: %v", secret, err)
			}
		}
	})

	t.Run("ends when asked to", func(t *testing.T) {
		if err := janus.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := janus.Err(); err != nil {
			t.Error(err)
		}
		if _, err := http.Get(janus.URL() + "/info"); err == nil {
			t.Error("it still answers")
		}
	})
}
