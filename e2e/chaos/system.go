package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/e2e/load"
	"minigroups/e2e/mqttgateway"
	"minigroups/stack"
	"minigroups/workflows"
)

// Short timeouts keep the run short.
const (
	stepWait       = 2 * time.Second
	requestTimeout = 5 * time.Second
	// acquireTimeout is how long a stand-in waits for a database connection.
	acquireTimeout = 3 * time.Second
)

const (
	adminSecret, adminKey, roomKey = "chaos-secret", "chaos-key", "chaos-room-key"
	slotsPerGateway                = 5000
)

// system is the whole service on this machine, with proxies between its processes.
type system struct {
	options        options
	dir, bin       string
	token          string
	cfg            config.Config
	event          string // the address of the stand-in itself, not of a proxy
	conference     string
	temporalBinary string
	database       *database
	mqtt           bool // workers receive room events

	postgres, temporal, sandbox *harness.Part
	broker                      *harness.Part        // nil without MQTT
	gateway                     *mqttgateway.Gateway // nil without it
	janus                       [2]*harness.Part
	workers, apis               [2]*harness.Part
	pooler                      *harness.Part // nil without PgBouncer
	supervised                  sync.WaitGroup
	poolerAddress               string
	apiURLs                     [2]string
	metrics                     map[string]string // addresses by program
	proxies                     *proxies
	faults                      *harness.FaultLog

	db     *pgxpool.Pool
	client client.Client

	closings *load.Closings
	history  *history
}

// parts returns the processes that can have faults.
func (s *system) parts() []*harness.Part {
	parts := slices.Concat([]*harness.Part{s.postgres, s.temporal, s.sandbox}, s.janus[:], s.workers[:], s.apis[:])
	if s.mqtt {
		parts = append(parts, s.broker)
	}
	if s.pooler != nil {
		parts = append(parts, s.pooler)
	}
	return parts
}

// limitFor sets the limit that fits a service with this number of database connections, as docs/capacity.md says.
func limitFor(service *config.Upstream, connections int) {
	if connections > 0 {
		service.MaxInFlight = max(connections-2, 1)
	}
}

// newSystem returns a system of which nothing is started.
func newSystem(o options, log *harness.FaultLog) (*system, error) {
	dir, err := os.MkdirTemp("", "minigroups-chaos")
	return &system{
		options: o, dir: dir, bin: filepath.Join(dir, "bin"), mqtt: o.mqtt != mqttOff,
		faults: log, proxies: newProxies(log), closings: load.NewClosings(), history: newHistory(),
		metrics: map[string]string{},
	}, err
}

// start starts everything. Callers must call stop even if it fails.
func (s *system) start(ctx context.Context) (err error) {
	if s.temporalBinary, err = stack.BuildTemporal(ctx, s.options.root, os.Stderr); err != nil {
		return err
	}
	if err := stack.BuildService(ctx, s.options.root, s.bin, os.Stderr); err != nil {
		return err
	}
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.startServers(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.db, err = pgxpool.New(ctx, s.cfg.Database.URL.Reveal()); err != nil {
		return err
	}
	if s.options.pooler {
		if err := s.startPooler(ctx); err != nil {
			return err
		}
	}
	options := client.Options{HostPort: s.cfg.Temporal.Address, Logger: harness.NopLogger{}}
	if s.client, err = client.Dial(options); err != nil {
		return err
	}
	return s.startProcesses(ctx)
}

// configure writes keys and the configuration that all processes share.
func (s *system) configure() error {
	var err error
	if s.cfg, s.token, err = harness.Identify(s.dir); err != nil {
		return err
	}
	s.cfg.Janus.AdminKey, s.cfg.Janus.AdminSecret, s.cfg.Janus.RoomKey = adminKey, adminSecret, roomKey
	s.cfg.Saga.StepWait, s.cfg.Saga.RequestTimeout = stepWait, requestTimeout
	limitFor(&s.cfg.Event, s.options.eventConnections)
	limitFor(&s.cfg.Conference, s.options.conferenceConnections)
	return nil
}

// startServers starts the dependencies of the service. Each keeps its address when it is restarted.
func (s *system) startServers(ctx context.Context) error {
	var err error
	if s.database, err = newDatabase(s.dir, s.log); err != nil {
		return err
	}
	s.postgres = harness.NewPart("postgres", s.faults, s.database.startPrimary)
	address, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	s.cfg.Temporal.Address = address
	s.temporal = harness.NewPart("temporal", s.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartTemporal(ctx, stack.TemporalOptions{
			Binary: s.temporalBinary, DBFile: filepath.Join(s.dir, "temporal.db"), Address: address,
			SearchAttributes: workflows.SearchAttributes(), Log: s.log("temporal"),
		})
	})
	for i := range s.janus {
		if err := s.prepareJanus(i); err != nil {
			return err
		}
	}
	servers := []*harness.Part{s.postgres, s.temporal, s.janus[0], s.janus[1]}
	if s.mqtt {
		if err := s.prepareBroker(); err != nil {
			return err
		}
		servers = append(servers, s.broker)
	}
	if err := s.prepareSandbox(); err != nil {
		return err
	}
	for _, p := range append(servers, s.sandbox) {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	s.cfg.Database.URL = config.DatabaseURL(s.database.url(s.database.addresses()))
	return s.database.startStandby(ctx, s.postgres.Running())
}

func (s *system) prepareJanus(i int) error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	adminPort, err := stack.FreePort()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("janus-%d", i+1)
	s.janus[i] = harness.NewPart(name, s.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartJanus(ctx, stack.JanusOptions{
			Dir: filepath.Join(s.dir, name), Port: port, AdminPort: adminPort,
			AdminSecret: adminSecret, AdminKey: adminKey, Log: s.log(name),
		})
	})
	address, err := s.proxies.add("service", name, fmt.Sprintf("127.0.0.1:%d", adminPort))
	s.cfg.Janus.Backends = append(s.cfg.Janus.Backends, config.Backend{
		ID: name, AdminURL: "http://" + address + "/admin",
		JanusURL: fmt.Sprintf("http://127.0.0.1:%d/janus", port), Capacity: new(int32(slotsPerGateway)),
	})
	return err
}

// prepareBroker prepares the broker. It is stopped gently, because a killed broker loses messages that it has
// acknowledged.
func (s *system) prepareBroker() error {
	port, err := stack.FreePort()
	s.cfg.MQTT.Broker = fmt.Sprintf("mqtt://127.0.0.1:%d", port)
	s.broker = harness.NewPart("broker", s.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartMosquitto(ctx, stack.MosquittoOptions{
			Dir: filepath.Join(s.dir, "mosquitto"), Port: port, Log: s.log("mosquitto"),
		})
	})
	s.broker.Gentle = true
	if err != nil || s.options.mqtt == mqttPlain {
		return err
	}
	return s.startGateway()
}

func (s *system) prepareSandbox() error {
	event, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	conference, err := harness.FreeAddress()
	s.event, s.conference = "http://"+event, "http://"+conference
	s.sandbox = harness.NewPart("stand-ins", s.faults, func(ctx context.Context) (harness.Process, error) {
		p, err := stack.StartBinary(ctx, "sandbox", filepath.Join(s.bin, "sandbox"), append(harness.TrustFlags(s.cfg),
			"-event", event, "-conference", conference, "-broker", s.cfg.MQTT.Broker,
			"-event-connections", strconv.Itoa(s.options.eventConnections),
			"-conference-connections", strconv.Itoa(s.options.conferenceConnections),
			"-acquire-timeout", acquireTimeout.String(),
		), nil, s.log("sandbox"))
		if err != nil {
			return nil, err
		}
		return p, p.AwaitHTTP(ctx, time.Minute, s.event+"/healthz")
	})
	return err
}

func (s *system) migrate(ctx context.Context) error {
	file := filepath.Join(s.dir, "migrate.yaml")
	cfg := s.cfg
	cfg.Event.URL, cfg.Conference.URL = s.event, s.conference
	if err := config.Save(file, cfg); err != nil {
		return err
	}
	return harness.Migrate(ctx, s.bin, file, s.log("migrate"))
}

// startProcesses starts two workers and two APIs, each with proxies of its own.
func (s *system) startProcesses(ctx context.Context) error {
	for i := range 2 {
		file, _, err := s.configFor(fmt.Sprintf("worker-%d", i+1))
		if err != nil {
			return err
		}
		s.workers[i] = s.program("worker", i, file, "")
		file, cfg, err := s.configFor(fmt.Sprintf("api-%d", i+1))
		if err != nil {
			return err
		}
		s.apiURLs[i] = "http://" + cfg.API.Listen
		s.apis[i] = s.program("api", i, file, s.apiURLs[i]+"/healthz")
	}
	for _, p := range []*harness.Part{s.workers[0], s.workers[1], s.apis[0], s.apis[1]} {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// program returns a part that runs one of our programs. It has started once health answers, if that is given.
func (s *system) program(kind string, i int, file, health string) *harness.Part {
	name := fmt.Sprintf("%s-%d", kind, i+1)
	return harness.NewPart(name, s.faults, func(ctx context.Context) (harness.Process, error) {
		p, err := stack.StartBinary(ctx, name, filepath.Join(s.bin, kind), []string{"-config", file}, nil, s.log(name))
		if err != nil || health == "" {
			return p, err
		}
		return p, p.AwaitHTTP(ctx, time.Minute, health)
	})
}

// configFor writes the configuration of a process that reaches each dependency through a proxy of its own.
func (s *system) configFor(name string) (file string, cfg config.Config, err error) {
	cfg = s.cfg
	via := func(to, upstream string) string {
		address, addErr := s.proxies.add(name, to, upstream)
		err = errors.Join(err, addErr)
		return address
	}
	listen := func() string {
		address, freeErr := harness.FreeAddress()
		err = errors.Join(err, freeErr)
		return address
	}
	servers := s.databaseAddresses()
	for i, address := range servers {
		servers[i] = via("postgres", address)
	}
	cfg.Database.URL = config.DatabaseURL(s.database.url(servers))
	cfg.Temporal.Address = via("temporal", s.cfg.Temporal.Address)
	if strings.HasPrefix(name, "worker") && s.mqtt {
		cfg.MQTT.Broker = "mqtt://" + via("broker", s.cfg.MQTT.Broker[len("mqtt://"):])
		cfg.MQTT.ClientID = cfg.Account.AgentID(name)
	}
	cfg.Event.URL = "http://" + via("event", s.event[len("http://"):])
	if strings.HasPrefix(name, "worker") {
		cfg.Conference.URL = "http://" + via("conference", s.conference[len("http://"):])
	}
	cfg.API.Listen, cfg.API.MetricsListen, cfg.Worker.MetricsListen = listen(), listen(), listen()
	if err != nil {
		return "", cfg, err
	}
	s.metrics[name] = cfg.API.MetricsListen
	if strings.HasPrefix(name, "worker") {
		s.metrics[name] = cfg.Worker.MetricsListen
	}
	file = filepath.Join(s.dir, name+".yaml")
	return file, cfg, config.Save(file, cfg)
}

func (s *system) log(name string) string { return filepath.Join(s.dir, name+".log") }

// stop ends every process and removes the folder, unless it is to be kept.
func (s *system) stop(ctx context.Context, keep bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if s.client != nil {
		s.client.Close()
	}
	if s.db != nil {
		s.db.Close()
	}
	servers := []*harness.Part{s.pooler, s.sandbox, s.broker, s.janus[0], s.janus[1], s.temporal, s.postgres}
	for _, p := range slices.Concat(s.apis[:], s.workers[:], servers) {
		if p != nil {
			p.Stop(ctx)
		}
	}
	s.supervised.Wait()
	s.proxies.stop()
	if s.gateway != nil {
		s.gateway.Close()
	}
	if s.database != nil {
		s.database.stop(ctx, keep)
	}
	if !keep {
		_ = os.RemoveAll(s.dir)
	}
}
