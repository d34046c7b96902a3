// Package rivals holds what people would use in place of the product's sagas: other ways to carry out the same five steps of a
// create. Each writes the row, makes an event room, a conference room and a Janus room, and writes the row again; whoever asks
// waits for the end. Everything else is the product's own, so that nothing but the way is compared: the HTTP API with its
// tokens, the clients of the upstreams and the pool of connections.
package rivals
