package main

import (
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

// topology has the number of APIs and workers.
type topology struct {
	apis, workers int
	// server selects Temporal's production server on PostgreSQL instead of the dev server.
	server bool
}

// The topologies of make run and make cluster.
var (
	single    = topology{apis: 1, workers: 1}
	clustered = topology{apis: 2, workers: 3, server: true}
)

// portStep is the difference between the ports of two programs of the same kind.
const portStep = 100

// addresses returns the addresses of n programs of a kind: the given one, and the same with higher ports for the
// others. If the port is 0, all have the given address.
func addresses(n int, address string) []string {
	list := slices.Repeat([]string{address}, n)
	host, text, _ := net.SplitHostPort(address) // the configuration has been checked
	port, _ := strconv.Atoi(text)               // 0 also for a named port
	for i := 1; i < n && port > 0; i++ {
		list[i] = net.JoinHostPort(host, strconv.Itoa(port+i*portStep))
	}
	return list
}

// plan says which parts to start, and has the configuration of the programs. The configuration is complete except for
// the database URL if Postgres is to be started.
type plan struct {
	topology
	cfg                                                  config.Config
	postgres, temporal, event, conference, janus, broker bool
}

// newPlan makes the plan from the user's configuration: to start every part that has no address there, at the address
// that the plan's configuration then has.
func newPlan(ws workspace, as topology, environ []string) (plan, error) {
	file := ""
	if own := filepath.Join(ws.root, "minigroups.yaml"); !slices.ContainsFunc(environ, isConfigVariable) && exists(own) {
		file = own
	}
	cfg, err := config.Load(file, environ)
	if err != nil {
		return plan{}, err
	}
	p := plan{
		topology:   as,
		postgres:   !cfg.IsSet("database.url"),
		temporal:   !cfg.IsSet("temporal.address"),
		event:      !cfg.IsSet("event.url"),
		conference: !cfg.IsSet("conference.url"),
		janus:      !cfg.IsSet("janus.backends") && cfg.Janus.Reservation == config.ReservedByGateway,
	}
	if !as.server && !cfg.IsSet("api.worker") {
		cfg.API.Worker = true // a create starts eagerly, as in production, and does not wait for a poll
	}
	// If event and conference are configured, they publish on a broker of their own, if at all.
	p.broker = !cfg.IsSet("mqtt.broker") && p.publishes()
	if p.broker {
		cfg.MQTT.Broker = "mqtt://" + cfg.Dev.BrokerListen
	}
	if p.temporal {
		cfg.Temporal.Address = cfg.Dev.TemporalListen
		if !cfg.IsSet("links.temporal_ui") {
			cfg.Links.TemporalUI = "http://" + cfg.Dev.TemporalUI
		}
	}
	if p.event {
		cfg.Event.URL = "http://" + cfg.Dev.EventListen
	}
	if p.conference {
		cfg.Conference.URL = "http://" + cfg.Dev.ConferenceListen
	}
	if err := configureAuth(ws, &cfg); err != nil {
		return plan{}, err
	}
	if p.janus {
		if err := configureJanus(ws, &cfg); err != nil {
			return plan{}, err
		}
	}
	p.cfg = cfg
	return p, p.validate()
}

// needsPostgres reports whether to start Postgres, for the service or for Temporal.
func (p plan) needsPostgres() bool { return p.postgres || p.temporal && p.server }

// temporalPorts returns the ports of Temporal's production server.
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

// publishes reports whether a stand-in to be started publishes room events.
func (p plan) publishes() bool { return p.event || p.conference }

func isConfigVariable(variable string) bool {
	path, ok := strings.CutPrefix(variable, "MINIGROUPS_CONFIG=")
	return ok && path != ""
}

// configureAuth configures the service's keys, and the issuer and the permissions of the development audience.
func configureAuth(ws workspace, cfg *config.Config) error {
	if _, taken := cfg.Authentication[devIssuer]; taken {
		return fmt.Errorf("authentication[%s] is configured, but make run issues tokens with this name: use another",
			devIssuer)
	}
	if cfg.Account.PrivateKeyFile == "" {
		if err := ws.ensureKey(serviceKey); err != nil {
			return err
		}
		cfg.Account.PrivateKeyFile = ws.secret(serviceKey)
	}
	if err := ws.writePublicKey(cfg.Account.PrivateKeyFile, servicePublicKey); err != nil {
		return err
	}
	if err := ws.ensureKey(issuerKey); err != nil {
		return err
	}
	if err := ws.writePublicKey(ws.secret(issuerKey), issuerPublicKey); err != nil {
		return err
	}
	cfg.Authorization = maps.Clone(cfg.Authorization)
	if cfg.Authorization == nil {
		cfg.Authorization = map[string]config.Audience{}
	}
	if _, configured := cfg.Authorization[devAudience]; !configured {
		cfg.Authorization[devAudience] = config.Audience{
			Kind: "local", Trusted: []string{devSubject + "." + devAudience},
		}
	}
	cfg.Authentication = maps.Clone(cfg.Authentication)
	if cfg.Authentication == nil {
		cfg.Authentication = map[string]config.Issuer{}
	}
	cfg.Authentication[devIssuer] = config.Issuer{
		Audiences:     slices.Sorted(maps.Keys(cfg.Authorization)),
		Algorithm:     "ES256",
		PublicKeyFile: ws.secret(issuerPublicKey),
	}
	roomKey, err := ws.loadOrCreateSecret(roomKeyFile, cfg.Janus.RoomKey.Reveal())
	cfg.Janus.RoomKey = config.Secret(roomKey)
	return err
}

func configureJanus(ws workspace, cfg *config.Config) error {
	secret, err := ws.loadOrCreateSecret(janusSecretFile, cfg.Janus.AdminSecret.Reveal())
	if err != nil {
		return err
	}
	key, err := ws.loadOrCreateSecret(janusKeyFile, cfg.Janus.AdminKey.Reveal())
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

// validate returns the errors with which the programs would refuse the configuration, before any part starts.
func (p plan) validate() error {
	cfg := p.cfg
	if p.postgres {
		cfg.Database.URL = "postgres://started-later/"
	}
	return cfg.Check(slices.Concat(config.ForAPI, config.ForWorker)...)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
