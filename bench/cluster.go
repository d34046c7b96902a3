package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/bench/load"
	"minigroups/bench/report"
	"minigroups/config"
	"minigroups/stack"
)

// clustered is the suffix of a kind of Temporal server that only one cluster uses, because its sweeper runs.
const clustered = ", clustered"

// shape says which processes a cluster has.
type shape struct {
	// name is that of its subject.
	name string
	// temporal is the kind of its Temporal server.
	temporal      string
	apis, workers int
	// apisWork says that the APIs run the sagas, too.
	apisWork bool
}

// The shapes of make cluster and make run.
var (
	shapeOfCluster = shape{
		name: report.ProductCluster, temporal: report.PostgreSQL + clustered, apis: 2, workers: 3,
	}
	shapeOfRun = shape{
		name: report.MakeRun, temporal: report.DevServer + clustered, apis: 1, workers: 1, apisWork: true,
	}
)

// quietAudience is an audience beside the usual one.
const quietAudience = "quiet.example.org"

// cluster is the service with the default limits: APIs and workers, a Temporal server of its own, the stand-ins of
// package sandbox, which store rooms, and an MQTT broker. Its sweeper runs.
type cluster struct {
	*system
	shape shape
	cfg   config.Config
	// event and conference are the URLs of the stand-ins.
	event, conference string
	conferenceProcess *stack.Process
	// metrics are the addresses of the metrics of all processes that run sagas.
	metrics []string
	db      *pgxpool.Pool
	// frozenAt is when it was frozen last.
	frozenAt time.Time
}

// cluster returns the cluster of a shape, which is frozen. The first call starts it.
func (e *environment) cluster(ctx context.Context, of shape) (*cluster, error) {
	if c, ok := e.clusters[of.name]; ok {
		return c, nil
	}
	c := &cluster{shape: of}
	s, err := e.system(ctx, of.name, func(ctx context.Context, s *system) error {
		c.system = s
		return e.startCluster(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	c.system, c.frozenAt, e.clusters[of.name] = s, time.Now(), c
	return c, nil
}

func (e *environment) startCluster(ctx context.Context, c *cluster) error {
	if err := e.assignTemporal(ctx, c.system, c.shape.temporal); err != nil {
		return err
	}
	c.cfg = e.cfg
	c.cfg.Database.URL = config.DatabaseURL(e.postgres.URL(c.database))
	c.cfg.Temporal.Address, c.cfg.Temporal.TaskQueue = c.temporal.Address(), c.queue
	c.cfg.API.Worker = c.shape.apisWork
	c.cfg.Authorization = maps.Clone(c.cfg.Authorization)
	c.cfg.Authorization[quietAudience] = config.Audience{Kind: "local", Trusted: []string{"dev.example.org"}}
	if err := e.startBroker(ctx, c); err != nil {
		return err
	}
	if err := e.startStandIns(ctx, c); err != nil {
		return err
	}
	file := filepath.Join(e.dir, c.database+".yaml")
	if err := config.Save(file, c.cfg); err != nil {
		return err
	}
	if err := e.runProgram(ctx, c.name+" migrate", "migrate", "-config", file); err != nil {
		return err
	}
	for i := range c.shape.workers {
		if err := e.startWorker(ctx, c, file, i); err != nil {
			return err
		}
	}
	var apis []string
	for i := range c.shape.apis {
		address, err := e.startAPI(ctx, c, file, i)
		if err != nil {
			return err
		}
		apis = append(apis, address)
	}
	c.target = load.Target{Address: strings.Join(apis, ","), Token: e.token}
	var err error
	c.db, err = pgxpool.New(ctx, c.cfg.Database.URL.Reveal())
	return err
}

func (e *environment) startBroker(ctx context.Context, c *cluster) error {
	binary, err := stack.BuildBroker(ctx, e.root, e.progress)
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	broker, err := stack.StartBroker(ctx, stack.BrokerOptions{
		Binary: binary, Address: address, Log: e.log(c.database + "-broker"),
	})
	if err != nil {
		return err
	}
	e.processes = append(e.processes, broker)
	c.cfg.MQTT.Broker = "mqtt://" + address
	c.upstreams = append(c.upstreams, broker)
	return nil
}

// startStandIns starts event, conference and a Janus gateway, each as a process of its own, because one of them is
// frozen. Event and conference have the service times and the database connections of the real services.
func (e *environment) startStandIns(ctx context.Context, c *cluster) error {
	var addresses [4]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return err
		}
	}
	event, conference, public, admin := addresses[0], addresses[1], addresses[2], addresses[3]
	account := c.cfg.Account
	common := []string{
		"-broker", c.cfg.MQTT.Broker, "-issuer", account.Audience + "=" + account.Audience + "=" + e.publicKey(),
	}
	for audience := range c.cfg.Authorization {
		common = append(common, "-trust", audience+"="+account.Label+"."+account.Audience)
	}
	start := func(name, health string, args ...string) (*stack.Process, error) {
		p, err := e.startProgram(ctx, c.name+" "+name, "sandbox", health, append(args, common...)...)
		if err == nil {
			c.upstreams = append(c.upstreams, p)
		}
		return p, err
	}
	c.event, c.conference = "http://"+event, "http://"+conference
	c.cfg.Event.URL, c.cfg.Conference.URL = c.event, c.conference
	c.cfg.Janus.Backends = []config.Backend{{
		ID: "gateway", AdminURL: "http://" + admin + "/admin", JanusURL: "http://" + public + "/janus",
	}}
	if _, err := start("event", c.event+"/healthz", "-event", event, "-conference", ""); err != nil {
		return err
	}
	_, err := start("janus", "http://"+public+"/janus/info",
		"-event", "", "-conference", "", "-janus", public, "-janus-admin", admin)
	if err != nil {
		return err
	}
	c.conferenceProcess, err = start("conference", c.conference+"/healthz", "-event", "", "-conference", conference)
	return err
}

func (e *environment) startWorker(ctx context.Context, c *cluster, file string, i int) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("worker-%d", i+1)
	err = e.startClustered(ctx, c, name, "worker", "http://"+address+"/metrics", file, map[string]string{
		"worker.metrics_listen": address, "mqtt.client_id": c.cfg.Account.AgentID(name),
	})
	c.metrics = append(c.metrics, "http://"+address+"/metrics")
	return err
}

func (e *environment) startAPI(ctx context.Context, c *cluster, file string, i int) (address string, err error) {
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	metrics, err := freeAddress()
	if err != nil {
		return "", err
	}
	if c.shape.apisWork {
		c.metrics = append(c.metrics, "http://"+metrics+"/metrics")
	}
	name := fmt.Sprintf("api-%d", i+1)
	return address, e.startClustered(ctx, c, name, "api", "http://"+address+"/readyz", file, map[string]string{
		"api.listen": address, "api.metrics_listen": metrics,
	})
}

// startClustered starts a program with settings of its own and returns when the health URL returns 200.
func (e *environment) startClustered(
	ctx context.Context, c *cluster, name, program, health, file string, settings map[string]string,
) error {
	var env []string
	for key, value := range settings {
		env = append(env, config.Variable(key)+"="+value)
	}
	name = c.name + " " + name
	p, err := stack.StartBinary(ctx, name, filepath.Join(e.bin, program), []string{"-config", file}, env, e.log(name))
	if err != nil {
		return err
	}
	e.processes = append(e.processes, p)
	c.processes = append(c.processes, p)
	return p.AwaitHTTP(ctx, startTimeout, health)
}

const (
	// leaseTime is how long the workers need to renew their leases.
	leaseTime = 6 * time.Second
	// leaseLoss is how long the workers may be frozen without losing their leases.
	leaseLoss = 8 * time.Second
	// shareTimeout bounds the wait for the shares of the workers.
	shareTimeout = 20 * time.Second
)

func (c *cluster) freeze() error {
	c.frozenAt = time.Now()
	return c.system.freeze()
}

// awake thaws the cluster and returns when all that run sagas share the total limit of conference. Workers that were
// frozen for longer than their leases take themselves for the only one at first.
func (c *cluster) awake(ctx context.Context) error {
	c.thaw()
	if time.Since(c.frozenAt) > leaseLoss {
		if err := sleep(ctx, leaseTime); err != nil {
			return err
		}
	}
	sharers := len(c.metrics)
	want := sharers * min(c.cfg.Saga.MaxInFlight, c.cfg.Conference.MaxInFlight/sharers)
	for deadline := time.Now().Add(shareTimeout); ; {
		p, err := c.conferenceLimits(ctx)
		limit := int(p.Limit)
		switch {
		case err == nil && limit == want:
			return nil
		case time.Now().Before(deadline):
		case err == nil && limit < want: // it has lowered itself
			return nil
		default:
			return errors.Join(err, fmt.Errorf("the limits of all workers are %d together, want %d", limit, want))
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (c *cluster) close() {
	if c.db != nil {
		c.db.Close()
	}
}
