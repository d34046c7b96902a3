// Package e2e tests the promises of the service against real processes: Postgres, Temporal, Janus, an MQTT broker, the
// stand-ins of event and conference, the API and the worker. Each is a child process that tests can kill and freeze.
package e2e
