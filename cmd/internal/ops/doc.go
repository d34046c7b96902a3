// Package ops is the operators' command-line tool. It lists sagas that are stuck or have failed, retries one
// minigroup or many, cancels running operations, triggers sweeps and drains gateways.
//
// It connects directly to Postgres and Temporal with the service's configuration: database.url is required, and
// temporal for everything that concerns runs. docs/ops.md describes the commands and their output.
package ops
