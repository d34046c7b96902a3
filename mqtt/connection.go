package mqtt

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"go.uber.org/zap"
)

const (
	// connectTry bounds a connection's making, the answer to its CONNECT included, and then the subscription.
	connectTry = 5 * time.Second
	// keepAlive is, in seconds, how often a silent broker is asked whether it is still there.
	keepAlive = 15
	// receiveMaximum is how many announcements may be unacknowledged: then the broker sends no more.
	receiveMaximum = 500
	// packetMaximum is the largest message that the broker may send: tags of 64 KiB, escaped twice, and some room.
	packetMaximum = 512 << 10
)

// userName is the one that services of the platform connect with; who they are stands in the password.
const userName = "v2::service"

// connection is one connection to the broker, from CONNECT to DISCONNECT. The next one knows nothing of it: what is
// unacknowledged when it ends is sent again, and what is not told stays in the outbox.
type connection struct {
	*listener
	client  *paho.Client
	session *state.State
	// tellMaximum is the largest packet that the broker takes; 0: any.
	tellMaximum int64
	ended       chan error // why the connection has ended
}

// serve connects, listens and tells until the connection or ctx ends. It returns for how long.
func (l *listener) serve(ctx context.Context) (listened time.Duration, err error) {
	c, err := l.connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer c.leave()
	if err = c.subscribe(ctx); err == nil {
		began := time.Now()
		l.Observer.Connected(true)
		err = c.converse(ctx)
		l.Observer.Connected(false)
		listened = time.Since(began)
	}
	if ctx.Err() != nil {
		<-l.recorded // so that what was heard is acknowledged before we hang up
	}
	return listened, err
}

// converse returns when ctx ends, or the connection, and then why.
func (c *connection) converse(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.tellAll(ctx) })
	select {
	case <-ctx.Done():
	case err = <-c.ended:
	}
	stop()
	wg.Wait()
	return err
}

// connect makes a connection that takes the session of this client id up again.
func (l *listener) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTry)
	defer cancel()
	token, err := l.Token()
	if err != nil {
		return nil, fmt.Errorf("get service token: %w", err)
	}
	w, err := dial(ctx, l.Broker, l.TLS)
	if err != nil {
		return nil, err
	}
	c := &connection{listener: l, session: state.NewInMemory(), ended: make(chan error, 1)}
	c.client = paho.NewClient(paho.ClientConfig{
		Conn: w, Session: withheld{c.session}, PacketTimeout: connectTry,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			c.hear(r.Packet)
			return true, nil
		}},
		OnClientError: c.end,
		OnServerDisconnect: func(d *paho.Disconnect) {
			c.end(fmt.Errorf("the broker ended it with reason code %#x", d.ReasonCode))
		},
	})
	answer, err := c.client.Connect(ctx, &paho.Connect{
		ClientID: l.ClientID, KeepAlive: keepAlive,
		UsernameFlag: true, Username: userName, PasswordFlag: true, Password: []byte(token),
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: paho.Uint32(uint32(l.Session / time.Second)), //nolint:gosec // check has bounded it
			ReceiveMaximum:        paho.Uint16(receiveMaximum),
			MaximumPacketSize:     paho.Uint32(packetMaximum),
			RequestProblemInfo:    true,
		},
	})
	if err != nil && answer != nil {
		return nil, fmt.Errorf("the broker refuses with reason code %#x: %w", answer.ReasonCode, err)
	}
	if err != nil {
		return nil, err
	}
	if answer.Properties != nil && answer.Properties.MaximumPacketSize != nil {
		c.tellMaximum = int64(*answer.Properties.MaximumPacketSize)
	}
	l.Log.Info("connected to the broker", zap.Bool("session_was_kept", answer.SessionPresent))
	return c, nil
}

// subscribe says what we listen to, each time: a broker that was started again may have forgotten it.
func (c *connection) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTry)
	defer cancel()
	request := &paho.Subscribe{}
	for _, filter := range c.filters() {
		request.Subscriptions = append(request.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	answer, err := c.client.Subscribe(ctx, request)
	if answer != nil {
		for i, reason := range answer.Reasons {
			if reason != 1 && i < len(request.Subscriptions) {
				return fmt.Errorf("subscribe to %s: the broker answers %#x", request.Subscriptions[i].Topic, reason)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// end tells that the connection has ended or must. The first reason counts. Who waits for an answer of the broker shall do
// so no longer.
func (c *connection) end(reason error) {
	select {
	case c.ended <- reason:
	default:
	}
	_ = c.session.Close()
}

// isOver reports whether the connection has ended.
func (c *connection) isOver() bool {
	select {
	case <-c.client.Done():
		return true
	default:
		return false
	}
}

// leave hangs up. The broker keeps the session: it was told for how long when we came.
func (c *connection) leave() {
	_ = c.client.Disconnect(&paho.Disconnect{})
	_ = c.session.Close()
}

// withheld is a session whose messages are not acknowledged by the library. It could be told to leave that to us, but then
// it would do so on a ticker, and nobody could know when it is safe to hang up.
type withheld struct{ *state.State }

// Ack is called by the library when a message was handed to us.
func (withheld) Ack(*packets.Publish) error { return nil }
