package sandbox

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	// announcementsKept bounds what waits for a broker that is away.
	announcementsKept = 100_000
	// redialEvery is how soon a broker that is away is tried again.
	redialEvery = 200 * time.Millisecond
	// closeWithin bounds what a closed announcer still tries to send, hangUpWithin its goodbye.
	closeWithin  = 2 * time.Second
	hangUpWithin = time.Second
	// refusedFrom is the first reason code with which a broker refuses.
	refusedFrom = 0x80
)

// MQTTAnnouncer is an Announcer that publishes to an MQTT broker, in order. While the broker is away it keeps in memory
// what it was given, 100,000 messages at most, as the services do. A message may arrive twice where the connection is
// lost before the broker has said that it has it.
type MQTTAnnouncer struct {
	manager *autopaho.ConnectionManager
	waiting chan message
	pending atomic.Int64
	dropped atomic.Int64
	closing chan struct{}
	ended   chan struct{} // closed when nothing is sent any more
	close   func() error

	mu sync.Mutex
	// connection lives as long as the present connection to the broker, which hangUp ends.
	connection context.Context
	hangUp     context.CancelFunc
}

type message struct {
	topic string
	body  []byte
}

// DialAnnouncer returns an announcer on the broker at mqtt://host:port, or mqtts:// for TLS, which need not be there
// yet. Nobody else on that broker may have the client id. The error says that the URL is none.
func DialAnnouncer(brokerURL, clientID string) (*MQTTAnnouncer, error) {
	u, err := url.Parse(brokerURL)
	if err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Host == "" {
		return nil, fmt.Errorf("dial a broker at %q: want mqtt://host:port or mqtts://host:port", brokerURL)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &MQTTAnnouncer{waiting: make(chan message, announcementsKept), closing: make(chan struct{}), ended: make(chan struct{})}
	a.close = sync.OnceValue(func() error { return a.end(cancel) })
	a.connected(ctx)
	a.disconnected()
	// The broker keeps no session for us: what it has not confirmed is published anew.
	a.manager, err = autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{u},
		KeepAlive:                     10,
		CleanStartOnInitialConnection: true,
		ConnectUsername:               "v2::service",
		ConnectTimeout:                5 * time.Second,
		ReconnectBackoff:              func(int) time.Duration { return redialEvery },
		OnConnectionUp:                func(*autopaho.ConnectionManager, *paho.Connack) { a.connected(ctx) },
		OnConnectionDown:              a.disconnected,
		ClientConfig:                  paho.ClientConfig{ClientID: clientID},
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("dial a broker at %q: %w", brokerURL, err)
	}
	go a.run(ctx)
	return a, nil
}

func (a *MQTTAnnouncer) connected(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connection, a.hangUp = context.WithCancel(ctx)
}

// disconnected answers that the broker is to be dialled again.
func (a *MQTTAnnouncer) disconnected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hangUp()
	return true
}

// Announce implements Announcer. What does not fit any more, comes after Close, or has a topic that none can be is
// dropped.
func (a *MQTTAnnouncer) Announce(topic string, body []byte) bool {
	if !a.take(message{topic, body}) {
		a.dropped.Add(1)
		return false
	}
	return true
}

func (a *MQTTAnnouncer) take(m message) bool {
	select {
	case <-a.closing:
		return false
	default:
	}
	if strings.ContainsAny(m.topic, "+#\x00") {
		return false
	}
	a.pending.Add(1)
	select {
	case a.waiting <- m:
		return true
	default:
		a.pending.Add(-1)
		return false
	}
}

// Dropped returns how many messages were not sent and never will be.
func (a *MQTTAnnouncer) Dropped() int64 { return a.dropped.Load() }

// Close sends what is waiting, if that can be done within seconds, and hangs up. The error says how many messages were
// lost.
func (a *MQTTAnnouncer) Close() error { return a.close() }

func (a *MQTTAnnouncer) end(cancel context.CancelFunc) error {
	close(a.closing)
	select {
	case <-a.ended:
	case <-time.After(closeWithin):
	}
	cancel()
	<-a.ended
	ctx, enough := context.WithTimeout(context.Background(), hangUpWithin)
	defer enough()
	_ = a.manager.Disconnect(ctx) // a broker that does not hear it notices by itself
	if lost := a.pending.Load(); lost > 0 {
		return fmt.Errorf("%d announcements were not sent", lost)
	}
	return nil
}

// run sends until the context ends, or until it is closed and nothing waits.
func (a *MQTTAnnouncer) run(ctx context.Context) {
	defer close(a.ended)
	for ctx.Err() == nil {
		select {
		case m := <-a.waiting:
			a.send(ctx, m)
			continue
		default:
		}
		select {
		case m := <-a.waiting:
			a.send(ctx, m)
		case <-a.closing:
			return
		}
	}
}

// send returns when the broker has the message or refuses it, or the context has ended.
func (a *MQTTAnnouncer) send(ctx context.Context, m message) {
	for a.manager.AwaitConnection(ctx) == nil {
		answer, err := a.publish(m)
		refused := answer != nil && answer.ReasonCode >= refusedFrom
		if refused {
			a.dropped.Add(1)
		}
		if err == nil || refused {
			a.pending.Add(-1)
			return
		}
		// It takes a moment for a connection that is lost to count as lost.
		wait(ctx, redialEvery)
	}
}

// publish gives up with the connection. The library does not: it goes on waiting for a confirmation that cannot come.
func (a *MQTTAnnouncer) publish(m message) (*paho.PublishResponse, error) {
	a.mu.Lock()
	connection := a.connection
	a.mu.Unlock()
	if err := connection.Err(); err != nil {
		return nil, err
	}
	return a.manager.Publish(connection, &paho.Publish{QoS: 1, Topic: m.topic, Payload: m.body})
}
