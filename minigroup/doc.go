// Package minigroup holds the words of the service: what a minigroup is, what may be asked of it,
// how a request can fail, and the rules that need nothing but these words. It does no I/O, knows no
// wire format and imports none of its siblings, so that every other package can speak it.
package minigroup
