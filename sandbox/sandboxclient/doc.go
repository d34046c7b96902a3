// Package sandboxclient reads the state of the stand-ins of package sandbox and sets their faults over HTTP, and
// receives their room events over MQTT.
package sandboxclient
