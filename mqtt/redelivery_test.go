package mqtt_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"minigroups/mqtt"
)

func TestBrokerRestart(t *testing.T) { withEachProtocol(t, testBrokerRestart) }

func testBrokerRestart(t *testing.T, protocol mqtt.Protocol) {
	t.Run("unacknowledged messages that the broker has stored are redelivered", func(t *testing.T) {
		checkGoroutines(t)
		brokerOptions := mosquittoOptions(t)
		broker := startMosquitto(t, brokerOptions)
		ledger := newLedger()
		ledger.gate = make(chan struct{})
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		id := p.createRoom(t)
		await(t, "recording is attempted", func() bool { return ledger.attemptCount() > 0 })
		await(t, "the broker has stored the message", func() bool {
			p.publishRetained(t, "any") // mosquitto stores messages in flight only together with another change
			stored, err := os.ReadFile(filepath.Join(brokerOptions.Dir, "mosquitto.db"))
			return err == nil && bytes.Contains(stored, []byte(id.String()))
		})
		killMosquitto(t, broker)
		await(t, "the worker is disconnected", func() bool { return w.disconnected() > 0 })
		startMosquitto(t, brokerOptions)
		await(t, "the worker is connected again", func() bool { return w.connected() > 1 })
		await(t, "the event is received again", func() bool { return w.count("received room.create") > 1 })
		close(ledger.gate)
		next := connectPeer(t, broker.URL()).createRoom(t)
		await(t, "all events are recorded", func() bool { return ledger.has(id, next) })
	})

	t.Run("without a group each worker receives events published before it reconnects", func(t *testing.T) {
		checkGoroutines(t)
		brokerOptions := mosquittoOptions(t)
		broker := startMosquitto(t, brokerOptions)
		ledgers := []*fakeLedger{newLedger(), newLedger()}
		workers := make([]worker, len(ledgers))
		for i, ledger := range ledgers {
			o := options(t, protocol, broker.URL(), ledger)
			o.Label = fmt.Sprintf("worker-%d", i)
			workers[i] = startConnected(t, o)
		}
		first := connectPeer(t, broker.URL()).createRoom(t)
		for i, ledger := range ledgers {
			await(t, "the event is recorded", func() bool { return ledger.has(first) })
			workers[i].stop()
		}
		killMosquitto(t, broker)
		startMosquitto(t, brokerOptions)
		second := connectPeer(t, broker.URL()).createRoom(t)
		for i, ledger := range ledgers {
			o := options(t, protocol, broker.URL(), ledger)
			o.Label = fmt.Sprintf("worker-%d", i)
			startConnected(t, o)
			await(t, "the event is recorded", func() bool { return ledger.has(second) })
		}
	})

	t.Run("received events are recorded although the broker has lost them", func(t *testing.T) {
		checkGoroutines(t)
		brokerOptions := mosquittoOptions(t)
		broker := startMosquitto(t, brokerOptions)
		ledger := newLedger()
		ledger.gate = make(chan struct{})
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		first := p.createRoom(t)
		await(t, "recording is attempted", func() bool { return ledger.attemptCount() > 0 })
		second := p.createRoom(t)
		await(t, "the second event is received", func() bool { return w.count("received room.create") == 2 })
		killMosquitto(t, broker)
		brokerOptions.Dir = filepath.Join(t.TempDir(), "empty")
		startMosquitto(t, brokerOptions)
		await(t, "the worker is connected again", func() bool { return w.connected() > 1 })
		close(ledger.gate)
		third := connectPeer(t, broker.URL()).createRoom(t)
		await(t, "all events are recorded", func() bool { return ledger.has(first, second, third) })
	})
}
