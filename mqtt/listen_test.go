package mqtt_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestListening(t *testing.T) {
	t.Run("what event and conference announce comes into the ledger, in either form", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		p.say(t, topic(event, audience), envelope("room.create", payload(ids[0])))
		p.say(t, topic(conference, audience), payload(ids[1]), "type", "event", "label", "room.create", "timestamp", "1700000000000")
		p.say(t, topic(conference, audience), envelope("room.close", payload(ids[2])))
		p.say(t, topic(conference, audience), payload(ids[3]), "type", "event", "label", "room.close")
		await(t, "all are taken", func() bool { return b.has(ids...) })
		b.with(func(b *book) {
			for i, kind := range []minigroup.RoomKind{minigroup.EventRoom, minigroup.ConferenceRoom} {
				want := minigroup.AnnouncedRoom{Kind: kind, ID: ids[i], ClassID: classOf(ids[i]), Audience: audience, MadeAt: time.Unix(1700000000, 0).UTC()}
				if got := b.rooms[ids[i]]; len(got) != 1 || got[0] != want {
					t.Errorf("%+v, not once %+v", got, want)
				}
			}
			for _, id := range ids[2:] {
				want := minigroup.ClosedRoom{ID: id, ClassID: classOf(id), Audience: audience, TimedOut: true}
				if got := b.closed[id]; len(got) != 1 || got[0] != want {
					t.Errorf("%+v, not once %+v", got, want)
				}
			}
		})
	})

	t.Run("the audiences that were asked for are heard, and no others", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		o := options(t, broker.URL(), b)
		o.Audiences = []string{"example.com", audience}
		listen(t, o)
		p := join(t, broker.URL())
		stranger, ours := uuid.New(), uuid.New()
		p.say(t, topic(event, "example.net"), envelope("room.create", strings.ReplaceAll(payload(stranger), audience, "example.net")))
		p.say(t, topic(event, "example.com"), envelope("room.create", strings.ReplaceAll(payload(ours), audience, "example.com")))
		last := p.makes(t)
		await(t, "the rooms of both audiences are taken", func() bool { return b.has(ours, last) })
		if b.times(stranger) > 0 {
			t.Error("a room of another audience was taken")
		}
	})

	t.Run("what the ledger has not committed comes again, and what it has does not", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		dies := newBook()
		dies.away = true
		w := listen(t, options(t, broker.URL(), dies))
		p := join(t, broker.URL())
		id := p.makes(t)
		await(t, "the ledger is asked", func() bool { return dies.tried() > 0 })
		w.stop()

		lives := newBook()
		w = listen(t, options(t, broker.URL(), lives))
		await(t, "it comes again", func() bool { return lives.has(id) })
		w.stop()

		after := newBook()
		listen(t, options(t, broker.URL(), after))
		next := p.makes(t)
		await(t, "the next comes", func() bool { return after.has(next) })
		if after.times(id) > 0 {
			t.Error("it came again although the ledger had it")
		}
	})

	t.Run("a ledger that is away for a while gets everything when it is back", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		b.away = true
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		ids := []uuid.UUID{p.makes(t), p.makes(t)}
		await(t, "the ledger is asked in vain", func() bool { return b.tried() > 1 })
		ids = append(ids, p.makes(t))
		b.with(func(b *book) { b.away = false })
		await(t, "all are taken", func() bool { return b.has(ids...) })
		if ups, _ := w.connections(); ups != 1 {
			t.Errorf("it took %d connections", ups)
		}
	})

	t.Run("two workers of a group share what is announced", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		books := []*book{newBook(), newBook()}
		for i, b := range books {
			o := options(t, broker.URL(), b)
			o.ClientID, o.Group = fmt.Sprintf("worker-%d", i), "minigroups"
			listen(t, o)
		}
		p := join(t, broker.URL())
		ids := []uuid.UUID{}
		for range 40 {
			ids = append(ids, p.makes(t))
		}
		shares := []int{0, 0}
		for _, id := range ids {
			await(t, "it is taken", func() bool { return books[0].has(id) || books[1].has(id) })
			for i, b := range books {
				shares[i] += b.times(id)
			}
		}
		if shares[0]+shares[1] != len(ids) || shares[0] == 0 || shares[1] == 0 {
			t.Errorf("they took %v of %d", shares, len(ids))
		}
	})

	t.Run("without a group each worker hears everything, whether or not another is there", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		books := []*book{newBook(), newBook()}
		workers := []worker{}
		for i, b := range books {
			o := options(t, broker.URL(), b)
			o.ClientID, o.Group = fmt.Sprintf("worker-%d", i), ""
			workers = append(workers, listen(t, o))
		}
		p := join(t, broker.URL())
		first, second := p.makes(t), p.makes(t)
		await(t, "both have taken both", func() bool { return books[0].has(first, second) && books[1].has(first, second) })
		workers[0].stop()
		third, fourth := p.makes(t), p.makes(t)
		await(t, "the other takes everything", func() bool { return books[1].has(third, fourth) })
	})

	t.Run("what was announced meanwhile comes in few calls when a worker is back", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		listen(t, options(t, broker.URL(), b)).stop()
		p := join(t, broker.URL())
		ids := []uuid.UUID{}
		for range 400 {
			ids = append(ids, p.makes(t))
		}
		listen(t, options(t, broker.URL(), b))
		await(t, "all are taken", func() bool { return b.has(ids...) })
		b.with(func(b *book) {
			if b.calls > len(ids)/4 {
				t.Errorf("%d calls", b.calls)
			}
		})
	})

	t.Run("what interests nobody costs no call of the ledger and is acknowledged", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		id := uuid.New()
		p.say(t, topic(event, audience), envelope("room.update", payload(id)))
		p.say(t, topic(event, audience), envelope("room.close", payload(id)))
		p.say(t, topic(event, audience), envelope("minigroup.stop", "{}"))
		p.say(t, topic(event, audience), envelope("room.create", strings.Replace(payload(id), "{", `{"source_room_id":"0195", `, 1)))
		await(t, "all are heard", func() bool {
			return w.of("heard room.update") == 1 && w.of("heard room.close") == 1 && w.of("heard other") == 1 && w.of("heard room.create") == 1
		})
		w.stop()
		if n := b.tried(); n > 0 {
			t.Errorf("%d calls of the ledger", n)
		}

		w = listen(t, options(t, broker.URL(), b))
		next := p.makes(t)
		await(t, "the next is taken", func() bool { return b.has(next) })
		if w.of("heard room.update") > 0 {
			t.Error("it came again")
		}
	})

	t.Run("malformed, huge and endless messages harm nothing", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		p.say(t, topic(event, audience), strings.Repeat("x", 600<<10))
		p.say(t, topic(event, audience), envelope("room.create", payload(uuid.New()))+strings.Repeat(" ", 600<<10))
		p.say(t, topic(event, audience), strings.Repeat("[", 400<<10))
		for i := range 1000 {
			p.say(t, topic(event, audience), []string{"", "{", "\xff\xfe", "null", envelope("room.create", "{}")}[i%5])
		}
		id := p.makes(t)
		await(t, "what follows is taken", func() bool { return b.has(id) })
		if n := w.of("dropped malformed"); n != 1001 {
			t.Errorf("%d were dropped", n)
		}
		if ups, _ := w.connections(); ups != 1 || b.tried() != 1 {
			t.Errorf("it took %d connections and %d calls", ups, b.tried())
		}
	})

	t.Run("a broker that is killed and started again loses nothing that it has kept", func(t *testing.T) {
		leaveNothing(t)
		place := mosquittoOptions(t)
		broker := startMosquitto(t, place)
		b := newBook()
		b.gate = make(chan struct{})
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		id := p.makes(t)
		await(t, "the ledger is asked", func() bool { return b.tried() > 0 })
		await(t, "the broker has written it down", func() bool {
			p.retain(t, "stir") // what is on its way to a client is written only along with something else
			kept, err := os.ReadFile(filepath.Join(place.Dir, "mosquitto.db"))
			return err == nil && bytes.Contains(kept, []byte(id.String()))
		})
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		await(t, "the worker notices", func() bool {
			_, downs := w.connections()
			return downs > 0
		})
		startMosquitto(t, place)
		await(t, "the worker is back", func() bool {
			ups, _ := w.connections()
			return ups > 1
		})
		await(t, "it was heard again", func() bool { return w.of("heard room.create") > 1 })
		close(b.gate)
		next := join(t, broker.URL()).makes(t)
		await(t, "all are taken", func() bool { return b.has(id, next) })
	})

	t.Run("without a group each worker hears all, also what is announced before it is back at a broker that was killed", func(t *testing.T) {
		leaveNothing(t)
		place := mosquittoOptions(t)
		broker := startMosquitto(t, place)
		books := []*book{newBook(), newBook()}
		workers := make([]worker, len(books))
		for i, b := range books {
			o := options(t, broker.URL(), b)
			o.ClientID = fmt.Sprintf("worker-%d", i)
			workers[i] = listen(t, o)
		}
		first := join(t, broker.URL()).makes(t)
		for i, b := range books {
			await(t, "it is taken", func() bool { return b.has(first) })
			workers[i].stop()
		}
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		startMosquitto(t, place)
		second := join(t, broker.URL()).makes(t)
		for i, b := range books {
			o := options(t, broker.URL(), b)
			o.ClientID = fmt.Sprintf("worker-%d", i)
			listen(t, o)
			await(t, "it is taken", func() bool { return b.has(second) })
		}
	})

	t.Run("what was heard of a broker that then forgets everything is taken all the same", func(t *testing.T) {
		leaveNothing(t)
		place := mosquittoOptions(t)
		broker := startMosquitto(t, place)
		b := newBook()
		b.gate = make(chan struct{})
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		first := p.makes(t)
		await(t, "the ledger is asked", func() bool { return b.tried() > 0 })
		second := p.makes(t)
		await(t, "the second waits", func() bool { return w.of("heard room.create") == 2 })
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		place.Dir = filepath.Join(t.TempDir(), "another")
		startMosquitto(t, place)
		await(t, "the worker is back", func() bool {
			ups, _ := w.connections()
			return ups > 1
		})
		close(b.gate)
		third := join(t, broker.URL()).makes(t)
		await(t, "all are taken", func() bool { return b.has(first, second, third) })
	})
}
