// Package activities holds the steps of the sagas. Each activity has one side effect: a request to another service or a
// transaction of the ledger. It may run again at any time, in this process or another, without harm. The package uses
// Postgres, other services and Temporal's client only through the small interfaces that it declares.
package activities
