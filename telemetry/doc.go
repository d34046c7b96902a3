// Package telemetry is what the service tells machines: which request a line, a span or a run belongs to, the log, the metrics
// of requests in both directions, and traces. What it tells of Temporal is in package runs.
package telemetry
