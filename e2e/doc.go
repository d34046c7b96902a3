// Package e2e keeps the promises of the service against real processes: Postgres, Temporal, Janus, the stand-ins of event
// and conference, the API and the worker, each a child process that the tests can kill and freeze.
package e2e
