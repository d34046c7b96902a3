// Package mqtt exchanges events with other services over an MQTT broker. Event and conference publish an event for
// each room that they create and for each room that they close; the worker records these room events in the ledger in
// batches and acknowledges them only after the ledger has committed them, so that the broker redelivers what a crashed
// process did not record. The worker also publishes this service's own events from the outbox of the ledger, and
// removes each from the outbox only after the broker has acknowledged it.
//
// The broker is the platform's gateway, or any other MQTT broker. Options.Protocol is the version of MQTT for both
// directions: it decides the form of the published events. Received events may have either form.
//
// Events may arrive twice in both directions. While the broker or the ledger is unavailable, the worker retries without
// a limit. It counts and drops messages that it cannot parse.
package mqtt
