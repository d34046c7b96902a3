// Package secured has tests alone: they run all programs against a Temporal server that requires mutual TLS, and
// encrypt what lies in it.
package secured
