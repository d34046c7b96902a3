// Package jwks gets the public keys of an issuer of tokens from a URL (JSON Web Key Set, RFC 7517), keeps them, and gets
// them again from time to time and when a token names one that is new. Keys that were got once are used on while the URL is
// out of reach.
package jwks
