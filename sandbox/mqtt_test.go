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

// line leads from an address of its own to a broker, while it is up.
type line struct {
	address, broker string
	listener        net.Listener
	accepting       sync.WaitGroup
	mu              sync.Mutex
	connections     []net.Conn
}

func layLine(t *testing.T, broker *stack.Mosquitto) *line {
	t.Helper()
	l := &line{address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), broker: strings.TrimPrefix(broker.URL(), "mqtt://")}
	t.Cleanup(l.cut)
	return l
}

func (l *line) up(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	l.listener = listener
	l.accepting.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", l.broker)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.mu.Lock()
			l.connections = append(l.connections, near, far)
			l.mu.Unlock()
			go func() { _, _ = io.Copy(near, far) }()
			go func() { _, _ = io.Copy(far, near) }()
		}
	})
}

func (l *line) cut() {
	if l.listener != nil {
		_ = l.listener.Close()
	}
	l.accepting.Wait() // a connection that is just accepted is to be cut, too
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, connection := range l.connections {
		_ = connection.Close()
	}
}

func TestMQTTAnnouncer(t *testing.T) {
	t.Run("keeps what it is given while the broker is away, and sends it in order", func(t *testing.T) {
		const messages = 300
		broker := startBroker(t)
		heard, err := sandboxclient.Listen(t.Context(), broker.URL())
		if err != nil {
			t.Fatal(err)
		}
		way := layLine(t, broker)
		announcer := dial(t, "mqtt://"+way.address)
		announce(t, announcer, 0, messages)
		way.up(t)
		expect(t, heard, 0, messages)
		way.cut()
		announce(t, announcer, messages, 2*messages)
		way.up(t)
		expect(t, heard, messages, 2*messages)
	})
	t.Run("loses nothing when it is cut off while it sends", func(t *testing.T) {
		const messages, cuts = 2000, 4
		broker := startBroker(t)
		heard, err := sandboxclient.Listen(t.Context(), broker.URL())
		if err != nil {
			t.Fatal(err)
		}
		way := layLine(t, broker)
		announcer := dial(t, "mqtt://"+way.address)
		announce(t, announcer, 0, messages)
		for i := range cuts {
			way.up(t)
			// The last ones are still to be sent when the line is cut.
			expect(t, heard, i*messages/10, (i+1)*messages/10)
			way.cut()
		}
		way.up(t)
		expect(t, heard, cuts*messages/10, messages)
	})
	t.Run("makes no request wait for the broker", func(t *testing.T) {
		for _, s := range standIns {
			way := layLine(t, startBroker(t))
			r, stop := runAnnouncing(t, s, "", dial(t, "mqtt://"+way.address))
			if a := r.create(t, uuid.New()); a.status != r.created {
				t.Errorf("%s: %d %s", s.name, a.status, a.raw)
			}
			if log := r.log(t); !log[0].Announced || !log[0].ReplyDelivered {
				t.Errorf("%s: log %+v", s.name, log)
			}
			stop()
			way.up(t)
		}
	})
	t.Run("drops what does not fit, and counts it", func(t *testing.T) {
		const kept, given = 100_000, 100_100
		announcer := dial(t, "mqtt://"+layLine(t, startBroker(t)).address)
		refused := 0
		for range given {
			if !announcer.Announce("apps/a", nil) {
				refused++
			}
		}
		// One may be on its way already.
		if refused != given-kept && refused != given-kept-1 || announcer.Dropped() != int64(refused) {
			t.Errorf("%d were refused and %d dropped", refused, announcer.Dropped())
		}
	})
	t.Run("drops what has no topic, and sends the rest", func(t *testing.T) {
		broker := startBroker(t)
		heard, err := sandboxclient.Listen(t.Context(), broker.URL())
		if err != nil {
			t.Fatal(err)
		}
		announcer := dial(t, broker.URL())
		if announcer.Announce("apps/a/#", nil) || announcer.Dropped() != 1 {
			t.Errorf("%d dropped", announcer.Dropped())
		}
		announce(t, announcer, 0, 1)
		expect(t, heard, 0, 1)
	})
	t.Run("sends what is waiting when it is closed, and takes no more", func(t *testing.T) {
		const messages = 200
		broker := startBroker(t)
		heard, err := sandboxclient.Listen(t.Context(), broker.URL())
		if err != nil {
			t.Fatal(err)
		}
		announcer := dial(t, broker.URL())
		announce(t, announcer, 0, messages)
		if err := announcer.Close(); err != nil {
			t.Error(err)
		}
		expect(t, heard, 0, messages)
		if announcer.Announce("apps/a", nil) {
			t.Error("it takes another one")
		}
	})
	t.Run("says what is lost when it is closed", func(t *testing.T) {
		announcer := dial(t, "mqtt://"+layLine(t, startBroker(t)).address)
		announce(t, announcer, 0, 3)
		if err := announcer.Close(); err == nil || !strings.Contains(err.Error(), "3 announcements") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("does not dial what is no broker", func(t *testing.T) {
		for _, u := range []string{"", "127.0.0.1:1883", "http://127.0.0.1:1883", "mqtt://"} {
			if _, err := sandbox.DialAnnouncer(u, "x"); err == nil || !strings.Contains(err.Error(), "mqtt://host:port") {
				t.Errorf("%q: %v", u, err)
			}
		}
	})
}

func announce(t *testing.T, announcer sandbox.Announcer, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if !announcer.Announce(fmt.Sprint("apps/", i), nil) {
			t.Fatalf("message %d is not taken", i)
		}
	}
}

// expect wants the messages of announce, each once or, around a cut, twice.
func expect(t *testing.T, heard <-chan sandboxclient.Announcement, from, to int) {
	t.Helper()
	for i := from; i < to; {
		switch topic := next(t, heard).Topic; topic {
		case fmt.Sprint("apps/", i):
			i++
		case fmt.Sprint("apps/", i-1):
		default:
			t.Fatalf("heard %s instead of message %d", topic, i)
		}
	}
}
