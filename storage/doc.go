// Package storage is Postgres: the rows that callers read, and the ledger by which the sagas decide. It is the only
// place with SQL. A decision is one transaction or one conditional statement, so that runs which are frozen,
// terminated or repeated cannot change what is no longer theirs.
//
// Errors are *minigroup.Error, *minigroup.OwnedError and *minigroup.SupersededError where a caller can act on them;
// anything else means that Postgres could not be asked, and is worth another try.
package storage
