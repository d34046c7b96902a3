package main

import (
	"errors"

	"minigroups/config"
	"minigroups/stack"
)

// listener is a part of the system that is to listen on an address.
type listener struct {
	starts  bool // the system starts it
	address string
	name    string
	setting string // the setting that changes the address
}

// checkPorts returns an error that names every needed port in use.
func (p plan) checkPorts() error {
	var wrong []error
	for _, l := range append(p.programs(), p.services()...) {
		if l.starts {
			setting := l.setting + " (" + config.Variable(l.setting) + ")"
			wrong = append(wrong, stack.CheckPort(l.address, l.name, setting))
		}
	}
	if p.temporal && p.server {
		ports, err := p.temporalPorts()
		wrong = append(wrong, err)
		if err == nil {
			wrong = append(wrong, ports.Check())
		}
	}
	return errors.Join(wrong...)
}

// programs lists the listeners of the APIs and workers.
func (p plan) programs() (all []listener) {
	add := func(n int, address, name, setting string) {
		for _, address := range addresses(n, address) {
			all = append(all, listener{starts: true, address: address, name: name, setting: setting})
		}
	}
	add(p.apis, p.cfg.API.Listen, "the API", "api.listen")
	add(p.apis, p.cfg.API.MetricsListen, "the metrics of the API", "api.metrics_listen")
	add(p.workers, p.cfg.Worker.MetricsListen, "the metrics of the worker", "worker.metrics_listen")
	return all
}

// services lists the listeners of everything else, except Temporal's production server.
func (p plan) services() []listener {
	dev := p.cfg.Dev
	return []listener{
		{
			starts: p.needsPostgres(), address: loopback(dev.PostgresPort),
			name: "Postgres", setting: "dev.postgres_port",
		},
		{
			starts: p.temporal && !p.server, address: dev.TemporalListen,
			name: "Temporal", setting: "dev.temporal_listen",
		},
		{
			starts: p.temporal, address: dev.TemporalUI,
			name: "the UI of Temporal", setting: "dev.temporal_ui",
		},
		{
			starts: p.event, address: dev.EventListen,
			name: "the stand-in for event", setting: "dev.event_listen",
		},
		{
			starts: p.conference, address: dev.ConferenceListen,
			name: "the stand-in for conference", setting: "dev.conference_listen",
		},
		{
			starts: p.broker, address: dev.BrokerListen,
			name: "the MQTT broker", setting: "dev.broker_listen",
		},
		{
			starts: p.janus, address: loopback(dev.JanusPort),
			name: "Janus", setting: "dev.janus_port",
		},
		{
			starts: p.janus, address: loopback(dev.JanusAdminPort),
			name: "the Admin API of Janus", setting: "dev.janus_admin_port",
		},
	}
}
