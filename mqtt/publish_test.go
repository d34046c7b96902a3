package mqtt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

func stop(audience, class string) minigroup.OutboxEvent {
	return minigroup.OutboxEvent{Audience: audience, Label: "minigroup.stop", Payload: json.RawMessage(`{"id":"` + class + `"}`)}
}

func TestTelling(t *testing.T) {
	t.Run("what a closed room puts into the outbox is told once, in an envelope", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		b.answers = true
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		p.broadcasts(t)
		first, second := uuid.New(), uuid.New()
		p.say(t, topic(conference, audience), envelope("room.close", payload(first)))
		m := p.next(t)
		if m.Topic != topic(ours, audience) || m.Properties.ContentType != "application/json" {
			t.Errorf("%+v", m)
		}
		var got struct {
			Payload    string
			Properties map[string]string
		}
		if err := json.Unmarshal(m.Payload, &got); err != nil {
			t.Fatal(err)
		}
		if got.Payload != `{"id":"`+classOf(first).String()+`"}` || got.Properties["type"] != "event" || got.Properties["label"] != "minigroup.stop" || len(got.Properties["timestamp"]) != 13 {
			t.Errorf("%+v", got)
		}
		p.say(t, topic(conference, audience), envelope("room.close", payload(second)))
		if m := p.next(t); !strings.Contains(string(m.Payload), classOf(second).String()) {
			t.Errorf("the next is not that of the second room: %s", m.Payload)
		}
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
		if n := w.of("told minigroup.stop"); n != 2 {
			t.Errorf("%d were told", n)
		}
	})

	t.Run("what others put into the outbox is told too, all of it", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		p := join(t, broker.URL())
		p.broadcasts(t)
		w := listen(t, options(t, broker.URL(), b))
		b.with(func(b *book) {
			for range 120 {
				b.outbox = append(b.outbox, stop(audience, "math"))
			}
		})
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
		for range 120 {
			p.next(t)
		}
		if n := w.of("told minigroup.stop"); n != 120 {
			t.Errorf("%d were told", n)
		}
	})

	t.Run("what the ledger could not forget is told again", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		b.outbox, b.amnesia = []minigroup.OutboxEvent{stop(audience, "math")}, 1
		p := join(t, broker.URL())
		p.broadcasts(t)
		listen(t, options(t, broker.URL(), b))
		p.next(t)
		p.next(t)
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
	})

	t.Run("what waits while the broker is away is told when it is back", func(t *testing.T) {
		leaveNothing(t)
		place := mosquittoOptions(t)
		broker := startMosquitto(t, place)
		b := newBook()
		w := listen(t, options(t, broker.URL(), b))
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		await(t, "the worker notices", func() bool {
			_, downs := w.connections()
			return downs > 0
		})
		b.with(func(b *book) { b.outbox = append(b.outbox, stop(audience, "math")) })
		startMosquitto(t, place)
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
		if n := w.of("told minigroup.stop"); n != 1 {
			t.Errorf("%d were told", n)
		}
	})

	t.Run("a broker that is frozen in the middle is told when it thaws", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		w := listen(t, options(t, broker.URL(), b))
		if err := broker.Freeze(); err != nil {
			t.Fatal(err)
		}
		b.with(func(b *book) { b.outbox = append(b.outbox, stop(audience, "math"), stop(audience, "art")) })
		await(t, "it is not told", func() bool { return b.refused() > 0 })
		if n := w.of("told minigroup.stop"); n > 0 {
			t.Errorf("%d were told", n)
		}
		broker.Thaw()
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
	})

	t.Run("what the broker refuses waits and keeps no other waiting", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(*puppet) {})
		p.answersWith(topic(ours, "example.com"), packets.PubackNotAuthorized)
		b := newBook()
		b.outbox = []minigroup.OutboxEvent{stop("example.com", "math"), stop(audience, "art")}
		w := listen(t, options(t, p.url, b))
		await(t, "one waits", func() bool { return b.waiting() == 1 })
		if n := w.of("told minigroup.stop"); n != 1 {
			t.Errorf("%d were told", n)
		}
		p.answersWith(topic(ours, "example.com"), packets.PubackNoMatchingSubscribers)
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
	})

	t.Run("what can never be told keeps no other waiting", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(p *puppet) { p.maximum = 4096 })
		p.answersWith(topic(ours, "example.net"), packets.DisconnectPacketTooLarge)
		b := newBook()
		for _, bad := range []string{"", "a/b", "+", "example.org#", "\x00", "\xff", strings.Repeat("x", 70_000), "example.net"} {
			b.outbox = append(b.outbox, stop(bad, "math"))
		}
		b.outbox = append(b.outbox, stop(audience, strings.Repeat("x", 5000)), stop(audience, "art"))
		w := listen(t, options(t, p.url, b))
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
		w.stop()
		if len(p.publishes) != 2 || w.of("told minigroup.stop") != 1 {
			t.Errorf("%d were published, %d told", len(p.publishes), w.of("told minigroup.stop"))
		}
		if m := <-p.publishes; m.QoS != 1 || m.Retain {
			t.Errorf("%+v", m)
		}
	})

	t.Run("a broadcast at which the broker hangs up each time is given up", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(p *puppet) { p.hangsUpAbove = 4096 })
		b := newBook()
		b.outbox = []minigroup.OutboxEvent{stop(audience, "art"), stop(audience, strings.Repeat("x", 5000)), stop(audience, "music")}
		w := listen(t, options(t, p.url, b))
		await(t, "the outbox is empty", func() bool { return b.waiting() == 0 })
		if n := w.of("told minigroup.stop"); n != 2 {
			t.Errorf("%d were told", n)
		}
	})
}
