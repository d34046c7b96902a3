package sandbox

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"

	"minigroups/mqtt/mqtt311"
)

const (
	// maxWaiting bounds the messages that wait while the broker is unreachable.
	maxWaiting = 100_000
	// redialInterval is the pause between two attempts to connect or to publish.
	redialInterval = 200 * time.Millisecond
	// closeTimeout bounds how long Close publishes waiting messages, disconnectTimeout how long it disconnects.
	closeTimeout      = 2 * time.Second
	disconnectTimeout = time.Second
	// firstFailureCode is the lowest MQTT reason code of a refusal.
	firstFailureCode = 0x80
)

// MQTTPublisher is a Publisher on an MQTT broker in MQTT 3.1.1, which the services speak. It keeps the order of
// messages. While the broker is unreachable, it keeps up to 100,000 messages in memory, as the services do. A message
// may arrive twice if the connection is lost before the broker has acknowledged it.
type MQTTPublisher struct {
	manager *autopaho.ConnectionManager
	waiting chan message
	pending atomic.Int64
	dropped atomic.Int64
	closing chan struct{}
	ended   chan struct{} // closed when run has ended
	close   func() error

	mu sync.Mutex
	// connection ends with the current connection to the broker; endConnection ends it.
	connection    context.Context
	endConnection context.CancelFunc
}

type message struct {
	topic string
	body  []byte
}

// DialPublisher returns a publisher on the broker at mqtt://host:port, or mqtts:// for TLS. It connects in the
// background, so the broker need not run yet. The client id must be unique on the broker; the platform's gateway
// accepts only an agent id. It returns an error only for a bad URL.
func DialPublisher(brokerURL, clientID string) (*MQTTPublisher, error) {
	u, err := url.Parse(brokerURL)
	if err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Host == "" {
		return nil, fmt.Errorf("dial a broker at %q: want mqtt://host:port or mqtts://host:port", brokerURL)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &MQTTPublisher{
		waiting: make(chan message, maxWaiting), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	p.close = sync.OnceValue(func() error { return p.end(cancel) })
	p.connected(ctx)
	p.disconnected()
	// The broker keeps no session: send publishes again what the broker has not acknowledged.
	p.manager, err = autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{u},
		KeepAlive:                     10,
		CleanStartOnInitialConnection: true,
		ConnectUsername:               "v2::service",
		ConnectPassword:               []byte(password(clientID)),
		ConnectTimeout:                5 * time.Second,
		AttemptConnection:             dialMQTT311,
		// In MQTT 3.1.1 the broker would keep a session that does not start clean.
		ConnectPacketBuilder: func(p *paho.Connect, _ *url.URL) (*paho.Connect, error) {
			p.CleanStart = true
			return p, nil
		},
		ReconnectBackoff: func(int) time.Duration { return redialInterval },
		OnConnectionUp:   func(*autopaho.ConnectionManager, *paho.Connack) { p.connected(ctx) },
		OnConnectionDown: p.disconnected,
		ClientConfig:     paho.ClientConfig{ClientID: clientID},
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("dial a broker at %q: %w", brokerURL, err)
	}
	go p.run(ctx)
	return p, nil
}

// maxReceived is the size of the largest packet that a publisher receives, in bytes.
const maxReceived = 1024

// dialMQTT311 connects to the broker in MQTT 3.1.1.
func dialMQTT311(ctx context.Context, cfg autopaho.ClientConfig, broker *url.URL) (conn net.Conn, err error) {
	if broker.Scheme == "mqtts" {
		conn, err = (&tls.Dialer{Config: cfg.TlsCfg}).DialContext(ctx, "tcp", broker.Host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", broker.Host)
	}
	if err != nil {
		return nil, err
	}
	return mqtt311.NewConn(conn, maxReceived), nil
}

// password returns a token for the account in an agent id, with which the stand-in for the platform's gateway is
// content. It has no signature, because the stand-ins have no keys.
func password(agentID string) string {
	_, account, _ := strings.Cut(agentID, ".")
	label, audience, _ := strings.Cut(account, ".")
	claims := encode(map[string]string{"iss": audience, "aud": audience, "sub": label})
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(claims) + "."
}

func (p *MQTTPublisher) connected(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connection, p.endConnection = context.WithCancel(ctx)
}

// disconnected returns true, so that autopaho connects again.
func (p *MQTTPublisher) disconnected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endConnection()
	return true
}

// Publish implements Publisher. It drops a message if too many wait, after Close, and if the topic is invalid.
func (p *MQTTPublisher) Publish(topic string, body []byte) bool {
	if !p.enqueue(message{topic, body}) {
		p.dropped.Add(1)
		return false
	}
	return true
}

func (p *MQTTPublisher) enqueue(m message) bool {
	select {
	case <-p.closing:
		return false
	default:
	}
	if strings.ContainsAny(m.topic, "+#\x00") {
		return false
	}
	p.pending.Add(1)
	select {
	case p.waiting <- m:
		return true
	default:
		p.pending.Add(-1)
		return false
	}
}

// Dropped returns how many messages were dropped, here or by the broker.
func (p *MQTTPublisher) Dropped() int64 { return p.dropped.Load() }

// Close publishes the waiting messages for at most two seconds and disconnects. Its error says how many messages were
// lost. Further calls return the same.
func (p *MQTTPublisher) Close() error { return p.close() }

func (p *MQTTPublisher) end(cancel context.CancelFunc) error {
	close(p.closing)
	select {
	case <-p.ended:
	case <-time.After(closeTimeout):
	}
	cancel()
	<-p.ended
	ctx, release := context.WithTimeout(context.Background(), disconnectTimeout)
	defer release()
	_ = p.manager.Disconnect(ctx) // the broker notices a lost connection anyway
	if lost := p.pending.Load(); lost > 0 {
		return fmt.Errorf("%d messages were not published", lost)
	}
	return nil
}

// run publishes messages until the context ends, or until Close was called and no message waits.
func (p *MQTTPublisher) run(ctx context.Context) {
	defer close(p.ended)
	for ctx.Err() == nil {
		select {
		case m := <-p.waiting:
			p.send(ctx, m)
			continue
		default:
		}
		select {
		case m := <-p.waiting:
			p.send(ctx, m)
		case <-p.closing:
			return
		}
	}
}

// send publishes a message until the broker acknowledges or refuses it, or the context ends.
func (p *MQTTPublisher) send(ctx context.Context, m message) {
	for p.manager.AwaitConnection(ctx) == nil {
		ack, err := p.publish(m)
		refused := ack != nil && ack.ReasonCode >= firstFailureCode
		if refused {
			p.dropped.Add(1)
		}
		if err == nil || refused {
			p.pending.Add(-1)
			return
		}
		// AwaitConnection notices a lost connection with a delay.
		wait(ctx, redialInterval)
	}
}

// publish returns when the connection ends. The library alone would wait forever for the acknowledgement.
func (p *MQTTPublisher) publish(m message) (*paho.PublishResponse, error) {
	p.mu.Lock()
	connection := p.connection
	p.mu.Unlock()
	if err := connection.Err(); err != nil {
		return nil, err
	}
	return p.manager.Publish(connection, &paho.Publish{QoS: 1, Topic: m.topic, Payload: m.body})
}
