package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

const (
	serveTimeout   = time.Minute
	migrateTimeout = 2 * time.Minute
	apiName        = "api"
	workerName     = "worker"
)

func (s *system) startPostgres(ctx context.Context) error {
	if !s.plan.needsPostgres() {
		return nil
	}
	s.printf("starting Postgres on %s", loopback(s.plan.cfg.Dev.PostgresPort))
	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{
		Dir: s.ws.path("postgres"), Port: s.plan.cfg.Dev.PostgresPort, Log: s.ws.log("postgres"),
	})
	if err != nil {
		return err
	}
	s.track(postgres)
	s.postgres = postgres
	if !s.plan.postgres {
		return nil
	}
	if err := postgres.CreateDatabase(ctx, devDatabase); err != nil {
		return err
	}
	s.plan.cfg.Database.URL = config.DatabaseURL(postgres.URL(devDatabase))
	return nil
}

func (s *system) startTemporal(ctx context.Context) error {
	if !s.plan.temporal {
		return nil
	}
	cfg := s.plan.cfg
	s.printf("starting Temporal on %s", cfg.Dev.TemporalListen)
	if s.plan.server {
		return s.startTemporalServer(ctx)
	}
	temporal, err := stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: s.temporal, DBFile: s.ws.path("temporal.db"), Address: cfg.Dev.TemporalListen, UIAddress: cfg.Dev.TemporalUI,
		Namespace: cfg.Temporal.Namespace, SearchAttributes: workflows.SearchAttributes(), Log: s.ws.log("temporal"),
	})
	if err != nil {
		return err
	}
	s.track(temporal)
	return nil
}

func (s *system) startTemporalServer(ctx context.Context) error {
	ports, err := s.plan.temporalPorts()
	if err != nil {
		return err
	}
	temporal, err := stack.StartTemporalServer(ctx, stack.TemporalServerOptions{
		Binary: s.temporal, SchemaTool: s.schema, Dir: s.ws.path("temporal"), Postgres: s.postgres, Ports: ports,
		Namespace: s.plan.cfg.Temporal.Namespace, Log: s.ws.log("temporal"),
	})
	if err != nil {
		return err
	}
	s.track(temporal)
	ui, err := stack.StartTemporalUI(ctx, stack.TemporalUIOptions{
		Binary: s.ui, Dir: s.ws.path("temporal"), Address: s.plan.cfg.Dev.TemporalUI, Temporal: temporal.Address(),
		Namespace: s.plan.cfg.Temporal.Namespace, Log: s.ws.log("temporal-ui"),
	})
	if err != nil {
		return err
	}
	s.track(ui)
	return nil
}

// startBroker starts the broker of the stand-ins unless one is configured.
func (s *system) startBroker(ctx context.Context) error {
	if !s.plan.broker {
		return nil
	}
	s.printf("starting an MQTT broker on %s", s.plan.cfg.Dev.BrokerListen)
	broker, err := stack.StartBroker(ctx, stack.BrokerOptions{
		Binary: s.broker, Address: s.plan.cfg.Dev.BrokerListen, Log: s.ws.log("broker"),
	})
	if err != nil {
		return err
	}
	s.track(broker)
	return nil
}

// startStandIns starts one process for all stand-ins.
func (s *system) startStandIns(ctx context.Context) error {
	cfg := s.plan.cfg
	args := []string{"-event", "", "-conference", "", "-state", s.ws.path("sandbox")}
	var urls, names []string
	add := func(name, address, healthPath string, flags ...string) {
		args = append(args, flags...)
		urls = append(urls, "http://"+address+healthPath)
		names = append(names, name+" on "+address)
	}
	if s.plan.event {
		add("event", cfg.Dev.EventListen, "/healthz", "-event", cfg.Dev.EventListen)
	}
	if s.plan.conference {
		add("conference", cfg.Dev.ConferenceListen, "/healthz", "-conference", cfg.Dev.ConferenceListen)
	}
	if s.janusStandIn {
		public, admin := loopback(cfg.Dev.JanusPort), loopback(cfg.Dev.JanusAdminPort)
		add("Janus", public, "/janus/info", "-janus", public, "-janus-admin", admin,
			"-janus-admin-secret-file", s.ws.secret(janusSecretFile), "-janus-admin-key-file", s.ws.secret(janusKeyFile))
	}
	if len(urls) == 0 {
		return nil
	}
	args = append(args, s.publisherFlags()...)
	s.printf("starting stand-ins: %s", strings.Join(names, ", "))
	args = append(args, "-issuer", cfg.Account.Audience+"="+cfg.Account.Audience+"="+s.ws.secret(servicePublicKey))
	for audience := range cfg.Authorization {
		args = append(args, "-trust", audience+"="+cfg.Account.Label+"."+cfg.Account.Audience)
	}
	return s.startProgram(ctx, "sandbox", "sandbox", args, nil, urls...)
}

// publisherFlags returns the flags of the stand-ins for their room events.
func (s *system) publisherFlags() []string {
	if !s.plan.publishes() {
		return nil
	}
	mqtt := s.plan.cfg.MQTT
	return []string{
		"-broker", mqtt.Broker, "-event-account", mqtt.EventAccount, "-conference-account", mqtt.ConferenceAccount,
	}
}

func (s *system) startJanus(ctx context.Context) error {
	if !s.plan.janus || s.janusStandIn {
		return nil
	}
	cfg := s.plan.cfg
	s.printf("starting Janus on %s", loopback(cfg.Dev.JanusPort))
	janus, err := stack.StartJanus(ctx, stack.JanusOptions{
		Dir: s.ws.path("janus"), Port: cfg.Dev.JanusPort, AdminPort: cfg.Dev.JanusAdminPort,
		AdminSecret: cfg.Janus.AdminSecret.Reveal(), AdminKey: cfg.Janus.AdminKey.Reveal(), Log: s.ws.log("janus"),
	})
	if err != nil {
		return err
	}
	s.track(janus)
	return nil
}

// migrate writes the configuration of the programs, which is complete by now, and migrates the schema and the
// namespace.
func (s *system) migrate(ctx context.Context) error {
	if err := config.Save(s.ws.configFile(), s.plan.cfg); err != nil {
		return err
	}
	s.printf("migrating the database and Temporal")
	process, err := stack.StartBinary(ctx, "migrate", s.ws.binary("migrate"), s.configFlags(), nil, s.ws.log("migrate"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	return process.Wait(ctx)
}

func (s *system) startWorkers(ctx context.Context) error {
	for i, metrics := range addresses(s.plan.workers, s.plan.cfg.Worker.MetricsListen) {
		name := processName(workerName, i, s.plan.workers)
		s.printf("starting %s", name)
		env := []string{config.Variable("worker.metrics_listen") + "=" + metrics}
		if s.plan.workers > 1 { // each needs a session of its own
			env = append(env, config.Variable("mqtt.client_id")+"="+s.plan.cfg.Account.AgentID(name))
		}
		url := "http://" + reachable(metrics) + "/metrics"
		if err := s.startProgram(ctx, name, workerName, s.configFlags(), env, url); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) startAPIs(ctx context.Context) error {
	metrics := addresses(s.plan.apis, s.plan.cfg.API.MetricsListen)
	for i, address := range addresses(s.plan.apis, s.plan.cfg.API.Listen) {
		name := processName(apiName, i, s.plan.apis)
		s.printf("starting %s on %s", name, address)
		env := []string{
			config.Variable("api.listen") + "=" + address, config.Variable("api.metrics_listen") + "=" + metrics[i],
		}
		url := "http://" + reachable(address) + "/readyz"
		if err := s.startProgram(ctx, name, apiName, s.configFlags(), env, url); err != nil {
			return err
		}
	}
	return nil
}

// configFlags returns the flags of programs that read the configuration.
func (s *system) configFlags() []string { return []string{"-config", s.ws.configFile()} }

// processName returns kind if there is one program of this kind, else kind-1, kind-2 and so on.
func processName(kind string, i, n int) string {
	if n == 1 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, i+1)
}

// startProgram starts a program of this module and waits until all URLs return 200.
func (s *system) startProgram(
	ctx context.Context, name, program string, args, env []string, urls ...string,
) error {
	process, err := stack.StartBinary(ctx, name, s.ws.binary(program), args, env, s.ws.log(name))
	if err != nil {
		return err
	}
	if err := process.AwaitHTTP(ctx, serveTimeout, urls...); err != nil {
		return err
	}
	s.track(process)
	return nil
}

// reachable returns an address to connect to for an address to listen on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
