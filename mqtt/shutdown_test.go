package mqtt_test

import (
	"strconv"
	"testing"
	"time"

	"minigroups/mqtt"
	"minigroups/stack"
)

func TestShutdown(t *testing.T) {
	t.Run("while no broker is listening", func(t *testing.T) {
		checkGoroutines(t)
		port, err := stack.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		attempts := make(chan struct{}, 1000)
		o := options(t, mqtt.Protocol5, "mqtt://127.0.0.1:"+strconv.Itoa(port), newLedger())
		o.Token = func() (string, error) {
			attempts <- struct{}{}
			return "token", nil
		}
		w := start(t, o)
		for range 3 {
			<-attempts
		}
		w.stop()
		if w.connected()+w.disconnected() > 0 {
			t.Error("a connection was reported")
		}
	})

	t.Run("while the broker does not answer CONNECT", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(b *fakeBroker) { b.ignoreConnect = true })
		w := start(t, options(t, mqtt.Protocol5, broker.url, newLedger()))
		<-broker.connects
		w.stop()
	})

	t.Run("while the broker does not answer SUBSCRIBE", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(b *fakeBroker) { b.ignoreSubscribe = true })
		w := start(t, options(t, mqtt.Protocol5, broker.url, newLedger()))
		<-broker.connects
		<-broker.subscribes
		w.stop()
	})

	t.Run("the worker disconnects, and the broker keeps the session", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(*fakeBroker) {})
		startConnected(t, options(t, mqtt.Protocol5, broker.url, newLedger())).stop()
		select {
		case d := <-broker.disconnects:
			if d.ReasonCode != 0 || d.Properties.SessionExpiryInterval != nil {
				t.Errorf("%v", d)
			}
		case <-time.After(testTimeout):
			t.Error("no DISCONNECT was received")
		}
		if c := <-broker.connects; c.CleanStart || *c.Properties.SessionExpiryInterval != 3600 {
			t.Errorf("%v", c)
		}
	})

	withEachProtocol(t, testShutdown)
}

func testShutdown(t *testing.T, protocol mqtt.Protocol) {
	t.Run("while the broker is frozen", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		id := connectPeer(t, broker.URL()).createRoom(t)
		await(t, "the event is recorded", func() bool { return ledger.has(id) })
		if err := broker.Freeze(); err != nil {
			t.Fatal(err)
		}
		defer broker.Thaw()
		w.stop()
	})

	t.Run("while the ledger hangs", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		ledger.gate = make(chan struct{})
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		connectPeer(t, broker.URL()).createRoom(t)
		await(t, "recording is attempted", func() bool { return ledger.attemptCount() > 0 })
		w.stop()
	})

	t.Run("received events are recorded and acknowledged first", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		ledger.gate = make(chan struct{})
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		first := p.createRoom(t)
		await(t, "recording is attempted", func() bool { return ledger.attemptCount() > 0 })
		second := p.createRoom(t)
		await(t, "the second event is received", func() bool { return w.count("received room.create") == 2 })
		ended := make(chan struct{})
		go func() {
			w.stop()
			close(ended)
		}()
		await(t, "the worker stops publishing", func() bool { return w.disconnected() > 0 })
		close(ledger.gate)
		<-ended
		if !ledger.has(first, second) {
			t.Error("an event was not recorded")
		}

		after := newLedger()
		startConnected(t, options(t, protocol, broker.URL(), after))
		next := p.createRoom(t)
		await(t, "the next event is recorded", func() bool { return after.has(next) })
		if after.has(first) || after.has(second) {
			t.Error("a recorded event was redelivered")
		}
	})
}
