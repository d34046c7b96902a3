// Package activities holds the single side effects of the sagas: one request to another service or one decision of the
// ledger each. Every activity may be run again, in this process or another, and does no harm by it. The package knows
// other packages only by the small interfaces it needs.
package activities
