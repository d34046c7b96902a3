// Package deploy embeds the configuration of servers that stack and tests share with the deployments.
package deploy

import _ "embed"

// TemporalDynamicConfig is Temporal's dynamic configuration for this service, a YAML file.
//
//go:embed temporal/dynamicconfig.yaml
var TemporalDynamicConfig []byte

// TemporalServer is the configuration of Temporal's server on PostgreSQL, a YAML template.
//
//go:embed temporal/server.yaml
var TemporalServer []byte

// TemporalVisibility drops indexes of Temporal's visibility database that this service does not need, an SQL statement.
//
//go:embed temporal/visibility.sql
var TemporalVisibility string

// Mosquitto is the configuration of the MQTT broker.
//
//go:embed compose/mosquitto.conf
var Mosquitto string
