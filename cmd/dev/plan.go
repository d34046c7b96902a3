package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"minigroups/config"
	"minigroups/stack"
)

const (
	devIssuer   = "iam.example.org"
	devAudience = "example.org"
	devSubject  = "dev"
	devDatabase = "minigroups"
	devCapacity = 500
)

// shape is how many of our programs there are, and whether Temporal is its own
// server on PostgreSQL instead of the dev server.
type shape struct {
	apis, workers int
	server        bool
}

// The shapes that make run and make cluster have.
var (
	one     = shape{apis: 1, workers: 1}
	several = shape{apis: 2, workers: 3, server: true}
)

// apart is how far apart the ports of programs of the same kind are.
const apart = 100

// copies are the addresses on which n programs of a kind listen: the first one on address, the others on ports beyond it, or
// all on any where that is 0.
func copies(n int, address string) []string {
	list := slices.Repeat([]string{address}, n)
	host, text, _ := net.SplitHostPort(address) // the configuration has been checked
	port, _ := strconv.Atoi(text)               // 0, too, where it is a name
	for i := 1; i < n && port > 0; i++ {
		list[i] = net.JoinHostPort(host, strconv.Itoa(port+i*apart))
	}
	return list
}

// plan is what is ours to start, and the configuration of the programs, which
// lacks only the address of a Postgres that is still to start.
type plan struct {
	shape
	cfg                                                  config.Config
	postgres, temporal, event, conference, janus, broker bool
}

// settle makes the plan from the user's configuration: whatever has an address
// there is not ours, everything else gets the address it will have.
func settle(at place, as shape, environ []string) (plan, error) {
	file := ""
	if own := filepath.Join(at.root, "minigroups.yaml"); !slices.ContainsFunc(environ, isConfigVariable) && exists(own) {
		file = own
	}
	cfg, err := config.Load(file, environ)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		shape:      as,
		postgres:   !cfg.IsSet("database.url"),
		temporal:   !cfg.IsSet("temporal.address"),
		event:      !cfg.IsSet("event.url"),
		conference: !cfg.IsSet("conference.url"),
		janus:      !cfg.IsSet("janus.backends") && cfg.Janus.Reservation == config.ReservedByGateway,
	}
	// Somebody else's services announce on somebody else's broker, if at all.
	p.broker = !cfg.IsSet("mqtt.broker") && p.announces()
	if p.broker {
		cfg.MQTT.Broker = "mqtt://" + cfg.Dev.BrokerListen
	}
	if p.temporal {
		cfg.Temporal.Address = cfg.Dev.TemporalListen
	}
	if p.event {
		cfg.Event.URL = "http://" + cfg.Dev.EventListen
	}
	if p.conference {
		cfg.Conference.URL = "http://" + cfg.Dev.ConferenceListen
	}
	if err := identify(at, &cfg); err != nil {
		return plan{}, err
	}
	if p.janus {
		if err := planJanus(at, &cfg); err != nil {
			return plan{}, err
		}
	}
	p.cfg = cfg
	return p, p.check()
}

// needsPostgres reports whether a Postgres is ours to start: for us, or for Temporal.
func (p plan) needsPostgres() bool { return p.postgres || p.temporal && p.server }

// temporalPorts are those of Temporal's own server, around that of its frontend.
func (p plan) temporalPorts() (stack.TemporalPorts, error) {
	_, text, err := net.SplitHostPort(p.cfg.Dev.TemporalListen)
	if err != nil {
		return stack.TemporalPorts{}, fmt.Errorf("dev.temporal_listen: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return stack.TemporalPorts{}, fmt.Errorf("dev.temporal_listen: %w", err)
	}
	return stack.DefaultTemporalPorts(port), nil
}

// announces reports whether stand-ins of ours have something to announce.
func (p plan) announces() bool { return p.event || p.conference }

func isConfigVariable(variable string) bool {
	path, ok := strings.CutPrefix(variable, "MINIGROUPS_CONFIG=")
	return ok && path != ""
}

// identify gives the service its keys, and the development tenant its issuer and
// its permissions.
func identify(at place, cfg *config.Config) error {
	if _, taken := cfg.Authentication[devIssuer]; taken {
		return fmt.Errorf("authentication[%s] is configured, but that is the issuer of the tokens made here: take another name", devIssuer)
	}
	if cfg.Account.PrivateKeyFile == "" {
		if err := at.keepKey(serviceKey); err != nil {
			return err
		}
		cfg.Account.PrivateKeyFile = at.secret(serviceKey)
	}
	if err := at.publish(cfg.Account.PrivateKeyFile, servicePublicKey); err != nil {
		return err
	}
	if err := at.keepKey(issuerKey); err != nil {
		return err
	}
	if err := at.publish(at.secret(issuerKey), issuerPublicKey); err != nil {
		return err
	}
	cfg.Authorization = maps.Clone(cfg.Authorization)
	if cfg.Authorization == nil {
		cfg.Authorization = map[string]config.Audience{}
	}
	if _, configured := cfg.Authorization[devAudience]; !configured {
		cfg.Authorization[devAudience] = config.Audience{Kind: "local", Trusted: []string{devSubject + "." + devAudience}}
	}
	cfg.Authentication = maps.Clone(cfg.Authentication)
	if cfg.Authentication == nil {
		cfg.Authentication = map[string]config.Issuer{}
	}
	cfg.Authentication[devIssuer] = config.Issuer{
		Audiences:     slices.Sorted(maps.Keys(cfg.Authorization)),
		Algorithm:     "ES256",
		PublicKeyFile: at.secret(issuerPublicKey),
	}
	roomKey, err := at.keepSecret(roomKeyFile, cfg.Janus.RoomKey.Reveal())
	cfg.Janus.RoomKey = config.Secret(roomKey)
	return err
}

func planJanus(at place, cfg *config.Config) error {
	secret, err := at.keepSecret(janusSecretFile, cfg.Janus.AdminSecret.Reveal())
	if err != nil {
		return err
	}
	key, err := at.keepSecret(janusKeyFile, cfg.Janus.AdminKey.Reveal())
	if err != nil {
		return err
	}
	capacity := int32(devCapacity)
	cfg.Janus.AdminSecret, cfg.Janus.AdminKey = config.Secret(secret), config.Secret(key)
	cfg.Janus.Backends = []config.Backend{{
		ID:       "janus-1",
		AdminURL: "http://" + loopback(cfg.Dev.JanusAdminPort) + "/admin",
		JanusURL: "http://" + loopback(cfg.Dev.JanusPort) + "/janus",
		Group:    cfg.Janus.Group,
		Capacity: &capacity,
	}}
	return nil
}

// check tells what the programs would miss, before anything starts.
func (p plan) check() error {
	cfg := p.cfg
	if p.postgres {
		cfg.Database.URL = "postgres://later/"
	}
	return cfg.Check(slices.Concat(config.ForAPI, config.ForWorker)...)
}

// ports reports every port that is wanted and taken.
func (p plan) ports() error {
	dev := p.cfg.Dev
	var wrong []error
	check := func(address, what, setting string) {
		wrong = append(wrong, stack.CheckPort(address, what, setting+" ("+config.Variable(setting)+")"))
	}
	for _, program := range []struct {
		n                      int
		address, what, setting string
	}{
		{p.apis, p.cfg.API.Listen, "the API", "api.listen"},
		{p.apis, p.cfg.API.MetricsListen, "the metrics of the API", "api.metrics_listen"},
		{p.workers, p.cfg.Worker.MetricsListen, "the metrics of the worker", "worker.metrics_listen"},
	} {
		for _, address := range copies(program.n, program.address) {
			check(address, program.what, program.setting)
		}
	}
	if p.temporal && p.server {
		ports, err := p.temporalPorts()
		wrong = append(wrong, err)
		if err == nil {
			wrong = append(wrong, ports.Check())
		}
	}
	for _, port := range []struct {
		ours                   bool
		address, what, setting string
	}{
		{p.needsPostgres(), loopback(dev.PostgresPort), "Postgres", "dev.postgres_port"},
		{p.temporal && !p.server, dev.TemporalListen, "Temporal", "dev.temporal_listen"},
		{p.temporal, dev.TemporalUI, "the UI of Temporal", "dev.temporal_ui"},
		{p.event, dev.EventListen, "the event stand-in", "dev.event_listen"},
		{p.conference, dev.ConferenceListen, "the conference stand-in", "dev.conference_listen"},
		{p.broker, dev.BrokerListen, "the MQTT broker", "dev.broker_listen"},
		{p.janus, loopback(dev.JanusPort), "Janus", "dev.janus_port"},
		{p.janus, loopback(dev.JanusAdminPort), "the Admin API of Janus", "dev.janus_admin_port"},
	} {
		if port.ours {
			check(port.address, port.what, port.setting)
		}
	}
	return errors.Join(wrong...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
