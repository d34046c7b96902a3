// Package runs instruments Temporal's SDK: it exports the SDK's metrics, log and spans in the service's own format,
// propagates the request id to runs and steps in headers, and logs failed attempts of steps.
package runs
