// Package cluster keeps the promises of the service in the shape that production has: Temporal's own server on PostgreSQL, two
// APIs and three workers, all of which are restarted while clients go on.
package cluster
