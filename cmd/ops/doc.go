// Command ops is for those who run the service: it shows what is stuck and what has failed, retries one minigroup or a
// thousand, cancels, sweeps, and drains gateways. It works on the database and on Temporal directly, with the configuration
// of the service, of which it needs database.url and, for what is under way, temporal. What it prints is described in
// docs/ops.md.
package main
