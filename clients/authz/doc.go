// Package authz asks a tenant's own authorization service who may do what in the tenant's audience.
//
// The answer is a JSON array of the actions that are allowed. The status of the reply says nothing: a 500 with an array is
// an answer, and anything but an array of texts is none, whatever the status.
package authz
