package mqtt_test

import (
	"strconv"
	"testing"
	"time"

	"minigroups/stack"
)

func TestEnding(t *testing.T) {
	t.Run("while nobody listens where the broker should be", func(t *testing.T) {
		leaveNothing(t)
		port, err := stack.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan struct{}, 1000)
		o := options(t, "mqtt://127.0.0.1:"+strconv.Itoa(port), newBook())
		o.Token = func() (string, error) {
			asked <- struct{}{}
			return "token", nil
		}
		w := run(t, o)
		for range 3 {
			<-asked
		}
		w.stop()
		if ups, downs := w.connections(); ups+downs > 0 {
			t.Error("it says that it listened")
		}
	})

	t.Run("while the broker accepts connections and says nothing", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(p *puppet) { p.mute = true })
		w := run(t, options(t, p.url, newBook()))
		<-p.connects
		w.stop()
	})

	t.Run("while the broker takes the connection and no subscription", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(p *puppet) { p.busy = true })
		w := run(t, options(t, p.url, newBook()))
		<-p.connects
		<-p.subscribes
		w.stop()
	})

	t.Run("while the broker is frozen", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		w := listen(t, options(t, broker.URL(), b))
		id := join(t, broker.URL()).makes(t)
		await(t, "it is taken", func() bool { return b.has(id) })
		if err := broker.Freeze(); err != nil {
			t.Fatal(err)
		}
		defer broker.Thaw()
		w.stop()
	})

	t.Run("while the ledger hangs", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		b.gate = make(chan struct{})
		w := listen(t, options(t, broker.URL(), b))
		join(t, broker.URL()).makes(t)
		await(t, "the ledger is asked", func() bool { return b.tried() > 0 })
		w.stop()
	})

	t.Run("what was heard is taken and acknowledged before", func(t *testing.T) {
		leaveNothing(t)
		broker := startMosquitto(t, mosquittoOptions(t))
		b := newBook()
		b.gate = make(chan struct{})
		w := listen(t, options(t, broker.URL(), b))
		p := join(t, broker.URL())
		first := p.makes(t)
		await(t, "the ledger is asked", func() bool { return b.tried() > 0 })
		second := p.makes(t)
		await(t, "the second waits", func() bool { return w.of("heard room.create") == 2 })
		ended := make(chan struct{})
		go func() {
			w.stop()
			close(ended)
		}()
		await(t, "it is about to end", func() bool {
			_, downs := w.connections()
			return downs > 0
		})
		close(b.gate)
		<-ended
		if !b.has(first, second) {
			t.Error("not everything was taken")
		}

		after := newBook()
		listen(t, options(t, broker.URL(), after))
		next := p.makes(t)
		await(t, "the next is taken", func() bool { return after.has(next) })
		if after.has(first) || after.has(second) {
			t.Error("it came again")
		}
	})

	t.Run("it says good-bye, and the broker keeps the session", func(t *testing.T) {
		leaveNothing(t)
		p := puppeteer(t, func(*puppet) {})
		listen(t, options(t, p.url, newBook())).stop()
		select {
		case d := <-p.byes:
			if d.ReasonCode != 0 || d.Properties.SessionExpiryInterval != nil {
				t.Errorf("%v", d)
			}
		case <-time.After(deadline):
			t.Error("no DISCONNECT came")
		}
		if c := <-p.connects; c.CleanStart || *c.Properties.SessionExpiryInterval != 3600 {
			t.Errorf("%v", c)
		}
	})
}
