// Package simulation searches interleavings of the sagas. Real workflows, activities, clients and the real ledger on
// Postgres run in several processes, with event, conference, the gateways, the broker and Temporal in memory. At each
// point where a process calls the ledger, another service or Temporal, a scheduler decides who goes on, what fails, who
// dies and how much time passes. One number decides everything; what violates an invariant is shrunk to few decisions.
//
// Everything runs in one testing/synctest bubble, so time passes only when the scheduler lets it, also for Postgres:
// a function now() in front of the search path shows the time of the bubble.
package simulation
