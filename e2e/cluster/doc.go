// Package cluster tests the promises of the service in the shape of production: Temporal's own server on PostgreSQL,
// two APIs and three workers. The tests restart all of these under load.
package cluster
