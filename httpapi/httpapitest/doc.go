// Package httpapitest makes up bodies for the API's tests: good ones, bad ones, and such that are neither quite.
package httpapitest
