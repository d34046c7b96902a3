// Package httpapitest generates request bodies for tests of the API, valid and invalid ones, and describes the exchanges
// that its tests record.
package httpapitest
