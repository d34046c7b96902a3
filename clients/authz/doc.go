// Package authz asks a tenant's authorization service whether an account may perform an action in the tenant's
// audience.
//
// The protocol is that of the tenants' existing services: the reply is a JSON array of strings, the allowed actions,
// and its status has no meaning. A 500 with an array is a valid reply; anything but an array of strings is an error,
// with any status.
package authz
