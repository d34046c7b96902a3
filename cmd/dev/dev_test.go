package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"minigroups/config"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

// said is what a run prints while it runs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// machine is a place of its own on ports of its own. The folder is under /tmp,
// where the account of Postgres can enter.
func machine(t *testing.T) (at place, environ []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dev-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clean(place{dir: dir}, io.Discard); err != nil {
			t.Error(err)
		}
	})
	for _, key := range []string{"api.listen", "api.metrics_listen", "worker.metrics_listen", "dev.temporal_listen", "dev.temporal_ui", "dev.event_listen", "dev.conference_listen", "dev.broker_listen"} {
		environ = append(environ, config.Variable(key)+"="+loopback(freePort(t)))
	}
	for _, key := range []string{"dev.postgres_port", "dev.janus_port", "dev.janus_admin_port"} {
		environ = append(environ, config.Variable(key)+"="+strconv.Itoa(freePort(t)))
	}
	return place{root: "../..", dir: dir}, environ
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// running starts a stack and returns when it has introduced itself.
func running(t *testing.T, at place, environ []string, args ...string) (out *said, end func() error) {
	t.Helper()
	out = &said{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, context.Background(), at, args, environ, out) }()
	end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * time.Minute):
			return errors.New("it does not end")
		}
	})
	t.Cleanup(func() { _ = end() })
	deadline := time.After(5 * time.Minute)
	for !strings.Contains(out.String(), "Ctrl-C ends it all.") {
		select {
		case err := <-ended:
			t.Fatalf("ended with %v:\n%s", err, out)
		case <-deadline:
			t.Fatalf("does not come up:\n%s", out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return out, end
}

// paste runs the curl line that was printed and returns what it says.
func paste(t *testing.T, out *said) string {
	t.Helper()
	line := regexp.MustCompile(`(?s)curl .*?\n\n`).FindString(out.String())
	reply, err := exec.Command("/bin/sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(reply)
}

// children lists the processes that mention the place, by id.
func children(t *testing.T, at place) map[int]string {
	t.Helper()
	found := map[int]string{}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), at.dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
	}
	return found
}

// clusterMachine is a machine on which the ports of a cluster are free, too.
func clusterMachine(t *testing.T) (at place, environ []string) {
	t.Helper()
	for range 20 {
		at, environ = machine(t)
		prepared, err := at.cluster().prepare()
		if err != nil {
			t.Fatal(err)
		}
		p, err := settle(prepared, several, environ)
		if err != nil {
			t.Fatal(err)
		}
		if p.ports() == nil {
			return at, environ
		}
	}
	t.Fatal("there are no free ports")
	return at, environ
}

func TestCluster(t *testing.T) {
	at, environ := clusterMachine(t)
	out, end := running(t, at, environ, "cluster")
	if reply := paste(t, out); !strings.Contains(reply, " 201 ") || !strings.Contains(reply, `"status":"real-time"`) {
		t.Errorf("got %s", reply)
	}
	ui := regexp.MustCompile(`Temporal UI +(http://\S+)`).FindStringSubmatch(out.String())
	if ui == nil {
		t.Fatalf("no UI is named:\n%s", out)
	}
	page, err := http.Get(ui[1])
	if err != nil {
		t.Fatal(err)
	}
	if _ = page.Body.Close(); page.StatusCode != http.StatusOK {
		t.Errorf("the UI answers %s", page.Status)
	}
	counts := map[string]int{}
	for _, line := range children(t, at) {
		program, _, _ := strings.Cut(line, " ")
		counts[filepath.Base(program)]++
	}
	if counts["api"] != 2 || counts["worker"] != 3 || counts["temporal-server"] != 1 {
		t.Errorf("there run %v", counts)
	}
	if err := run(t.Context(), t.Context(), at, []string{"cluster", "token"}, environ, io.Discard); err != nil {
		t.Errorf("no token for it: %v", err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if left := children(t, at); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRun(t *testing.T) {
	at, environ := machine(t)
	out, end := running(t, at, environ)

	t.Run("the printed line creates a minigroup, whose rooms are announced on the broker", func(t *testing.T) {
		broker := regexp.MustCompile(`MQTT broker +(mqtt://\S+)`).FindStringSubmatch(out.String())
		if broker == nil {
			t.Fatalf("no broker is named:\n%s", out)
		}
		heard, err := sandboxclient.Subscribe(t.Context(), broker[1])
		if err != nil {
			t.Fatal(err)
		}
		if reply := paste(t, out); !strings.Contains(reply, " 201 ") || !strings.Contains(reply, `"status":"real-time"`) {
			t.Errorf("got %s", reply)
		}
		missing := map[string]bool{"event": true, "conference": true}
		eventually(t, "both rooms are announced", func() bool {
			select {
			case a := <-heard:
				if service, _, _ := strings.Cut(strings.TrimPrefix(a.Topic, "apps/"), "."); a.Label == "room.create" {
					delete(missing, service)
				}
			default:
			}
			return len(missing) == 0
		})
	})

	t.Run("tokens are for audiences that are configured", func(t *testing.T) {
		var token strings.Builder
		if err := run(t.Context(), t.Context(), at, []string{"token", "-sub", "stranger"}, nil, &token); err != nil || strings.Count(token.String(), ".") != 2 {
			t.Errorf("got %q, %v", token.String(), err)
		}
		err := run(t.Context(), t.Context(), at, []string{"token", "-aud", "nowhere.org"}, nil, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "nowhere.org") || !strings.Contains(err.Error(), "example.org") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("neither a second stack nor a cleaning disturbs it", func(t *testing.T) {
		for _, command := range []string{"run", "clean"} {
			err := run(t.Context(), t.Context(), at, []string{command}, environ, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "a stack runs") {
				t.Errorf("%s: %v", command, err)
			}
		}
	})

	t.Run("nothing is left when it ends, and it comes up again with its data", func(t *testing.T) {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if left := children(t, at); len(left) > 0 {
			t.Errorf("still there: %v", left)
		}
		first := regexp.MustCompile(`"scope":"[^"]*"`).FindString(out.String())
		again, _ := running(t, at, environ)
		body := strings.ReplaceAll(out.String(), regexp.MustCompile(`Bearer [^']*`).FindString(out.String()), regexp.MustCompile(`Bearer [^']*`).FindString(again.String()))
		repeated := &said{}
		_, _ = repeated.Write([]byte(body))
		if reply := paste(t, repeated); !strings.Contains(reply, " 200 ") || !strings.Contains(reply, strings.TrimPrefix(first, `"scope":`)) {
			t.Errorf("the same line after a restart: %s", reply)
		}
	})
}

func TestRunEndsWhenAPartDies(t *testing.T) {
	at, environ := machine(t)
	out, end := running(t, at, environ)
	killed := 0
	for pid, line := range children(t, at) {
		if strings.HasPrefix(line, at.binary("worker")) {
			killed++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d workers", killed)
	}
	// It ends of itself, so the end that is asked for comes too late.
	eventually(t, "it notices", func() bool { return strings.Contains(out.String(), "worker died") })
	eventually(t, "everything ends", func() bool { return len(children(t, at)) == 0 })
	if err := end(); err == nil {
		t.Error("it ends well")
	}
	if !strings.Contains(out.String(), at.path("log", "worker.log")) {
		t.Errorf("the log is not named:\n%s", out)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestRunSaysWhichPortsAreTaken(t *testing.T) {
	at, environ := machine(t)
	var taken []string
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		taken = append(taken, listener.Addr().String())
	}
	environ = append(environ, "MINIGROUPS_API__LISTEN="+taken[0], "MINIGROUPS_DEV__TEMPORAL_UI="+taken[1], "MINIGROUPS_DEV__BROKER_LISTEN="+taken[2])
	var out said
	err := run(t.Context(), t.Context(), at, nil, environ, &out)
	for _, want := range []string{taken[0], "the API", "api.listen", "MINIGROUPS_API__LISTEN", taken[1], "the UI of Temporal", "dev.temporal_ui", taken[2], "the MQTT broker", "dev.broker_listen"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if out.String() != "" {
		t.Errorf("something had started: %s", out.String())
	}
}

// announcing is what the stand-ins are told of announcements.
func announcing(p plan) string { return strings.Join((&system{plan: p}).announcing(), " ") }

func TestSettle(t *testing.T) {
	settled := func(t *testing.T, environ ...string) (plan, error) {
		t.Helper()
		at, _ := machine(t)
		at, err := at.prepare()
		if err != nil {
			t.Fatal(err)
		}
		return settle(at, one, environ)
	}

	t.Run("everything is ours where nothing is configured", func(t *testing.T) {
		p, err := settled(t)
		if err != nil {
			t.Fatal(err)
		}
		if !p.postgres || !p.temporal || !p.event || !p.conference || !p.janus || !p.broker {
			t.Errorf("got %+v", p)
		}
		if p.cfg.Event.URL != "http://127.0.0.1:8091" || p.cfg.MQTT.Broker != "mqtt://127.0.0.1:1883" || p.cfg.Janus.Backends[0].AdminURL != "http://127.0.0.1:7088/admin" {
			t.Errorf("got\n%s", p.cfg)
		}
		if got := p.cfg.Authorization["example.org"]; got.Kind != "local" || got.Trusted[0] != "dev.example.org" {
			t.Errorf("authorization: %+v", got)
		}
	})

	t.Run("what has an address is not ours", func(t *testing.T) {
		p, err := settled(t, "DATABASE_URL=postgres://elsewhere/x", "TEMPORAL_ADDRESS=elsewhere:7233", "MINIGROUPS_MQTT__BROKER=mqtt://elsewhere:1883",
			"MINIGROUPS_EVENT__URL=http://elsewhere/event", "MINIGROUPS_CONFERENCE__URL=http://elsewhere/conference",
			"MINIGROUPS_JANUS__ADMIN_KEY=k", "MINIGROUPS_JANUS__ADMIN_SECRET=s",
			"MINIGROUPS_JANUS__BACKENDS=[{id: theirs, admin_url: 'http://elsewhere/admin', janus_url: 'http://elsewhere/janus'}]")
		if err != nil {
			t.Fatal(err)
		}
		if p.postgres || p.temporal || p.event || p.conference || p.janus || p.broker {
			t.Errorf("got %+v", p)
		}
		if got := announcing(p); len(got) > 0 {
			t.Errorf("stand-ins for %q", got)
		}
		if p.cfg.MQTT.Broker != "mqtt://elsewhere:1883" || p.cfg.Temporal.Address != "elsewhere:7233" || p.cfg.Event.URL != "http://elsewhere/event" || p.cfg.Janus.Backends[0].ID != "theirs" {
			t.Errorf("got\n%s", p.cfg)
		}
	})

	t.Run("no broker where event and conference are somebody's", func(t *testing.T) {
		theirs := []string{"MINIGROUPS_EVENT__URL=http://elsewhere/event", "MINIGROUPS_CONFERENCE__URL=http://elsewhere/conference"}
		p, err := settled(t, theirs...)
		if err != nil || p.broker || p.cfg.MQTT.Broker != "" || len(announcing(p)) > 0 {
			t.Errorf("got %v, %+v", err, p.cfg.MQTT)
		}
		for _, one := range theirs {
			if p, err := settled(t, one); err != nil || !p.broker || p.cfg.MQTT.Broker == "" {
				t.Errorf("%s: got %v, %+v", one, err, p.cfg.MQTT)
			}
		}
	})

	t.Run("stand-ins announce on the broker that is configured, as the accounts that are", func(t *testing.T) {
		p, err := settled(t, "MINIGROUPS_MQTT__BROKER=mqtt://elsewhere:1883", "MINIGROUPS_MQTT__EVENT_ACCOUNT=e.svc.example.org")
		if err != nil || p.broker {
			t.Fatalf("got %v, %+v", err, p)
		}
		want := "-broker mqtt://elsewhere:1883 -event-account e.svc.example.org -conference-account conference.svc.example.org"
		if got := announcing(p); got != want {
			t.Errorf("got %q", got)
		}
	})

	t.Run("a gateway of somebody needs its secrets", func(t *testing.T) {
		_, err := settled(t, "MINIGROUPS_JANUS__BACKENDS=[{id: theirs, admin_url: 'http://elsewhere/admin', janus_url: 'http://elsewhere/janus'}]")
		if err == nil || !strings.Contains(err.Error(), "janus.admin_secret") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("no Janus where conference reserves", func(t *testing.T) {
		p, err := settled(t, "MINIGROUPS_JANUS__RESERVATION=conference")
		if err != nil || p.janus || len(p.cfg.Janus.Backends) > 0 {
			t.Errorf("got %v, %+v", err, p.cfg.Janus.Backends)
		}
	})

	t.Run("audiences that are configured get tokens too", func(t *testing.T) {
		p, err := settled(t, "MINIGROUPS_AUTHORIZATION={school.org: {kind: none}}")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.cfg.Authentication["iam.example.org"].Audiences; strings.Join(got, " ") != "example.org school.org" {
			t.Errorf("got %v", got)
		}
	})

	t.Run("keys and secrets stay the same", func(t *testing.T) {
		at, _ := machine(t)
		at, err := at.prepare()
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for range 2 {
			p, err := settle(at, one, nil)
			if err != nil {
				t.Fatal(err)
			}
			public, err := os.ReadFile(at.secret(issuerPublicKey))
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, fmt.Sprint(string(public), p.cfg.Janus.AdminKey.Reveal(), p.cfg.Janus.AdminSecret.Reveal(), p.cfg.Janus.RoomKey.Reveal()))
		}
		if seen[0] != seen[1] {
			t.Error("they changed")
		}
	})
}
