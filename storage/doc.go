// Package storage keeps minigroups and the ledger in Postgres. It is the only package with SQL. Every decision is one
// transaction or one conditional statement on the owner of the row, so a run that was frozen, terminated or repeated
// changes nothing once another run owns it.
//
// Errors that a caller can act on are *minigroup.Error, *minigroup.OwnedError and *minigroup.SupersededError. Every
// other error means that the query failed; it may be tried again.
package storage
