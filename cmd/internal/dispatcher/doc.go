// Package dispatcher reads and writes the classes of kind minigroup in the database of dispatcher, the service that
// this one replaces.
package dispatcher
