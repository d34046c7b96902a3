package main

import (
	"context"
	"strings"
	"time"

	"minigroups/e2e/mqttgateway"
)

// The values of options.mqtt.
const (
	mqttGateway = "gateway" // workers and stand-ins are connected to the stand-in for the platform's MQTT gateway
	mqttPlain   = "plain"   // to mosquitto itself
	mqttOff     = "off"     // workers do not receive room events
)

// startGateway starts the stand-in for the platform's MQTT gateway in front of the broker. It is part of this process
// and does not end with the broker.
func (s *system) startGateway() (err error) {
	s.gateway, err = mqttgateway.Start("127.0.0.1:0", strings.TrimPrefix(s.cfg.MQTT.Broker, "mqtt://"))
	if err == nil {
		s.cfg.MQTT.Broker = s.gateway.URL()
	}
	return err
}

// disconnectClients makes the gateway end all its connections.
func (s *system) disconnectClients(context.Context, time.Duration) error {
	defer s.faults.Begin("gateway", "ends all connections")()
	s.gateway.Disconnect()
	return nil
}

// checkGateway records a violation for everything that the gateway has refused: all clients are entitled to what they
// do.
func (s *system) checkGateway(violation func(format string, args ...any)) {
	if s.gateway == nil {
		return
	}
	for _, refusal := range s.gateway.Refusals() {
		violation("the MQTT gateway refused: %s", refusal)
	}
}
