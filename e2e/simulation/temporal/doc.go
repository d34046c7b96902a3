// Package temporal is a Temporal server in memory, for simulations: the part of it that workflows of this service use.
// Workers and clients of the SDK reach it without a network, through an interceptor of their gRPC connection, so that
// everything runs in one testing/synctest bubble, whose clock it follows.
//
// It keeps the histories of runs, hands out workflow tasks and activity tasks, retries activities, fires timers and
// times out what a worker does not answer. It has no schedules, queries, updates, child workflows and visibility.
package temporal
