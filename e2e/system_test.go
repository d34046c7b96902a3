package e2e

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"minigroups/auth"
	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/stack"
	"minigroups/workflows"
)

// system is the whole service on this machine, with the addresses of its parts.
type system struct {
	dir, bin   string
	sources    string // of the programs that start builds; empty for the present ones
	cfg        config.Config
	configFile string
	token      string
	api        string
	event      string
	conference string
	ui         string // of Temporal

	janusOptions stack.JanusOptions
	brokerPort   int

	postgres *stack.Postgres
	temporal *stack.Temporal
	janus    *stack.Janus
	broker   *stack.Mosquitto
	sandbox  *stack.Process
	apis     *stack.Process
	worker   *stack.Process

	client client.Client // of Temporal
	db     *pgxpool.Pool
}

// The secrets. No log, answer, history or metric may contain one.
const (
	databasePassword = "e2e-database-password"
	janusAdminKey    = "e2e-key"
	janusAdminSecret = "e2e-secret"
	janusRoomKey     = "e2e-room-key"
)

// sut is the system under test. All tests share it, each with scopes of its own.
var sut *system

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "minigroups-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sut = &system{dir: dir, bin: filepath.Join(dir, "bin")}
	defer sut.stop()
	if err := sut.start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start the system:", err)
		return 1
	}
	// Parallel tests mostly wait. If more of them begin at once, Temporal may not answer in time on two cores.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	run := m.Run
	if *schemathesis != "" {
		run = testWithSchemathesis
	}
	code := run()
	if code != 0 {
		fmt.Fprintln(os.Stderr, "--- the last lines of the worker's and the API's logs")
		for _, p := range []*stack.Process{sut.worker, sut.apis} {
			for _, line := range p.Tail() {
				fmt.Fprintln(os.Stderr, line)
			}
		}
	}
	return code
}

func (s *system) start(ctx context.Context) (err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	temporal, err := stack.BuildTemporal(ctx, root, os.Stderr)
	if err != nil {
		return err
	}
	if err := stack.BuildService(ctx, cmp.Or(s.sources, root), s.bin, os.Stderr); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if s.postgres, err = stack.StartPostgres(ctx, stack.PostgresOptions{Fast: true, Log: s.log("postgres")}); err != nil {
		return err
	}
	// Postgres ignores the password. There is one so that the tests can look for it in logs and answers.
	database, err := url.Parse(s.postgres.URL("postgres"))
	if err != nil {
		return err
	}
	database.User = url.UserPassword(database.User.Username(), databasePassword)
	s.cfg.Database.URL = config.DatabaseURL(database.String())
	if s.temporal, err = stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: temporal, Address: s.cfg.Temporal.Address, UIAddress: hostOf(s.ui),
		SearchAttributes: workflows.SearchAttributes(), Log: s.log("temporal"),
	}); err != nil {
		return err
	}
	if err := s.startJanus(ctx); err != nil {
		return err
	}
	if err := config.Save(s.configFile, s.cfg); err != nil {
		return err
	}
	if err := s.startBroker(ctx); err != nil {
		return err
	}
	if err := s.startSandbox(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx, s.configFile); err != nil {
		return err
	}
	if err := s.startWorker(ctx); err != nil {
		return err
	}
	if err := s.startAPI(ctx); err != nil {
		return err
	}
	options := client.Options{HostPort: s.cfg.Temporal.Address, Logger: harness.NopLogger{}}
	if s.client, err = client.Dial(options); err != nil {
		return err
	}
	s.db, err = pgxpool.New(ctx, s.postgres.URL("postgres"))
	return err
}

// program starts one of our programs under a name of its own, with additional environment variables.
func (s *system) program(ctx context.Context, name, binary, configFile string, env ...string) (*stack.Process, error) {
	return stack.StartBinary(ctx, name, filepath.Join(s.bin, binary), []string{"-config", configFile}, env, s.log(name))
}

// startAPI starts the API and returns when it is ready.
func (s *system) startAPI(ctx context.Context) (err error) {
	if s.apis, err = s.program(ctx, "api", "api", s.configFile); err != nil {
		return err
	}
	return s.apis.AwaitHTTP(ctx, time.Minute, s.api+"/readyz")
}

func (s *system) startWorker(ctx context.Context) (err error) {
	s.worker, err = s.anotherWorker(ctx, "worker", s.configFile)
	return err
}

// anotherWorker starts a worker process in addition to that of the system.
func (s *system) anotherWorker(ctx context.Context, name, configFile string, env ...string) (*stack.Process, error) {
	return s.program(ctx, name, "worker", configFile, env...)
}

// restartWorkerWith migrates with another configuration, which writes its gateways to the database, and restarts the
// worker with it.
func (s *system) restartWorkerWith(ctx context.Context, configFile string) (err error) {
	if err := s.migrate(ctx, configFile); err != nil {
		return err
	}
	if err := s.worker.Stop(ctx); err != nil {
		return err
	}
	s.worker, err = s.anotherWorker(ctx, "worker", configFile)
	return err
}

func (s *system) migrate(ctx context.Context, configFile string) error {
	return harness.Migrate(ctx, s.bin, configFile, s.log("migrate"))
}

func (s *system) startJanus(ctx context.Context) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.janusOptions = stack.JanusOptions{
		Dir: filepath.Join(s.dir, "janus"), Port: ports[0], AdminPort: ports[1],
		AdminSecret: janusAdminSecret, AdminKey: janusAdminKey, Log: s.log("janus"),
	}
	if err := s.restartJanus(ctx); err != nil {
		return err
	}
	s.cfg.Janus.Backends = []config.Backend{{
		ID: "janus-1", AdminURL: s.janus.AdminURL(), JanusURL: s.janus.URL(), Capacity: new(int32(10000)),
	}}
	return nil
}

func (s *system) restartJanus(ctx context.Context) (err error) {
	s.janus, err = stack.StartJanus(ctx, s.janusOptions)
	return err
}

func (s *system) startSandbox(ctx context.Context) error {
	return s.startSandboxTrusting(ctx, s.publicKey())
}

// publicKey returns the file with the public half of the service's key, which is also that of the issuer.
func (s *system) publicKey() string { return s.cfg.Authentication["iam.example.org"].PublicKeyFile }

// startSandboxTrusting starts the stand-ins. They accept the service's tokens by this public key.
func (s *system) startSandboxTrusting(ctx context.Context, key string) (err error) {
	s.sandbox, err = stack.StartBinary(ctx, "sandbox", filepath.Join(s.bin, "sandbox"), []string{
		"-event", hostOf(s.event), "-conference", hostOf(s.conference), "-state", filepath.Join(s.dir, "state"),
		"-issuer", "svc.example.org=svc.example.org=" + key, "-trust", "example.org=minigroups.svc.example.org",
		"-trust", runbookAudience + "=minigroups.svc.example.org", "-trust", importAudience + "=minigroups.svc.example.org",
		"-broker", s.broker.URL(), // only the workers of some tests connect to it
		// Some tests let many requests hang at once.
		"-event-connections", "0", "-conference-connections", "0",
	}, nil, s.log("sandbox"))
	if err != nil {
		return err
	}
	return s.sandbox.AwaitHTTP(ctx, time.Minute, s.event+"/healthz")
}

// configure writes keys and settings, with short timeouts to keep the tests short.
func (s *system) configure() error {
	ports, err := freePorts(8)
	if err != nil {
		return err
	}
	address := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])) }
	private, public := filepath.Join(s.dir, "key.pem"), filepath.Join(s.dir, "key.pub.pem")
	keyPEM, err := stack.WriteKeys(private, public)
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: "svc.example.org"}, keyPEM)
	if err != nil {
		return err
	}
	if s.token, err = signer.Issue("iam.example.org", "example.org", "dev", time.Now().Add(time.Hour)); err != nil {
		return err
	}
	s.cfg = config.Default()
	s.cfg.Temporal.Address = address(0)
	s.cfg.API.Listen, s.cfg.API.MetricsListen, s.cfg.Worker.MetricsListen = address(1), address(2), address(3)
	s.api, s.event, s.conference = "http://"+address(1), "http://"+address(4), "http://"+address(5)
	s.cfg.Event.URL, s.cfg.Conference.URL = s.event, s.conference
	s.brokerPort, s.ui = ports[6], "http://"+address(7)
	s.cfg.Links.TemporalUI = s.ui
	s.cfg.Account.PrivateKeyFile = private
	s.cfg.Authentication = map[string]config.Issuer{
		"iam.example.org": {Audiences: []string{"example.org"}, Algorithm: "ES256", PublicKeyFile: public},
	}
	s.cfg.Authorization = map[string]config.Audience{}
	for _, audience := range []string{"example.org", runbookAudience, importAudience} {
		s.cfg.Authorization[audience] = config.Audience{Kind: "local", Trusted: []string{"dev.example.org"}}
	}
	s.cfg.Janus.AdminKey, s.cfg.Janus.AdminSecret, s.cfg.Janus.RoomKey = janusAdminKey, janusAdminSecret, janusRoomKey
	s.cfg.Saga.StepWait, s.cfg.Saga.RequestTimeout = 2*time.Second, 4*time.Second
	// Tests run in parallel, and the faults of one must not make requests of another wait.
	s.cfg.Saga.MaxInFlight = 0
	s.configFile = filepath.Join(s.dir, "config.yaml")
	return nil
}

func (s *system) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if s.client != nil {
		s.client.Close()
	}
	if s.db != nil {
		s.db.Close()
	}
	var parts []interface{ Stop(context.Context) error }
	for _, p := range []*stack.Process{s.apis, s.worker, s.sandbox} {
		if p != nil {
			parts = append(parts, p)
		}
	}
	if s.broker != nil {
		parts = append(parts, s.broker)
	}
	if s.janus != nil {
		parts = append(parts, s.janus)
	}
	if s.temporal != nil {
		parts = append(parts, s.temporal)
	}
	if s.postgres != nil {
		parts = append(parts, s.postgres)
	}
	for _, p := range parts {
		if err := p.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	_ = os.RemoveAll(s.dir)
}

func (s *system) log(name string) string { return filepath.Join(s.dir, name+".log") }

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = stack.FreePort(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

func hostOf(url string) string { return url[len("http://"):] }
