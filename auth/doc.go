// Package auth authenticates and authorizes callers: it signs and verifies bearer tokens (JWT) and decides, per
// audience of a minigroup, which account may do what. It reads no configuration, files or URLs: keys come as bytes or
// through Keys, and the authorization service of a tenant is reached through TenantService.
package auth
