package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
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

// output is what run prints. It can be read while run prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *output) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *output) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// machine returns a new workspace and the settings of free ports. Its directory is under /tmp, where the account of
// Postgres can enter it.
func machine(t *testing.T) (ws workspace, environ []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dev-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clean(workspace{dir: dir}, io.Discard); err != nil {
			t.Error(err)
		}
	})
	for _, key := range []string{
		"api.listen", "api.metrics_listen", "worker.metrics_listen", "dev.temporal_listen", "dev.temporal_ui",
		"dev.event_listen", "dev.conference_listen", "dev.broker_listen",
	} {
		environ = append(environ, config.Variable(key)+"="+loopback(freePort(t)))
	}
	for _, key := range []string{"dev.postgres_port", "dev.janus_port", "dev.janus_admin_port"} {
		environ = append(environ, config.Variable(key)+"="+strconv.Itoa(freePort(t)))
	}
	return workspace{root: "../..", dir: dir}, environ
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs the command and returns when everything has started. end stops everything and returns the error of run.
func start(t *testing.T, ws workspace, environ []string, args ...string) (out *output, end func() error) {
	t.Helper()
	out = &output{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, context.Background(), ws, args, environ, out) }()
	end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * time.Minute):
			return errors.New("it does not end within two minutes")
		}
	})
	t.Cleanup(func() { _ = end() })
	deadline := time.After(5 * time.Minute)
	for !strings.Contains(out.String(), "Press Ctrl-C to stop everything.") {
		select {
		case err := <-ended:
			t.Fatalf("run returns %v:\n%s", err, out)
		case <-deadline:
			t.Fatalf("it does not start within five minutes:\n%s", out)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return out, end
}

// runCurl runs the printed curl command and returns its output.
func runCurl(t *testing.T, out *output) string {
	t.Helper()
	line := regexp.MustCompile(`(?s)curl .*?\n\n`).FindString(out.String())
	reply, err := exec.Command("/bin/sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(reply)
}

// children returns the command lines of all processes that contain the directory of the workspace, by process id.
func children(t *testing.T, ws workspace) map[int]string {
	t.Helper()
	found := map[int]string{}
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), ws.dir) {
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

func TestRun(t *testing.T) {
	ws, environ := machine(t)
	out, end := start(t, ws, environ)

	t.Run("the printed command creates a minigroup, whose room events are published on the broker", func(t *testing.T) {
		broker := regexp.MustCompile(`MQTT broker +(mqtt://\S+)`).FindStringSubmatch(out.String())
		if broker == nil {
			t.Fatalf("no address of the broker is printed:\n%s", out)
		}
		events, err := sandboxclient.Subscribe(t.Context(), broker[1])
		if err != nil {
			t.Fatal(err)
		}
		reply := runCurl(t, out)
		if !strings.Contains(reply, " 201 ") || !strings.Contains(reply, `"status":"real-time"`) {
			t.Errorf("got %s", reply)
		}
		missing := map[string]bool{"event": true, "conference": true}
		eventually(t, "both rooms are published", func() bool {
			select {
			case e := <-events:
				service, _, _ := strings.Cut(strings.TrimPrefix(e.Topic, "apps/"), ".")
				if e.Label == "room.create" {
					delete(missing, service)
				}
			default:
			}
			return len(missing) == 0
		})
	})

	t.Run("tokens are issued for configured audiences only", func(t *testing.T) {
		var token strings.Builder
		err := run(t.Context(), t.Context(), ws, []string{"token", "-sub", "stranger"}, nil, &token)
		if err != nil || strings.Count(token.String(), ".") != 2 {
			t.Errorf("got %q, %v", token.String(), err)
		}
		err = run(t.Context(), t.Context(), ws, []string{"token", "-aud", "nowhere.org"}, nil, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "nowhere.org") || !strings.Contains(err.Error(), "example.org") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("run and clean are refused while it runs", func(t *testing.T) {
		for _, command := range []string{"run", "clean"} {
			err := run(t.Context(), t.Context(), ws, []string{command}, environ, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "is in use") {
				t.Errorf("%s: %v", command, err)
			}
		}
	})

	t.Run("no process is left after its end, and it starts again with its data", func(t *testing.T) {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if left := children(t, ws); len(left) > 0 {
			t.Errorf("still running: %v", left)
		}
		first := regexp.MustCompile(`"scope":"[^"]*"`).FindString(out.String())
		again, _ := start(t, ws, environ)
		bearer := regexp.MustCompile(`Bearer [^']*`)
		body := strings.ReplaceAll(out.String(), bearer.FindString(out.String()), bearer.FindString(again.String()))
		repeated := &output{}
		_, _ = repeated.Write([]byte(body))
		reply := runCurl(t, repeated)
		if !strings.Contains(reply, " 200 ") || !strings.Contains(reply, strings.TrimPrefix(first, `"scope":`)) {
			t.Errorf("the same command after a restart: %s", reply)
		}
	})
}

func TestRunStopsEverythingWhenAProgramEnds(t *testing.T) {
	ws, environ := machine(t)
	out, end := start(t, ws, environ)
	killed := 0
	for pid, line := range children(t, ws) {
		if strings.HasPrefix(line, ws.binary("worker")) {
			killed++
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d workers", killed)
	}
	eventually(t, "it says what has ended", func() bool { return strings.Contains(out.String(), "worker has ended") })
	eventually(t, "everything ends", func() bool { return len(children(t, ws)) == 0 })
	if err := end(); err == nil {
		t.Error("run returns no error")
	}
	if !strings.Contains(out.String(), ws.path("log", "worker.log")) {
		t.Errorf("the path of the log is not printed:\n%s", out)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within 30 seconds: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestRunSaysWhichPortsAreInUse(t *testing.T) {
	ws, environ := machine(t)
	var taken []string
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		taken = append(taken, listener.Addr().String())
	}
	environ = append(environ, "MINIGROUPS_API__LISTEN="+taken[0], "MINIGROUPS_DEV__TEMPORAL_UI="+taken[1],
		"MINIGROUPS_DEV__BROKER_LISTEN="+taken[2])
	var out output
	err := run(t.Context(), t.Context(), ws, nil, environ, &out)
	for _, want := range []string{
		taken[0], "the API", "api.listen", "MINIGROUPS_API__LISTEN", taken[1], "the UI of Temporal", "dev.temporal_ui",
		taken[2], "the MQTT broker", "dev.broker_listen",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if out.String() != "" {
		t.Errorf("something was started: %s", out.String())
	}
}
