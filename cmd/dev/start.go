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
	serveWithin   = time.Minute
	migrateWithin = 2 * time.Minute
	apiName       = "api"
	workerName    = "worker"
)

func (s *system) startPostgres(ctx context.Context) error {
	if !s.plan.needsPostgres() {
		return nil
	}
	s.say("starting Postgres on %s", loopback(s.plan.cfg.Dev.PostgresPort))
	postgres, err := stack.StartPostgres(ctx, stack.PostgresOptions{
		Dir: s.at.path("postgres"), Port: s.plan.cfg.Dev.PostgresPort, Log: s.at.log("postgres"),
	})
	if err != nil {
		return err
	}
	s.keep(postgres)
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
	s.say("starting Temporal on %s", cfg.Dev.TemporalListen)
	if s.plan.server {
		return s.startTemporalServer(ctx)
	}
	temporal, err := stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: s.temporal, DBFile: s.at.path("temporal.db"), Address: cfg.Dev.TemporalListen, UIAddress: cfg.Dev.TemporalUI,
		Namespace: cfg.Temporal.Namespace, SearchAttributes: workflows.SearchAttributes(), Log: s.at.log("temporal"),
	})
	if err != nil {
		return err
	}
	s.keep(temporal)
	return nil
}

func (s *system) startTemporalServer(ctx context.Context) error {
	ports, err := s.plan.temporalPorts()
	if err != nil {
		return err
	}
	temporal, err := stack.StartTemporalServer(ctx, stack.TemporalServerOptions{
		Binary: s.temporal, SchemaTool: s.schema, Dir: s.at.path("temporal"), Postgres: s.postgres, Ports: ports,
		Namespace: s.plan.cfg.Temporal.Namespace, Log: s.at.log("temporal"),
	})
	if err != nil {
		return err
	}
	s.keep(temporal)
	ui, err := stack.StartTemporalUI(ctx, stack.TemporalUIOptions{
		Binary: s.ui, Dir: s.at.path("temporal"), Address: s.plan.cfg.Dev.TemporalUI, Temporal: temporal.Address(),
		Namespace: s.plan.cfg.Temporal.Namespace, Log: s.at.log("temporal-ui"),
	})
	if err != nil {
		return err
	}
	s.keep(ui)
	return nil
}

// startBroker starts the broker on which our stand-ins publish, where none is configured.
func (s *system) startBroker(ctx context.Context) error {
	if !s.plan.broker {
		return nil
	}
	s.say("starting an MQTT broker on %s", s.plan.cfg.Dev.BrokerListen)
	broker, err := stack.StartBroker(ctx, stack.BrokerOptions{
		Binary: s.broker, Address: s.plan.cfg.Dev.BrokerListen, Log: s.at.log("broker"),
	})
	if err != nil {
		return err
	}
	s.keep(broker)
	return nil
}

// startStandIns starts one process for the stand-ins that are ours.
func (s *system) startStandIns(ctx context.Context) error {
	cfg := s.plan.cfg
	args := []string{"-event", "", "-conference", "", "-state", s.at.path("sandbox")}
	var urls, names []string
	add := func(name, address, path string, flags ...string) {
		args = append(args, flags...)
		urls = append(urls, "http://"+address+path)
		names = append(names, name+" on "+address)
	}
	if s.plan.event {
		add("event", cfg.Dev.EventListen, "/healthz", "-event", cfg.Dev.EventListen)
	}
	if s.plan.conference {
		add("conference", cfg.Dev.ConferenceListen, "/healthz", "-conference", cfg.Dev.ConferenceListen)
	}
	if s.standIn {
		public, admin := loopback(cfg.Dev.JanusPort), loopback(cfg.Dev.JanusAdminPort)
		add("Janus", public, "/janus/info", "-janus", public, "-janus-admin", admin,
			"-janus-admin-secret-file", s.at.secret(janusSecretFile), "-janus-admin-key-file", s.at.secret(janusKeyFile))
	}
	if len(urls) == 0 {
		return nil
	}
	args = append(args, s.announcing()...)
	s.say("starting stand-ins: %s", strings.Join(names, ", "))
	args = append(args, "-issuer", cfg.Account.Audience+"="+cfg.Account.Audience+"="+s.at.secret(servicePublicKey))
	for audience := range cfg.Authorization {
		args = append(args, "-trust", audience+"="+cfg.Account.Label+"."+cfg.Account.Audience)
	}
	return s.startProgram(ctx, "sandbox", "sandbox", args, nil, urls...)
}

// announcing tells the stand-ins where to announce.
func (s *system) announcing() (args []string) {
	if s.plan.announces() {
		announcements := s.plan.cfg.MQTT
		args = append(args, "-broker", announcements.Broker,
			"-event-account", announcements.EventAccount, "-conference-account", announcements.ConferenceAccount)
	}
	return args
}

func (s *system) startJanus(ctx context.Context) error {
	if !s.plan.janus || s.standIn {
		return nil
	}
	cfg := s.plan.cfg
	s.say("starting Janus on %s", loopback(cfg.Dev.JanusPort))
	janus, err := stack.StartJanus(ctx, stack.JanusOptions{
		Dir: s.at.path("janus"), Port: cfg.Dev.JanusPort, AdminPort: cfg.Dev.JanusAdminPort,
		AdminSecret: cfg.Janus.AdminSecret.Reveal(), AdminKey: cfg.Janus.AdminKey.Reveal(), Log: s.at.log("janus"),
	})
	if err != nil {
		return err
	}
	s.keep(janus)
	return nil
}

// migrate writes the configuration of the programs, which is whole by now, and
// brings schema and namespace up to date.
func (s *system) migrate(ctx context.Context) error {
	if err := config.Save(s.at.configFile(), s.plan.cfg); err != nil {
		return err
	}
	s.say("migrating")
	process, err := stack.StartBinary(ctx, "migrate", s.at.binary("migrate"), s.configured(), nil, s.at.log("migrate"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	return process.Wait(ctx)
}

func (s *system) startWorkers(ctx context.Context) error {
	for i, metrics := range copies(s.plan.workers, s.plan.cfg.Worker.MetricsListen) {
		name := nameOf(workerName, i, s.plan.workers)
		s.say("starting %s", name)
		env := []string{config.Variable("worker.metrics_listen") + "=" + metrics}
		if s.plan.workers > 1 { // one alone keeps the session that it is configured to have
			env = append(env, config.Variable("mqtt.client_id")+"="+name)
		}
		if err := s.startProgram(ctx, name, workerName, s.configured(), env, "http://"+reachable(metrics)+"/metrics"); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) startAPIs(ctx context.Context) error {
	metrics := copies(s.plan.apis, s.plan.cfg.API.MetricsListen)
	for i, address := range copies(s.plan.apis, s.plan.cfg.API.Listen) {
		name := nameOf(apiName, i, s.plan.apis)
		s.say("starting %s on %s", name, address)
		env := []string{config.Variable("api.listen") + "=" + address, config.Variable("api.metrics_listen") + "=" + metrics[i]}
		if err := s.startProgram(ctx, name, apiName, s.configured(), env, "http://"+reachable(address)+"/readyz"); err != nil {
			return err
		}
	}
	return nil
}

// configured are the arguments of programs that read the configuration of all.
func (s *system) configured() []string { return []string{"-config", s.at.configFile()} }

// nameOf tells programs of a kind apart, where there are several.
func nameOf(kind string, i, n int) string {
	if n == 1 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, i+1)
}

// startProgram starts one of our programs and waits until all urls answer 200.
func (s *system) startProgram(ctx context.Context, name, program string, args, env []string, urls ...string) error {
	process, err := stack.StartBinary(ctx, name, s.at.binary(program), args, env, s.at.log(name))
	if err != nil {
		return err
	}
	if err := process.AwaitHTTP(ctx, serveWithin, urls...); err != nil {
		return err
	}
	s.keep(process)
	return nil
}

// reachable turns an address to listen on into one to call.
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
