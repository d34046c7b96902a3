// Package httpapitest generates valid and invalid request bodies for tests of the API, and describes the exchanges that
// its tests record.
package httpapitest
