// Package activities holds the single side effects of the sagas: each activity sends one request to another service or
// makes one decision of the ledger. Every activity may run again, in this process or another, and does no harm by it.
// The package uses other packages only through the small interfaces it declares.
package activities
