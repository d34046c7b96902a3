// Package auth says who is asking and whether they may: it signs and verifies bearer tokens (JWT) and decides, per
// audience of a minigroup, which account may do what there. It reads no configuration, no files and no URLs: keys come
// as bytes or by way of Keys, and a tenant's own authorization service by way of Tenant.
package auth
