// Package authz asks a tenant's authorization service whether an account may perform an action in the tenant's
// audience.
//
// The protocol is that of the tenants' existing services: the reply is a JSON array of strings, the allowed actions.
// Unlike other services of the platform, which ignore the status, this client takes only a 2xx for a yes.
package authz
