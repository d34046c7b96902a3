package mqtt_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// fakeBroker is a broker that behaves as a test configures it.
type fakeBroker struct {
	url             string
	tls             *tls.Config // nil is plain TCP
	refusedFilter   string      // a SUBSCRIBE to this topic filter is refused
	ignoreConnect   bool        // CONNECT is not answered
	ignoreSubscribe bool        // SUBSCRIBE is not answered
	maxPacketSize   uint32      // sent with CONNACK; 0 is not sent
	disconnectAbove int         // larger payloads end the connection, in bytes; 0 is unlimited

	connects    chan *packets.Connect
	subscribes  chan *packets.Subscribe
	publishes   chan *packets.Publish
	disconnects chan *packets.Disconnect

	mu             sync.Mutex
	publishReasons map[string]byte   // reason code of PUBACK by topic
	connectReason  byte              // reason code of CONNACK
	connectPackets []packets.Connect // all answered so far
	conns          []net.Conn
}

// startFakeBroker starts a broker that is configured by configure.
func startFakeBroker(t *testing.T, configure func(*fakeBroker)) *fakeBroker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &fakeBroker{
		url: "mqtt://" + listener.Addr().String(), publishReasons: map[string]byte{},
		connects: make(chan *packets.Connect, 100), subscribes: make(chan *packets.Subscribe, 100),
		publishes: make(chan *packets.Publish, 100), disconnects: make(chan *packets.Disconnect, 100),
	}
	configure(b)
	if b.tls != nil {
		listener = tls.NewListener(listener, b.tls)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, conn)
			b.mu.Unlock()
			wg.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		b.mu.Lock()
		for _, conn := range b.conns {
			_ = conn.Close()
		}
		b.mu.Unlock()
		wg.Wait()
	})
	return b
}

func (b *fakeBroker) serve(conn net.Conn) {
	defer conn.Close()
	for {
		in, err := packets.ReadPacket(conn)
		if err != nil || !b.answer(conn, in.Content) {
			return
		}
	}
}

// answer reports whether the connection continues.
func (b *fakeBroker) answer(conn net.Conn, in packets.Packet) bool {
	switch in := in.(type) {
	case *packets.Connect:
		b.answerConnect(conn, in)
	case *packets.Subscribe:
		b.answerSubscribe(conn, in)
	case *packets.Publish:
		if b.disconnectAbove > 0 && len(in.Payload) > b.disconnectAbove {
			return false
		}
		b.publishes <- in
		out := packets.NewControlPacket(packets.PUBACK)
		puback := out.Content.(*packets.Puback)
		puback.PacketID = in.PacketID
		b.mu.Lock()
		puback.ReasonCode = b.publishReasons[in.Topic]
		b.mu.Unlock()
		b.send(conn, out)
	case *packets.Pingreq:
		b.send(conn, packets.NewControlPacket(packets.PINGRESP))
	case *packets.Disconnect:
		b.disconnects <- in
	}
	return true
}

func (b *fakeBroker) answerConnect(conn net.Conn, in *packets.Connect) {
	b.connects <- in
	if b.ignoreConnect {
		return
	}
	out := packets.NewControlPacket(packets.CONNACK)
	connack := out.Content.(*packets.Connack)
	b.mu.Lock()
	b.connectPackets = append(b.connectPackets, *in)
	connack.ReasonCode = b.connectReason
	b.mu.Unlock()
	if b.maxPacketSize > 0 {
		connack.Properties.MaximumPacketSize = &b.maxPacketSize
	}
	b.send(conn, out)
}

func (b *fakeBroker) answerSubscribe(conn net.Conn, in *packets.Subscribe) {
	b.subscribes <- in
	if b.ignoreSubscribe {
		return
	}
	out := packets.NewControlPacket(packets.SUBACK)
	suback := out.Content.(*packets.Suback)
	suback.PacketID = in.PacketID
	for _, subscription := range in.Subscriptions {
		reason := byte(packets.SubackGrantedQoS1)
		if subscription.Topic == b.refusedFilter {
			reason = packets.SubackNotauthorized
		}
		suback.Reasons = append(suback.Reasons, reason)
	}
	b.send(conn, out)
}

// send writes one packet at a time.
func (b *fakeBroker) send(conn net.Conn, packet *packets.ControlPacket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = packet.WriteTo(conn)
}

// setPublishReason sets the reason code for messages published on a topic.
func (b *fakeBroker) setPublishReason(topic string, reason byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publishReasons[topic] = reason
}

// setConnectReason sets the reason code for further connections.
func (b *fakeBroker) setConnectReason(reason byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.connectReason = reason
}

// credentials returns the user name and the password of every answered CONNECT.
func (b *fakeBroker) credentials() (users, passwords []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, packet := range b.connectPackets {
		users, passwords = append(users, packet.Username), append(passwords, string(packet.Password))
	}
	return users, passwords
}

// disconnect ends the latest connection with the reason that the server is busy.
func (b *fakeBroker) disconnect() {
	conn := b.latestConn()
	out := packets.NewControlPacket(packets.DISCONNECT)
	out.Content.(*packets.Disconnect).ReasonCode = packets.DisconnectServerBusy
	b.send(conn, out)
	_ = conn.Close()
}

// deliver sends a message over the latest connection.
func (b *fakeBroker) deliver(topic, body string) {
	out := packets.NewControlPacket(packets.PUBLISH)
	message := out.Content.(*packets.Publish)
	message.Topic, message.Payload, message.QoS, message.PacketID = topic, []byte(body), 1, 1
	b.send(b.latestConn(), out)
}

func (b *fakeBroker) latestConn() net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns[len(b.conns)-1]
}
