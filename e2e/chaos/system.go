package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/e2e/load"
	"minigroups/stack"
	"minigroups/workflows"
)

// The settings of the saga are short, so that what waits for a moment to pass does not wait long.
const (
	stepWait       = 2 * time.Second
	requestTimeout = 5 * time.Second
)

const (
	adminSecret, adminKey, roomKey = "chaos-secret", "chaos-key", "chaos-room-key"
	slotsPerGateway                = 5000
)

// world is the whole service on this machine, every process of it, with wires in between that can be disturbed.
type system struct {
	dir, bin, root  string
	token           string
	cfg             config.Config
	event           string // the address of the stand-in, not by a wire
	conference      string
	temporalBinary  string
	postgresAddress string
	mqtt            bool // workers listen to what event and conference announce

	postgres, temporal, sandbox *harness.Part
	broker                      *harness.Part // nil where nobody listens
	janus                       [2]*harness.Part
	workers, apis               [2]*harness.Part
	apiURLs                     [2]string
	proxies                     *proxies
	faults                      *harness.FaultLog

	db     *pgxpool.Pool
	client client.Client

	closings *load.Closings
}

// parts are the processes that faults happen to.
func (w *system) parts() []*harness.Part {
	parts := []*harness.Part{w.postgres, w.temporal, w.sandbox, w.janus[0], w.janus[1], w.workers[0], w.workers[1], w.apis[0], w.apis[1]}
	if w.mqtt {
		parts = append(parts, w.broker)
	}
	return parts
}

// newSystem makes a world of which nothing is started.
func newSystem(root string, log *harness.FaultLog, listens bool) (*system, error) {
	dir, err := os.MkdirTemp("", "minigroups-chaos")
	return &system{dir: dir, bin: filepath.Join(dir, "bin"), root: root, faults: log, proxies: newProxies(log), mqtt: listens,
		closings: load.NewClosings()}, err
}

// start starts everything. stop must be called whatever it returns.
func (w *system) start(ctx context.Context) (err error) {
	if w.temporalBinary, err = stack.BuildTemporal(ctx, w.root, os.Stderr); err != nil {
		return err
	}
	if err := stack.BuildPrograms(ctx, w.root, w.bin, os.Stderr, "./cmd/api", "./cmd/worker", "./cmd/migrate", "./cmd/sandbox"); err != nil {
		return err
	}
	if err := w.configure(); err != nil {
		return err
	}
	if err := w.startServers(ctx); err != nil {
		return err
	}
	if err := w.migrate(ctx); err != nil {
		return err
	}
	if w.db, err = pgxpool.New(ctx, w.cfg.Database.URL.Reveal()); err != nil {
		return err
	}
	if w.client, err = client.Dial(client.Options{HostPort: w.cfg.Temporal.Address, Logger: harness.NopLogger{}}); err != nil {
		return err
	}
	return w.startProcesses(ctx)
}

// configure writes keys, and the settings that all processes share.
func (w *system) configure() error {
	var err error
	if w.cfg, w.token, err = harness.Identify(w.dir); err != nil {
		return err
	}
	w.cfg.Janus.AdminKey, w.cfg.Janus.AdminSecret, w.cfg.Janus.RoomKey = adminKey, adminSecret, roomKey
	w.cfg.Saga.StepWait, w.cfg.Saga.RequestTimeout = stepWait, requestTimeout
	return nil
}

// startServers starts what the service needs. Each keeps its address when it is started again.
func (w *system) startServers(ctx context.Context) error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	w.postgres = harness.NewPart("postgres", w.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartPostgres(ctx, stack.PostgresOptions{
			Dir: filepath.Join(w.dir, "postgres"), Port: port, Log: w.log("postgres"), // not Fast: that may lose what it has acknowledged
		})
	})
	address, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	w.cfg.Temporal.Address = address
	w.temporal = harness.NewPart("temporal", w.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartTemporal(ctx, stack.TemporalOptions{
			Binary: w.temporalBinary, DBFile: filepath.Join(w.dir, "temporal.db"), Address: address,
			SearchAttributes: workflows.SearchAttributes(), Log: w.log("temporal"),
		})
	})
	for i := range w.janus {
		if err := w.prepareJanus(i); err != nil {
			return err
		}
	}
	servers := []*harness.Part{w.postgres, w.temporal, w.janus[0], w.janus[1]}
	if w.mqtt {
		if err := w.prepareBroker(); err != nil {
			return err
		}
		servers = append(servers, w.broker)
	}
	if err := w.prepareSandbox(); err != nil {
		return err
	}
	for _, p := range append(servers, w.sandbox) {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	w.postgresAddress = fmt.Sprintf("127.0.0.1:%d", port)
	w.cfg.Database.URL = config.DatabaseURL("postgres://postgres@" + w.postgresAddress + "/postgres")
	return nil
}

func (w *system) prepareJanus(i int) error {
	port, err := stack.FreePort()
	if err != nil {
		return err
	}
	adminPort, err := stack.FreePort()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("janus-%d", i+1)
	w.janus[i] = harness.NewPart(name, w.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartJanus(ctx, stack.JanusOptions{
			Dir: filepath.Join(w.dir, name), Port: port, AdminPort: adminPort, AdminSecret: adminSecret, AdminKey: adminKey, Log: w.log(name),
		})
	})
	wire, err := w.proxies.add("service", name, fmt.Sprintf("127.0.0.1:%d", adminPort))
	w.cfg.Janus.Backends = append(w.cfg.Janus.Backends, config.Backend{
		ID: name, AdminURL: "http://" + wire + "/admin", JanusURL: fmt.Sprintf("http://127.0.0.1:%d/janus", port), Capacity: new(int32(slotsPerGateway)),
	})
	return err
}

// prepareBroker: a broker that is killed loses some of what it has confirmed, which nobody can find again. It is told to end.
func (w *system) prepareBroker() error {
	port, err := stack.FreePort()
	w.cfg.MQTT.Broker = fmt.Sprintf("mqtt://127.0.0.1:%d", port)
	w.broker = harness.NewPart("broker", w.faults, func(ctx context.Context) (harness.Process, error) {
		return stack.StartMosquitto(ctx, stack.MosquittoOptions{Dir: filepath.Join(w.dir, "mosquitto"), Port: port, Log: w.log("mosquitto")})
	})
	w.broker.Gentle = true
	return err
}

func (w *system) prepareSandbox() error {
	event, err := harness.FreeAddress()
	if err != nil {
		return err
	}
	conference, err := harness.FreeAddress()
	w.event, w.conference = "http://"+event, "http://"+conference
	w.sandbox = harness.NewPart("stand-ins", w.faults, func(ctx context.Context) (harness.Process, error) {
		p, err := stack.StartBinary(ctx, "sandbox", filepath.Join(w.bin, "sandbox"), append(harness.TrustFlags(w.cfg),
			"-event", event, "-conference", conference, "-broker", w.cfg.MQTT.Broker,
		), nil, w.log("sandbox"))
		if err != nil {
			return nil, err
		}
		return p, p.AwaitHTTP(ctx, time.Minute, w.event+"/healthz")
	})
	return err
}

func (w *system) migrate(ctx context.Context) error {
	file := filepath.Join(w.dir, "migrate.yaml")
	cfg := w.cfg
	cfg.Event.URL, cfg.Conference.URL = w.event, w.conference
	if err := config.Save(file, cfg); err != nil {
		return err
	}
	return harness.Migrate(ctx, w.bin, file, w.log("migrate"))
}

// startProcesses starts two workers and two APIs, each with wires of its own to everything.
func (w *system) startProcesses(ctx context.Context) error {
	for i := range 2 {
		file, _, err := w.configFor(fmt.Sprintf("worker-%d", i+1))
		if err != nil {
			return err
		}
		w.workers[i] = w.program("worker", i, file, "")
		file, cfg, err := w.configFor(fmt.Sprintf("api-%d", i+1))
		if err != nil {
			return err
		}
		w.apiURLs[i] = "http://" + cfg.API.Listen
		w.apis[i] = w.program("api", i, file, w.apiURLs[i]+"/healthz")
	}
	for _, p := range []*harness.Part{w.workers[0], w.workers[1], w.apis[0], w.apis[1]} {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// program is one of our programs; where it answers requests, it is started once it does.
func (w *system) program(kind string, i int, file, health string) *harness.Part {
	name := fmt.Sprintf("%s-%d", kind, i+1)
	return harness.NewPart(name, w.faults, func(ctx context.Context) (harness.Process, error) {
		p, err := stack.StartBinary(ctx, name, filepath.Join(w.bin, kind), []string{"-config", file}, nil, w.log(name))
		if err != nil || health == "" {
			return p, err
		}
		return p, p.AwaitHTTP(ctx, time.Minute, health)
	})
}

// wired writes a configuration in which a process reaches everything by wires of its own.
func (w *system) configFor(name string) (file string, cfg config.Config, err error) {
	cfg = w.cfg
	lay := func(to, upstream string) string {
		address, layErr := w.proxies.add(name, to, upstream)
		err = errors.Join(err, layErr)
		return address
	}
	listen := func() string {
		address, freeErr := harness.FreeAddress()
		err = errors.Join(err, freeErr)
		return address
	}
	cfg.Database.URL = config.DatabaseURL("postgres://postgres@" + lay("postgres", w.postgresAddress) + "/postgres")
	cfg.Temporal.Address = lay("temporal", w.cfg.Temporal.Address)
	if strings.HasPrefix(name, "worker") && w.mqtt {
		cfg.MQTT.Broker, cfg.MQTT.ClientID = "mqtt://"+lay("broker", w.cfg.MQTT.Broker[len("mqtt://"):]), name
	}
	cfg.Event.URL = "http://" + lay("event", w.event[len("http://"):])
	if strings.HasPrefix(name, "worker") {
		cfg.Conference.URL = "http://" + lay("conference", w.conference[len("http://"):])
	}
	cfg.API.Listen, cfg.API.MetricsListen, cfg.Worker.MetricsListen = listen(), listen(), listen()
	if err != nil {
		return "", cfg, err
	}
	file = filepath.Join(w.dir, name+".yaml")
	return file, cfg, config.Save(file, cfg)
}

func (w *system) log(name string) string { return filepath.Join(w.dir, name+".log") }

// stop ends every process and removes the folder, unless it is to be kept.
func (w *system) stop(ctx context.Context, keep bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if w.client != nil {
		w.client.Close()
	}
	if w.db != nil {
		w.db.Close()
	}
	for _, p := range []*harness.Part{w.apis[0], w.apis[1], w.workers[0], w.workers[1], w.sandbox, w.broker, w.janus[0], w.janus[1], w.temporal, w.postgres} {
		if p != nil {
			p.Stop(ctx)
		}
	}
	w.proxies.stop()
	if keep {
		return
	}
	if err := stack.RemovePostgres(filepath.Join(w.dir, "postgres")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(w.dir)
}
