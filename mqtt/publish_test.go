package mqtt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/mqtt"
)

func TestPublishing(t *testing.T) { withEachProtocol(t, testPublishing) }

func testPublishing(t *testing.T, protocol mqtt.Protocol) {
	t.Run("the event of a closed room is published once, in the form of the protocol", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		ledger.endsClasses = true
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		p.subscribe(t)
		first, second := uuid.New(), uuid.New()
		p.publish(t, topic(conferenceAccount, audience), envelope("room.close", roomPayload(first)))
		m := p.next(t)
		payload, properties := readMessage(t, protocol, m)
		if m.Topic != topic(serviceAccount, audience) || payload != `{"id":"`+classOf(first).String()+`"}` ||
			properties["type"] != "event" || properties["label"] != "minigroup.stop" ||
			len(properties["timestamp"]) != 13 {
			t.Errorf("%+v", m)
		}
		p.publish(t, topic(conferenceAccount, audience), envelope("room.close", roomPayload(second)))
		if m := p.next(t); !strings.Contains(string(m.Payload), classOf(second).String()) {
			t.Errorf("the next event is not that of the second room: %s", m.Payload)
		}
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
		if n := w.count("published minigroup.stop"); n != 2 {
			t.Errorf("%d events were published", n)
		}
	})

	t.Run("events that other processes put into the outbox are published", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		p := connectPeer(t, broker.URL())
		p.subscribe(t)
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		ledger.update(func(l *fakeLedger) {
			for range 120 {
				l.outbox = append(l.outbox, stopEvent(audience, "math"))
			}
		})
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
		for range 120 {
			p.next(t)
		}
		if n := w.count("published minigroup.stop"); n != 120 {
			t.Errorf("%d events were published", n)
		}
	})

	t.Run("an event that the ledger could not remove is published again", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		ledger.outbox, ledger.failRemovals = []minigroup.OutboxEvent{stopEvent(audience, "math")}, 1
		p := connectPeer(t, broker.URL())
		p.subscribe(t)
		startConnected(t, options(t, protocol, broker.URL(), ledger))
		p.next(t)
		p.next(t)
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
	})

	t.Run("events are published after the broker has restarted", func(t *testing.T) {
		checkGoroutines(t)
		brokerOptions := mosquittoOptions(t)
		broker := startMosquitto(t, brokerOptions)
		ledger := newLedger()
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		killMosquitto(t, broker)
		await(t, "the worker is disconnected", func() bool { return w.disconnected() > 0 })
		ledger.update(func(l *fakeLedger) { l.outbox = append(l.outbox, stopEvent(audience, "math")) })
		startMosquitto(t, brokerOptions)
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
		if n := w.count("published minigroup.stop"); n != 1 {
			t.Errorf("%d events were published", n)
		}
	})

	t.Run("events are published after the broker was frozen", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		if err := broker.Freeze(); err != nil {
			t.Fatal(err)
		}
		ledger.update(func(l *fakeLedger) {
			l.outbox = append(l.outbox, stopEvent(audience, "math"), stopEvent(audience, "art"))
		})
		await(t, "publishing fails", func() bool { return ledger.failureCount() > 0 })
		if n := w.count("published minigroup.stop"); n > 0 {
			t.Errorf("%d events were published", n)
		}
		broker.Thaw()
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
	})
}

// readMessage returns payload and properties of a message that is published in the form of a protocol.
func readMessage(t *testing.T, form mqtt.Protocol, m *paho.Publish) (payload string, properties map[string]string) {
	t.Helper()
	var envelope struct {
		Payload    string
		Properties map[string]string
	}
	if form == mqtt.Protocol311 {
		if err := json.Unmarshal(m.Payload, &envelope); err != nil {
			t.Fatal(err)
		}
		return envelope.Payload, envelope.Properties
	}
	if m.Properties.ContentType != "application/json" {
		t.Errorf("%+v", m.Properties)
	}
	properties = map[string]string{}
	for _, p := range m.Properties.User {
		properties[p.Key] = p.Value
	}
	return string(m.Payload), properties
}

func TestUnpublishableEvents(t *testing.T) {
	t.Run("a refused event stays in the outbox and does not block others", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(*fakeBroker) {})
		broker.setPublishReason(topic(serviceAccount, "example.com"), packets.PubackNotAuthorized)
		ledger := newLedger()
		ledger.outbox = []minigroup.OutboxEvent{stopEvent("example.com", "math"), stopEvent(audience, "art")}
		w := startConnected(t, options(t, mqtt.Protocol5, broker.url, ledger))
		await(t, "one event is left", func() bool { return ledger.outboxLen() == 1 })
		if n := w.count("published minigroup.stop"); n != 1 {
			t.Errorf("%d events were published", n)
		}
		broker.setPublishReason(topic(serviceAccount, "example.com"), packets.PubackNoMatchingSubscribers)
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
	})

	t.Run("an event that can never be published is discarded and does not block others", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(b *fakeBroker) { b.maxPacketSize = 4096 })
		broker.setPublishReason(topic(serviceAccount, "example.net"), packets.DisconnectPacketTooLarge)
		ledger := newLedger()
		for _, invalid := range []string{
			"", "a/b", "+", "example.org#", "\x00", "\xff", strings.Repeat("x", 70_000), "example.net",
		} {
			ledger.outbox = append(ledger.outbox, stopEvent(invalid, "math"))
		}
		ledger.outbox = append(ledger.outbox,
			stopEvent(audience, strings.Repeat("x", 5000)), stopEvent(audience, "art"))
		w := startConnected(t, options(t, mqtt.Protocol5, broker.url, ledger))
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
		w.stop()
		if len(broker.publishes) != 2 || w.count("published minigroup.stop") != 1 {
			t.Errorf("the broker received %d messages, and %d events were published",
				len(broker.publishes), w.count("published minigroup.stop"))
		}
		if m := <-broker.publishes; m.QoS != 1 || m.Retain {
			t.Errorf("%+v", m)
		}
	})

	t.Run("a poison message at which the broker always disconnects is discarded", func(t *testing.T) {
		checkGoroutines(t)
		broker := startFakeBroker(t, func(b *fakeBroker) { b.disconnectAbove = 4096 })
		ledger := newLedger()
		ledger.outbox = []minigroup.OutboxEvent{
			stopEvent(audience, "art"), stopEvent(audience, strings.Repeat("x", 5000)), stopEvent(audience, "music"),
		}
		w := startConnected(t, options(t, mqtt.Protocol5, broker.url, ledger))
		await(t, "the outbox is empty", func() bool { return ledger.outboxLen() == 0 })
		if n := w.count("published minigroup.stop"); n != 2 {
			t.Errorf("%d events were published", n)
		}
	})
}
