// Package sandboxclient looks into the stand-ins of package sandbox and sets their switches, over HTTP, and listens to
// what they announce, over MQTT.
package sandboxclient
