package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

func TestServes(t *testing.T) {
	dir := t.TempDir()
	key := writeKey(t, filepath.Join(dir, "key.pem"))
	writeFile(t, filepath.Join(dir, "secret"), "top-secret\n")
	args := []string{
		"-event", "127.0.0.1:0", "-conference", "127.0.0.1:0", "-janus", "127.0.0.1:0", "-janus-admin", "127.0.0.1:0",
		"-conference-account", "meet.svc.example.org",
		"-issuer", "svc.example.org=svc.example.org=" + filepath.Join(dir, "key.pem"),
		"-trust", "example.org=minigroups.svc.example.org", "-open", "open.example.org",
		"-state", filepath.Join(dir, "state"), "-janus-admin-secret-file", filepath.Join(dir, "secret"),
	}

	t.Run("every stand-in on its own address, until the context ends", func(t *testing.T) {
		addresses, stop := start(t, args)
		status, body := create(t, addresses["event"], key, "example.org", `"kind":"Minigroup"`)
		if status != http.StatusCreated {
			t.Errorf("event: %d %s", status, body)
		}
		status, body = create(t, addresses["conference"], key, "open.example.org", `"rtc_sharing_policy":"owned"`)
		if status != http.StatusOK {
			t.Errorf("conference: %d %s", status, body)
		}
		if status, body = request(t, http.MethodGet, addresses["janus"]+"/janus/info", "", ""); status != http.StatusOK {
			t.Errorf("janus: %d %s", status, body)
		}
		_, body = request(t, http.MethodPost, addresses["janus-admin"]+"/admin", "",
			`{"janus":"frob","transaction":"x","admin_secret":"top-secret"}`)
		if !strings.Contains(body, "457") {
			t.Errorf("janus admin: %s", body)
		}
		if err := stop(); err != nil {
			t.Errorf("stop returns %v", err)
		}
	})
	t.Run("creates are published on the broker", func(t *testing.T) {
		port, err := stack.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		broker, err := stack.StartMosquitto(t.Context(), stack.MosquittoOptions{
			Dir: filepath.Join(dir, "mosquitto"), Port: port, Log: filepath.Join(dir, "mosquitto.log"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = broker.Kill() })
		addresses, stop := start(t, append(slices.Clone(args), "-broker", broker.URL()))
		events, err := sandboxclient.Subscribe(t.Context(), broker.URL())
		if err != nil {
			t.Fatal(err)
		}
		create(t, addresses["event"], key, "open.example.org", `"kind":"Minigroup"`)
		create(t, addresses["conference"], key, "open.example.org", `"rtc_sharing_policy":"owned"`)
		var topics []string
		timeout := time.After(10 * time.Second)
		for len(topics) < 2 {
			select {
			case e := <-events:
				topics = append(topics, e.Topic+" "+e.Label)
			case <-timeout:
				t.Fatalf("published so far: %q", topics)
			}
		}
		if err := stop(); err != nil {
			t.Errorf("stop returns %v", err)
		}
		if err := broker.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for e := range events {
			topics = append(topics, e.Topic+" "+e.Label)
		}
		slices.Sort(topics)
		want := []string{
			"apps/event.svc.example.org/api/v1/audiences/open.example.org/events room.create",
			"apps/meet.svc.example.org/api/v1/audiences/open.example.org/events room.create",
		}
		if !slices.Equal(topics, want) {
			t.Errorf("published %q", topics)
		}
	})
	t.Run("event and conference have the database connections of the flags", func(t *testing.T) {
		addresses, stop := start(t, append(slices.Clone(args), "-conference-connections", "7"))
		for service, want := range map[string]int{"event": 10, "conference": 7} {
			if state, err := sandboxclient.Pool(t.Context(), addresses[service]); err != nil || state.Connections != want {
				t.Errorf("%s: %+v, %v", service, state, err)
			}
		}
		if err := stop(); err != nil {
			t.Errorf("stop returns %v", err)
		}
	})
	t.Run("rooms exist after a restart", func(t *testing.T) {
		addresses, stop := start(t, args)
		for _, service := range []string{"event", "conference"} {
			if rooms, err := sandboxclient.Rooms(t.Context(), addresses[service]); err != nil || len(rooms) != 2 {
				t.Errorf("%s: %+v, %v", service, rooms, err)
			}
		}
		if err := stop(); err != nil {
			t.Errorf("stop returns %v", err)
		}
	})
	t.Run("it ends although a request hangs", func(t *testing.T) {
		addresses, stop := start(t, args)
		hang := sandbox.Fault{Operation: "any", Do: "hang", Times: 1}
		if err := sandboxclient.SetFaults(t.Context(), addresses["janus-admin"], hang); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", strings.TrimPrefix(addresses["janus-admin"], "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		const head = "POST /admin HTTP/1.1\r\nHost: janus\r\nContent-Length: %d\r\n\r\n%s"
		const body = `{"janus":"message_plugin","transaction":"x","admin_secret":"top-secret",` +
			`"plugin":"janus.plugin.videoroom","request":{"request":"list"}}`
		if _, err := fmt.Fprintf(conn, head, len(body), body); err != nil {
			t.Fatal(err)
		}
		for faults, deadline := "", time.Now().Add(10*time.Second); !strings.Contains(faults, `"remaining":0`); {
			if time.Now().After(deadline) {
				t.Fatalf("the request does not hang: %s", faults)
			}
			_, faults = request(t, http.MethodGet, addresses["janus-admin"]+"/sandbox/faults", "", "")
		}
		if err := stop(); err != nil {
			t.Errorf("stop returns %v", err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil && os.IsTimeout(err) {
			t.Errorf("replied %q, %v", rest, err)
		}
	})
}

func TestInvalidOptionsAreNamed(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "text"), "not a key")
	writeFile(t, filepath.Join(dir, "empty"), "")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a busy port":           {[]string{"-event", busy.Addr().String(), "-conference", ""}, "event"},
		"nothing to serve":      {[]string{"-event", "", "-conference", ""}, "nothing to serve"},
		"a broker without mqtt": {[]string{"-broker", "127.0.0.1:1883"}, "-broker"},
		"an argument too many":  {[]string{"now"}, `"now"`},
		"a negative number":     {[]string{"-event-connections", "-1"}, "negative"},
		"no key file":           {[]string{"-issuer", "a=b=" + filepath.Join(dir, "none")}, "no such file"},
		"a file without a key":  {[]string{"-issuer", "a=b=" + filepath.Join(dir, "text")}, "no PEM"},
		"half an issuer":        {[]string{"-issuer", "a=b"}, "NAME=AUD1"},
		"half a trust":          {[]string{"-trust", "a"}, "AUDIENCE=account1"},
		"an empty secret": {
			[]string{"-janus-admin", "127.0.0.1:0", "-janus-admin-key-file", filepath.Join(dir, "empty")}, "empty",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

// listeners is how many of them the tests start.
const listeners = 4

// start runs the command and returns its addresses by name. stop ends it and returns what it returned.
func start(t *testing.T, args []string) (addresses map[string]string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, stdout)
		_ = stdout.CloseWithError(io.EOF)
		ended <- err
	}()
	addresses = map[string]string{}
	lines := bufio.NewScanner(output)
	for len(addresses) < listeners && lines.Scan() {
		fields := strings.Fields(lines.Text())
		addresses[fields[0]] = fields[1]
	}
	if len(addresses) < listeners {
		t.Fatalf("listens at %v; ended with %v", addresses, <-ended)
	}
	return addresses, func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("it did not end")
		}
	}
}

func create(t *testing.T, base string, key *ecdsa.PrivateKey, audience, field string) (int, string) {
	t.Helper()
	claims := jwt.MapClaims{"iss": "svc.example.org", "aud": "svc.example.org", "sub": "minigroups"}
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"audience":%q,"time":[5,null],"classroom_id":%q,%s}`, audience, uuid.New(), field)
	return request(t, http.MethodPost, base+"/api/v1/rooms", token, body)
}

func request(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(reply)
}

func writeKey(t *testing.T, path string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	return key
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
