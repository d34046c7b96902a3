// Package telemetry instruments the service: it ties log lines, spans and runs to requests, writes the log, measures
// requests in both directions, and exports traces. Package runs instruments Temporal's SDK.
package telemetry
