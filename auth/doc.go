// Package auth says who is asking and whether they may: it signs and verifies bearer tokens (JWT) and decides, per
// audience of a minigroup, which account may do what there. It reads no configuration and no files; keys come as PEM.
package auth
