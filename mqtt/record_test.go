package mqtt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// aRoom is a message about a room that was made.
func aRoom() received { return received{announcement: announcement{room: &minigroup.AnnouncedRoom{}}} }

func TestGather(t *testing.T) {
	t.Run("what comes one after the other is one batch, once it is quiet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan received, 10)
			began := time.Now()
			go func() {
				for range 3 {
					time.Sleep(quietFor - time.Millisecond)
					queue <- received{}
				}
			}()
			batch := gather(t.Context(), queue)
			if waited := time.Since(began); len(batch) != 3 || waited != 4*quietFor-3*time.Millisecond {
				t.Errorf("%d after %v", len(batch), waited)
			}
		})
	})

	t.Run("the first waits no longer where it never gets quiet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan received)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for {
					select {
					case queue <- received{}:
						time.Sleep(quietFor / 2)
					case <-ctx.Done():
						return
					}
				}
			}()
			began := time.Now()
			batch := gather(ctx, queue)
			if waited := time.Since(began); len(batch) < int(2*gatherFor/quietFor) || waited != gatherFor {
				t.Errorf("%d after %v", len(batch), waited)
			}
		})
	})

	t.Run("a full batch does not wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan received, 2*batchMaximum)
			for range batchMaximum + 1 {
				queue <- received{}
			}
			began := time.Now()
			batch := gather(t.Context(), queue)
			if waited := time.Since(began); len(batch) != batchMaximum || len(queue) != 1 || waited != 0 {
				t.Errorf("%d after %v, and %d are left", len(batch), waited, len(queue))
			}
		})
	})

	t.Run("at the end what is there is the last batch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			queue := make(chan received, 10)
			queue <- received{}
			queue <- received{}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			began := time.Now()
			if batch := gather(ctx, queue); len(batch) != 2 || time.Since(began) != 0 {
				t.Errorf("%d after %v", len(batch), time.Since(began))
			}
			if batch := gather(ctx, queue); len(batch) != 0 {
				t.Errorf("%d", len(batch))
			}
		})
	})
}

// deaf is a ledger that takes nothing for so long, and then ends a class by all it takes.
type deaf struct {
	until time.Time
	tries []time.Time
	hangs bool
}

func (d *deaf) RecordRoomEvents(ctx context.Context, _ minigroup.RoomEvents) (int, error) {
	d.tries = append(d.tries, time.Now())
	if d.hangs {
		<-ctx.Done()
	}
	if time.Now().Before(d.until) {
		return 0, errors.New("deaf")
	}
	return 1, nil
}

func (d *deaf) PublishOutbox(context.Context, int, func(context.Context, minigroup.OutboxEvent) error) (int, error) {
	d.tries = append(d.tries, time.Now())
	return 0, nil
}

func newListener(ledger Ledger, queue int) *listener {
	return &listener{
		Options: Options{Ledger: ledger, Observer: blind{}, Log: zap.NewNop(), Event: both.event, Conference: both.conference},
		queue:   make(chan received, queue), recorded: make(chan struct{}), news: make(chan struct{}, 1),
	}
}

// blind is an observer that does not look.
type blind struct{}

func (blind) Connected(bool)                 {}
func (blind) Received(string, time.Duration) {}
func (blind) Dropped(string)                 {}
func (blind) Published(string)               {}

func TestTake(t *testing.T) {
	t.Run("a ledger that is away is asked ever less often, for as long as it takes, and then the outbox is looked into", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &deaf{until: time.Now().Add(time.Hour)}
			l := newListener(ledger, 1)
			if !l.take(t.Context(), t.Context(), []received{aRoom()}) {
				t.Error("it gave up")
			}
			if n := len(ledger.tries); n < 700 || n > 750 || len(l.news) != 1 {
				t.Errorf("%d tries in an hour, %d news", n, len(l.news))
			}
		})
	})

	t.Run("a ledger that hangs is asked again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &deaf{until: time.Now().Add(time.Minute), hangs: true}
			if !newListener(ledger, 1).take(t.Context(), t.Context(), []received{aRoom()}) || len(ledger.tries) < 5 {
				t.Errorf("%d tries", len(ledger.tries))
			}
		})
	})

	t.Run("at the end the ledger is asked at once, and for a little while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &deaf{until: time.Now().Add(time.Hour)}
			l := newListener(ledger, 1)
			l.queue <- aRoom()
			ctx, cancel := context.WithCancel(t.Context())
			go l.takeAll(ctx)
			time.Sleep(time.Minute)
			synctest.Wait()
			end, before := time.Now(), len(ledger.tries)
			cancel()
			<-l.recorded
			if took, tries := time.Since(end), ledger.tries[before:]; took != lastWords || len(tries) < 3 || tries[0] != end {
				t.Errorf("it took %v, tries at %v", took, tries)
			}
		})
	})
}

func TestHear(t *testing.T) {
	message := func(qos byte) *paho.Publish {
		return &paho.Publish{QoS: qos, Topic: ofEvent, Payload: []byte(enveloped("room.create", eventRoom)), Properties: &paho.PublishProperties{}}
	}
	newConnection := func(queue int) *connection {
		return &connection{listener: newListener(nil, queue), session: state.NewInMemory(), ended: make(chan error, 1)}
	}

	t.Run("what the queue cannot hold ends the connection, for it must come again", func(t *testing.T) {
		c := newConnection(2)
		for range 2 {
			c.hear(message(1))
		}
		if len(c.ended) > 0 {
			t.Error("it ended too early")
		}
		c.hear(message(1))
		if len(c.queue) != 2 || len(c.ended) != 1 {
			t.Errorf("%d are kept, %d ends", len(c.queue), len(c.ended))
		}
	})

	t.Run("what nobody promised to deliver never takes the place of the rest", func(t *testing.T) {
		c := newConnection(queueMaximum)
		for range queueMaximum {
			c.hear(message(0))
		}
		if len(c.queue) != receiveMaximum || len(c.ended) != 0 {
			t.Errorf("%d are kept, %d ends", len(c.queue), len(c.ended))
		}
	})
}

func TestLag(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for name, test := range map[string]struct {
		sentAt time.Time
		want   time.Duration
	}{
		"a moment ago":     {now.Add(-time.Second), time.Second},
		"no moment at all": {time.Time{}, 0},
		"a moment to come": {now.Add(time.Second), 0},
		"the dawn of time": {time.UnixMilli(1), 1700000000*time.Second - time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lag(test.sentAt, now); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestTheOutboxIsLookedInto(t *testing.T) {
	t.Run("at once, every two seconds, and when something was put in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ledger := &deaf{}
			c := &connection{listener: newListener(ledger, 1)}
			ctx, cancel := context.WithCancel(t.Context())
			began, done := time.Now(), make(chan struct{})
			go func() {
				defer close(done)
				c.tellAll(ctx)
			}()
			time.Sleep(2*lookEvery + time.Millisecond)
			c.wake()
			synctest.Wait()
			cancel()
			<-done
			for i, after := range []time.Duration{0, lookEvery, 2 * lookEvery, 2*lookEvery + time.Millisecond} {
				if len(ledger.tries) != 4 || ledger.tries[i].Sub(began) != after {
					t.Fatalf("%v, not %v after %v", ledger.tries, after, began)
				}
			}
		})
	})
}
