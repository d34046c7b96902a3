// Package load sends requests to one HTTP server and measures how long it answers them: as a number of clients of whom each
// waits for its answer before it asks again (closed loop), or at a rate, whatever becomes of the answers (open loop).
package load
