package mqtt

import (
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

func TestQueueOverflow(t *testing.T) {
	packet := func(qos byte) *paho.Publish {
		return &paho.Publish{
			QoS: qos, Topic: eventTopic, Payload: []byte(wrapped("room.create", eventRoom)),
			Properties: &paho.PublishProperties{},
		}
	}
	newConnection := func(queue int) *connection {
		return &connection{
			runner: newTestRunner(nil, queue), session: state.NewInMemory(), ended: make(chan error, 1),
		}
	}

	t.Run("a full queue ends the connection, so that the broker redelivers", func(t *testing.T) {
		c := newConnection(2)
		for range 2 {
			c.receive(packet(1))
		}
		if len(c.ended) > 0 {
			t.Error("the connection ended before the queue was full")
		}
		c.receive(packet(1))
		if len(c.queue) != 2 || len(c.ended) != 1 {
			t.Errorf("%d messages queued, the connection ended %d times", len(c.queue), len(c.ended))
		}
	})

	t.Run("messages of QoS 0 fill the queue only up to receiveMaximum", func(t *testing.T) {
		c := newConnection(maxQueued)
		for range maxQueued {
			c.receive(packet(0))
		}
		if len(c.queue) != receiveMaximum || len(c.ended) != 0 {
			t.Errorf("%d messages queued, the connection ended %d times", len(c.queue), len(c.ended))
		}
	})
}

func TestLag(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for name, test := range map[string]struct {
		publishedAt time.Time
		want        time.Duration
	}{
		"a past time":   {now.Add(-time.Second), time.Second},
		"the zero time": {time.Time{}, 0},
		"a future time": {now.Add(time.Second), 0},
		"the epoch":     {time.UnixMilli(1), 1700000000*time.Second - time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lag(test.publishedAt, now); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
