package mqtt

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"go.uber.org/zap"

	"minigroups/mqtt/mqtt311"
)

const (
	// connectTimeout bounds dialling and CONNECT together, and then SUBSCRIBE.
	connectTimeout = 5 * time.Second
	// keepAlive is the interval of pings on an idle connection, in seconds.
	keepAlive = 15
	// receiveMaximum is how many messages the broker may deliver in MQTT 5 before it waits for an acknowledgement.
	receiveMaximum = 500
	// defaultInFlight is how many messages Mosquitto and VerneMQ deliver in MQTT 3.1.1 before they wait, unless they are
	// configured otherwise. The client cannot choose the number.
	defaultInFlight = 20
	// maxReceivedPacket is the largest packet that the broker may deliver, in bytes: tags of 64 KiB, escaped twice, with a
	// margin.
	maxReceivedPacket = 512 << 10
)

// userName is the user name of every service of the platform. The account is in the token, which is the password.
const userName = "v2::service"

// connection is one connection to the broker, from CONNECT to DISCONNECT. It shares no protocol state with the next
// one: the broker redelivers unacknowledged messages, and unpublished events stay in the outbox.
type connection struct {
	*runner
	client  *paho.Client
	session *state.State
	// maxSentPacket is the largest packet that the broker accepts, in bytes; 0 is unlimited.
	maxSentPacket int64
	ended         chan error // receives the reason when the connection ends
}

// runConnection connects, then receives and publishes until the connection or ctx ends. It returns how long the
// subscription lasted.
func (r *runner) runConnection(ctx context.Context) (lasted time.Duration, err error) {
	c, err := r.connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer c.disconnect()
	if err = c.subscribe(ctx); err == nil {
		began := time.Now()
		r.Observer.Connected(true)
		err = c.run(ctx)
		r.Observer.Connected(false)
		lasted = time.Since(began)
	}
	if ctx.Err() != nil {
		<-r.recorded // acknowledge all received messages before disconnecting
	}
	return lasted, err
}

// run publishes until ctx or the connection ends. It returns the reason if the connection ended.
func (c *connection) run(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.publishAll(ctx) })
	select {
	case <-ctx.Done():
	case err = <-c.ended:
	}
	stop()
	wg.Wait()
	return err
}

// dial connects to the broker with the configured protocol.
func (r *runner) dial(ctx context.Context) (net.Conn, error) {
	conn, err := dial(ctx, r.Broker, r.TLS)
	if err != nil || r.Protocol == Protocol5 {
		return conn, err
	}
	return mqtt311.NewConn(conn, maxReceivedPacket), nil
}

// connect connects to the broker and resumes the session of the client id. In MQTT 3.1.1 the properties of CONNECT are
// not sent: the broker keeps the session for as long as it is configured to.
func (r *runner) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	token, err := r.Token()
	if err != nil {
		return nil, fmt.Errorf("get service token: %w", err)
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &connection{runner: r, session: state.NewInMemory(), ended: make(chan error, 1)}
	c.client = paho.NewClient(paho.ClientConfig{
		Conn: conn, Session: manualAck{c.session}, PacketTimeout: connectTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.receive(p.Packet)
			return true, nil
		}},
		OnClientError: c.end,
		OnServerDisconnect: func(d *paho.Disconnect) {
			c.end(fmt.Errorf("the broker disconnected with reason code %#x", d.ReasonCode))
		},
	})
	answer, err := c.client.Connect(ctx, &paho.Connect{
		ClientID: r.clientID(), KeepAlive: keepAlive,
		UsernameFlag: true, Username: userName, PasswordFlag: true, Password: []byte(token),
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: paho.Uint32(uint32(r.Session / time.Second)), //nolint:gosec // bounded by check
			ReceiveMaximum:        paho.Uint16(receiveMaximum),
			MaximumPacketSize:     paho.Uint32(maxReceivedPacket),
			RequestProblemInfo:    true,
		},
	})
	if err != nil && answer != nil {
		reason := (&packets.Connack{ReasonCode: answer.ReasonCode}).Reason()
		return nil, fmt.Errorf("the broker refused client id %q with reason code %#x: %w: %s",
			r.clientID(), answer.ReasonCode, err, reason)
	}
	if err != nil {
		return nil, err
	}
	if answer.Properties != nil && answer.Properties.MaximumPacketSize != nil {
		c.maxSentPacket = int64(*answer.Properties.MaximumPacketSize)
	}
	r.Log.Info("connected to the MQTT broker", zap.Bool("session_present", answer.SessionPresent))
	return c, nil
}

// subscribe subscribes on each connection, because a restarted broker may have lost the subscriptions of the session.
func (c *connection) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	request := &paho.Subscribe{}
	for _, filter := range c.filters() {
		request.Subscriptions = append(request.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	answer, err := c.client.Subscribe(ctx, request)
	if answer != nil {
		for i, reason := range answer.Reasons {
			if reason != 1 && i < len(request.Subscriptions) {
				return fmt.Errorf("subscribe to %s: the broker answered %#x", request.Subscriptions[i].Topic, reason)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// end ends the connection. Only the first reason is kept. Closing the session unblocks callers that wait for an answer
// of the broker.
func (c *connection) end(reason error) {
	select {
	case c.ended <- reason:
	default:
	}
	_ = c.session.Close()
}

// hasEnded reports whether the connection has ended.
func (c *connection) hasEnded() bool {
	select {
	case <-c.client.Done():
		return true
	default:
		return false
	}
}

// disconnect closes the connection. The broker keeps the session.
func (c *connection) disconnect() {
	_ = c.client.Disconnect(&paho.Disconnect{})
	_ = c.session.Close()
}

// manualAck is a session that ignores the library's own acknowledgements. The library has an option for manual
// acknowledgements, but then sends them on a ticker, so that we could not tell when it is safe to disconnect.
type manualAck struct{ *state.State }

// Ack is called by the library after it has delivered a message to the handler.
func (manualAck) Ack(*packets.Publish) error { return nil }
