// Package deploy holds what the service needs around it where it runs.
package deploy

import _ "embed"

// TemporalDynamicConfig is Temporal's dynamic configuration for this service, as the YAML file that a cluster reads.
//
//go:embed temporal/dynamicconfig.yaml
var TemporalDynamicConfig []byte

// TemporalServer is the configuration of Temporal's own server on PostgreSQL, as the template that it reads as a file.
//
//go:embed temporal/server.yaml
var TemporalServer []byte
