// Package minigroup holds the domain types of the service: what a minigroup is, what callers may request of it, how a
// request can fail, and the rules that need only these types. It does no I/O, knows no wire format and imports no other
// package of the service, so every other package can import it.
package minigroup
