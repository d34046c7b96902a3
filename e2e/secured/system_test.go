package secured

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/e2e/load"
	"minigroups/sandbox"
	"minigroups/stack"
	"minigroups/stack/stacktest"
)

const root = "../.."

// system is the service, with conference reserving slots and without a broker.
type system struct {
	t        *testing.T
	dir      string
	cfg      config.Config
	token    string
	temporal *stack.Temporal
	options  stack.TemporalServerOptions
	// environ has the certificates, as the variables of Temporal's own tools.
	environ []string
	// withKey and withoutKey are configuration files.
	withKey, withoutKey string
	// api and apiWithoutKey are the URLs of APIs with these files. The second one is not started.
	api, apiWithoutKey string
}

// start starts everything. migrate and the programs connect only by the variables of environ.
func start(t *testing.T) *system {
	t.Helper()
	s := &system{t: t, dir: t.TempDir()}
	s.must(stack.BuildService(t.Context(), root, s.dir, os.Stderr))
	var err error
	s.cfg, s.token, err = harness.Identify(s.dir)
	s.must(err)
	files := stacktest.NewTLS(t)
	s.environ = []string{
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + files.CA, "TEMPORAL_TLS_CLIENT_CERT_PATH=" + files.Certificate,
		"TEMPORAL_TLS_CLIENT_KEY_PATH=" + files.Key,
	}
	s.temporal, s.options = stacktest.TemporalServer(t, root, stack.TemporalServerOptions{TLS: files})
	s.configure()
	s.run("sandbox", append(harness.TrustFlags(s.cfg),
		"-event", strings.TrimPrefix(s.cfg.Event.URL, "http://"),
		"-conference", strings.TrimPrefix(s.cfg.Conference.URL, "http://")), s.cfg.Conference.URL+"/healthz")
	migrate := s.run("migrate", []string{"-config", s.withKey})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := migrate.Wait(ctx); err != nil {
		t.Fatalf("%v: %s", err, migrate.Tail())
	}
	s.run("worker", []string{"-config", s.withKey})
	s.run("api", []string{"-config", s.withKey}, s.api+"/readyz")
	return s
}

func (s *system) configure() {
	var addresses [7]string
	for i := range addresses {
		var err error
		addresses[i], err = harness.FreeAddress()
		s.must(err)
	}
	s.cfg.Database.URL = config.DatabaseURL(s.options.Postgres.URL("postgres"))
	s.cfg.Temporal.Address = s.temporal.Address()
	s.cfg.API.Listen, s.cfg.API.MetricsListen, s.cfg.Worker.MetricsListen = addresses[0], addresses[1], addresses[2]
	s.cfg.Event.URL, s.cfg.Conference.URL = "http://"+addresses[3], "http://"+addresses[4]
	s.cfg.Janus.Reservation = config.ReservedByConference
	without := s.cfg
	without.API.Listen, without.API.MetricsListen = addresses[5], addresses[6]
	s.apiWithoutKey = "http://" + without.API.Listen
	s.withoutKey = filepath.Join(s.dir, "without-key.yaml")
	s.must(config.Save(s.withoutKey, without))
	key := filepath.Join(s.dir, "2026-11.key")
	s.must(os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))), 0o600))
	s.cfg.Temporal.EncryptionKeyFiles, s.cfg.Temporal.EncryptionKey = []string{key}, "2026-11"
	s.api = "http://" + s.cfg.API.Listen
	s.withKey = filepath.Join(s.dir, "with-key.yaml")
	s.must(config.Save(s.withKey, s.cfg))
}

// run starts a program, which ends with the test, and waits until URLs answer.
func (s *system) run(program string, args []string, ready ...string) *stack.Process {
	s.t.Helper()
	p, err := stack.StartBinary(s.t.Context(), program, filepath.Join(s.dir, program), args, s.environ,
		filepath.Join(s.dir, program+".log"))
	s.must(err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			s.t.Error(err)
		}
		if s.t.Failed() {
			s.t.Logf("%s: %s", program, strings.Join(p.Tail(), "\n"))
		}
	})
	s.must(p.AwaitHTTP(s.t.Context(), time.Minute, ready...))
	return p
}

// output runs a command with the certificates and returns what it prints.
func (s *system) output(path string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), s.environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v: %s", cmd.Args, err, out)
	}
	return string(out)
}

func (s *system) ops(configFile string, args ...string) string {
	s.t.Helper()
	return s.output(filepath.Join(s.dir, "ops"), append([]string{"-config", configFile}, args...)...)
}

// send sends a request to the API and demands the code of its answer.
func (s *system) send(code int, method, path string, body any, headers ...string) load.Answer {
	s.t.Helper()
	a, err := s.try(s.api, code, method, path, body, headers...)
	s.must(err)
	return a
}

// try sends a request to an API and returns an error unless the answer has the code.
func (s *system) try(
	api string, code int, method, path string, body any, headers ...string,
) (load.Answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	a, err := load.Exchange(ctx, http.DefaultClient, s.token, method, api+"/api/v1"+path, body, headers...)
	if err == nil && a.Code != code {
		err = fmt.Errorf("%s %s: %d %s", method, path, a.Code, a.Text)
	}
	return a, err
}

// setFaults replaces the faults of conference.
func (s *system) setFaults(faults ...sandbox.Fault) {
	s.t.Helper()
	text, err := json.Marshal(append([]sandbox.Fault{}, faults...))
	s.must(err)
	url := s.cfg.Conference.URL + "/sandbox/faults"
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, url, bytes.NewReader(text))
	s.must(err)
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	s.must(answer.Body.Close())
	if answer.StatusCode >= http.StatusBadRequest {
		s.t.Fatal(answer.Status)
	}
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// eventually repeats a check for up to a minute.
func (s *system) eventually(check func() error) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	s.t.Fatal(fmt.Errorf("a minute later: %w", err))
}
