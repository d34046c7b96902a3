package mqtt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/mqtt"
)

func TestDelivery(t *testing.T) { withEachProtocol(t, testDelivery) }

func testDelivery(t *testing.T, protocol mqtt.Protocol) {
	t.Run("room events of event and conference are recorded, in each form that the broker delivers", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		publishPayload := func(label string, id uuid.UUID) {
			if protocol == mqtt.Protocol311 { // mosquitto does not deliver user properties in it
				p.publish(t, topic(conferenceAccount, audience), envelope(label, roomPayload(id)))
				return
			}
			p.publish(t, topic(conferenceAccount, audience), roomPayload(id),
				"type", "event", "label", label, "timestamp", "1700000000000")
		}
		p.publish(t, topic(eventAccount, audience), envelope("room.create", roomPayload(ids[0])))
		publishPayload("room.create", ids[1])
		p.publish(t, topic(conferenceAccount, audience), envelope("room.close", roomPayload(ids[2])))
		publishPayload("room.close", ids[3])
		await(t, "all events are recorded", func() bool { return ledger.has(ids...) })
		ledger.update(func(l *fakeLedger) {
			for i, kind := range []minigroup.RoomKind{minigroup.EventRoom, minigroup.ConferenceRoom} {
				want := minigroup.AnnouncedRoom{
					Kind: kind, ID: ids[i], ClassID: classOf(ids[i]), Audience: audience,
					CreatedAt: time.Unix(1700000000, 0).UTC(),
				}
				if got := l.created[ids[i]]; len(got) != 1 || got[0] != want {
					t.Errorf("got %+v, want once %+v", got, want)
				}
			}
			for _, id := range ids[2:] {
				want := minigroup.ClosedRoom{ID: id, ClassID: classOf(id), Audience: audience, TimedOut: true}
				if got := l.closed[id]; len(got) != 1 || got[0] != want {
					t.Errorf("got %+v, want once %+v", got, want)
				}
			}
		})
	})

	t.Run("only events of the configured audiences are received", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		o := options(t, protocol, broker.URL(), ledger)
		o.Audiences = []string{"example.com", audience}
		startConnected(t, o)
		p := connectPeer(t, broker.URL())
		createRoomOf := func(other string) uuid.UUID {
			id := uuid.New()
			p.publish(t, topic(eventAccount, other),
				envelope("room.create", strings.ReplaceAll(roomPayload(id), audience, other)))
			return id
		}
		ignored, wanted := createRoomOf("example.net"), createRoomOf("example.com")
		last := p.createRoom(t)
		await(t, "the rooms of both audiences are recorded", func() bool { return ledger.has(wanted, last) })
		if ledger.count(ignored) > 0 {
			t.Error("a room of another audience was recorded")
		}
	})

	t.Run("events that were not recorded are redelivered, and recorded events are not", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		failing := newLedger()
		failing.unavailable = true
		w := startConnected(t, options(t, protocol, broker.URL(), failing))
		p := connectPeer(t, broker.URL())
		id := p.createRoom(t)
		await(t, "recording is attempted", func() bool { return failing.attemptCount() > 0 })
		w.stop()

		working := newLedger()
		w = startConnected(t, options(t, protocol, broker.URL(), working))
		await(t, "the event is recorded", func() bool { return working.has(id) })
		w.stop()

		after := newLedger()
		startConnected(t, options(t, protocol, broker.URL(), after))
		next := p.createRoom(t)
		await(t, "the next event is recorded", func() bool { return after.has(next) })
		if after.count(id) > 0 {
			t.Error("a recorded event was redelivered")
		}
	})

	t.Run("events are recorded after the ledger was unavailable", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		ledger.unavailable = true
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		ids := []uuid.UUID{p.createRoom(t), p.createRoom(t)}
		await(t, "recording is attempted twice", func() bool { return ledger.attemptCount() > 1 })
		ids = append(ids, p.createRoom(t))
		ledger.update(func(l *fakeLedger) { l.unavailable = false })
		await(t, "all events are recorded", func() bool { return ledger.has(ids...) })
		if n := w.connected(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})

	t.Run("two workers of a group share the events", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledgers := []*fakeLedger{newLedger(), newLedger()}
		for i, ledger := range ledgers {
			o := options(t, protocol, broker.URL(), ledger)
			o.Label, o.Group = fmt.Sprintf("worker-%d", i), "minigroups"
			startConnected(t, o)
		}
		p := connectPeer(t, broker.URL())
		ids := []uuid.UUID{}
		for range 40 {
			ids = append(ids, p.createRoom(t))
		}
		shares := []int{0, 0}
		for _, id := range ids {
			await(t, "the event is recorded", func() bool { return ledgers[0].has(id) || ledgers[1].has(id) })
			for i, ledger := range ledgers {
				shares[i] += ledger.count(id)
			}
		}
		if shares[0]+shares[1] != len(ids) || shares[0] == 0 || shares[1] == 0 {
			t.Errorf("the workers recorded %v of %d events", shares, len(ids))
		}
	})

	t.Run("without a group each worker receives all events, whether or not another is connected", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledgers := []*fakeLedger{newLedger(), newLedger()}
		workers := []worker{}
		for i, ledger := range ledgers {
			o := options(t, protocol, broker.URL(), ledger)
			o.Label, o.Group = fmt.Sprintf("worker-%d", i), ""
			workers = append(workers, startConnected(t, o))
		}
		p := connectPeer(t, broker.URL())
		first, second := p.createRoom(t), p.createRoom(t)
		await(t, "both workers have recorded both events", func() bool {
			return ledgers[0].has(first, second) && ledgers[1].has(first, second)
		})
		workers[0].stop()
		third, fourth := p.createRoom(t), p.createRoom(t)
		await(t, "the other worker has recorded all events", func() bool { return ledgers[1].has(third, fourth) })
	})

	t.Run("events published while a worker was away are recorded in batches", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		startConnected(t, options(t, protocol, broker.URL(), ledger)).stop()
		p := connectPeer(t, broker.URL())
		ids := []uuid.UUID{}
		for range 400 {
			ids = append(ids, p.createRoom(t))
		}
		startConnected(t, options(t, protocol, broker.URL(), ledger))
		await(t, "all events are recorded", func() bool { return ledger.has(ids...) })
		ledger.update(func(l *fakeLedger) {
			if l.commits > len(ids)/4 {
				t.Errorf("%d batches", l.commits)
			}
		})
	})

	t.Run("events that are not recorded are acknowledged without a call of the ledger", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		id := uuid.New()
		p.publish(t, topic(eventAccount, audience), envelope("room.update", roomPayload(id)))
		p.publish(t, topic(eventAccount, audience), envelope("room.close", roomPayload(id)))
		p.publish(t, topic(eventAccount, audience), envelope("minigroup.stop", "{}"))
		copied := strings.Replace(roomPayload(id), "{", `{"source_room_id":"0195", `, 1)
		p.publish(t, topic(eventAccount, audience), envelope("room.create", copied))
		await(t, "all events are received", func() bool {
			return w.count("received room.update") == 1 && w.count("received room.close") == 1 &&
				w.count("received other") == 1 && w.count("received room.create") == 1
		})
		w.stop()
		if n := ledger.attemptCount(); n > 0 {
			t.Errorf("%d calls of the ledger", n)
		}

		w = startConnected(t, options(t, protocol, broker.URL(), ledger))
		next := p.createRoom(t)
		await(t, "the next event is recorded", func() bool { return ledger.has(next) })
		if w.count("received room.update") > 0 {
			t.Error("an acknowledged event was redelivered")
		}
	})

	t.Run("malformed and very large messages are dropped", func(t *testing.T) {
		checkGoroutines(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		ledger := newLedger()
		w := startConnected(t, options(t, protocol, broker.URL(), ledger))
		p := connectPeer(t, broker.URL())
		p.publish(t, topic(eventAccount, audience), strings.Repeat("x", 600<<10))
		p.publish(t, topic(eventAccount, audience),
			envelope("room.create", roomPayload(uuid.New()))+strings.Repeat(" ", 600<<10))
		p.publish(t, topic(eventAccount, audience), strings.Repeat("[", 400<<10))
		bodies := []string{"", "{", "\xff\xfe", "null", envelope("room.create", "{}")}
		for i := range 1000 {
			p.publish(t, topic(eventAccount, audience), bodies[i%len(bodies)])
		}
		id := p.createRoom(t)
		await(t, "the following event is recorded", func() bool { return ledger.has(id) })
		want := 1001
		if protocol == mqtt.Protocol311 {
			want += 2 // in MQTT 5 the broker itself drops what is too large
		}
		if n := w.count("dropped malformed"); n != want {
			t.Errorf("%d messages were dropped, want %d", n, want)
		}
		if w.connected() != 1 || ledger.attemptCount() != 1 {
			t.Errorf("%d connections and %d calls of the ledger", w.connected(), ledger.attemptCount())
		}
	})
}
