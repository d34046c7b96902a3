package sandbox_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

// proxy forwards connections from an address of its own to a broker while it is open.
type proxy struct {
	address, broker string
	listener        net.Listener
	accepting       sync.WaitGroup
	mu              sync.Mutex
	connections     []net.Conn
}

// newProxy returns a proxy that is closed.
func newProxy(t *testing.T, broker *stack.Mosquitto) *proxy {
	t.Helper()
	p := &proxy{
		address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), broker: strings.TrimPrefix(broker.URL(), "mqtt://"),
	}
	t.Cleanup(p.close)
	return p
}

func (p *proxy) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.listener = listener
	p.accepting.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.broker)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.connections = append(p.connections, client, server)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(client, server) }()
			go func() { _, _ = io.Copy(server, client) }()
		}
	})
}

func (p *proxy) close() {
	if p.listener != nil {
		_ = p.listener.Close()
	}
	p.accepting.Wait() // the last accepted connection is in the list now
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, connection := range p.connections {
		_ = connection.Close()
	}
}

func TestMQTTPublisher(t *testing.T) {
	t.Run("keeps messages while the broker is unreachable and publishes them in order", func(t *testing.T) {
		const messages = 300
		broker := startBroker(t)
		received := subscribe(t, broker)
		way := newProxy(t, broker)
		publisher := dial(t, "mqtt://"+way.address)
		publish(t, publisher, 0, messages)
		way.open(t)
		expect(t, received, 0, messages)
		way.close()
		publish(t, publisher, messages, 2*messages)
		way.open(t)
		expect(t, received, messages, 2*messages)
	})
	t.Run("loses no message when the connection is lost while it publishes", func(t *testing.T) {
		const messages, cuts = 2000, 4
		broker := startBroker(t)
		received := subscribe(t, broker)
		way := newProxy(t, broker)
		publisher := dial(t, "mqtt://"+way.address)
		publish(t, publisher, 0, messages)
		for i := range cuts {
			way.open(t)
			// Messages still wait when the connection is closed.
			expect(t, received, i*messages/10, (i+1)*messages/10)
			way.close()
		}
		way.open(t)
		expect(t, received, cuts*messages/10, messages)
	})
	t.Run("lets no request wait for the broker", func(t *testing.T) {
		for _, s := range standIns {
			way := newProxy(t, startBroker(t))
			r, stop := runPublishing(t, s, "", dial(t, "mqtt://"+way.address))
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("%s: %d %s", s.name, a.status, a.raw)
			}
			if log := r.log(t); !log[0].Published || !log[0].ReplyDelivered {
				t.Errorf("%s: log %+v", s.name, log)
			}
			stop()
			way.open(t)
		}
	})
	t.Run("drops and counts messages beyond its capacity", func(t *testing.T) {
		const capacity, messages = 100_000, 100_100
		publisher := dial(t, "mqtt://"+newProxy(t, startBroker(t)).address)
		refused := 0
		for range messages {
			if !publisher.Publish("apps/a", nil) {
				refused++
			}
		}
		// One more fits if the first is already being sent.
		expected := refused == messages-capacity || refused == messages-capacity-1
		if !expected || publisher.Dropped() != int64(refused) {
			t.Errorf("%d were refused and %d dropped", refused, publisher.Dropped())
		}
	})
	t.Run("drops a message with an invalid topic and publishes the others", func(t *testing.T) {
		broker := startBroker(t)
		received := subscribe(t, broker)
		publisher := dial(t, broker.URL())
		if publisher.Publish("apps/a/#", nil) || publisher.Dropped() != 1 {
			t.Errorf("%d dropped", publisher.Dropped())
		}
		publish(t, publisher, 0, 1)
		expect(t, received, 0, 1)
	})
	t.Run("publishes waiting messages on Close and accepts no more", func(t *testing.T) {
		const messages = 200
		broker := startBroker(t)
		received := subscribe(t, broker)
		publisher := dial(t, broker.URL())
		publish(t, publisher, 0, messages)
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
		expect(t, received, 0, messages)
		if publisher.Publish("apps/a", nil) {
			t.Error("it accepts another message")
		}
	})
	t.Run("returns from Close how many messages are lost", func(t *testing.T) {
		publisher := dial(t, "mqtt://"+newProxy(t, startBroker(t)).address)
		publish(t, publisher, 0, 3)
		if err := publisher.Close(); err == nil || !strings.Contains(err.Error(), "3 messages") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refuses a URL that is no broker's", func(t *testing.T) {
		for _, u := range []string{"", "127.0.0.1:1883", "http://127.0.0.1:1883", "mqtt://"} {
			if _, err := sandbox.DialPublisher(u, "x"); err == nil || !strings.Contains(err.Error(), "mqtt://host:port") {
				t.Errorf("%q: %v", u, err)
			}
		}
	})
}

func subscribe(t *testing.T, broker *stack.Mosquitto) <-chan sandboxclient.RoomEvent {
	t.Helper()
	received, err := sandboxclient.Subscribe(t.Context(), broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	return received
}

// publish publishes messages, each with its number in the topic.
func publish(t *testing.T, publisher sandbox.Publisher, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if !publisher.Publish(fmt.Sprint("apps/", i), nil) {
			t.Fatalf("message %d is refused", i)
		}
	}
}

// expect receives the messages of publish in order. Where a connection was lost, one may come twice.
func expect(t *testing.T, received <-chan sandboxclient.RoomEvent, from, to int) {
	t.Helper()
	for i := from; i < to; {
		switch topic := next(t, received).Topic; topic {
		case fmt.Sprint("apps/", i):
			i++
		case fmt.Sprint("apps/", i-1):
		default:
			t.Fatalf("received %s instead of message %d", topic, i)
		}
	}
}
