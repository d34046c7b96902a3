// Package announcements is the worker's ear and voice at the MQTT broker. Event and conference announce there each room
// they make and each they close: what is heard goes to the ledger in batches and is acknowledged only when the ledger has
// it, so that the broker sends again what a dying process has not kept. What this service announces itself waits in an
// outbox of the ledger until the broker has taken it.
//
// Everything may come twice. A broker or ledger that is away is waited for; a message that makes no sense is counted and
// forgotten.
package mqtt
