// Package jwks returns the public keys of a token issuer that publishes them at a URL as a JSON Web Key Set (RFC 7517).
//
// A Set fetches the keys when it is made, every 10 minutes, and when a token names a key that it does not have. It
// skips keys that it does not understand, as RFC 7517 §5 says, so that one of them does not disable the others. While
// the URL is out of reach, or has no key that can be used, it returns the keys fetched last.
package jwks
