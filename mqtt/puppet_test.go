package mqtt_test

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// puppet is a broker that does what a test tells it to, and nothing else.
type puppet struct {
	url          string
	tls          *tls.Config // nil: it speaks plain TCP
	unsubscribed string      // the topic filter to which nobody may subscribe
	mute         bool        // CONNECT is not answered
	busy         bool        // SUBSCRIBE is not answered
	maximum      uint32      // the largest packet that it says to take; 0: it says nothing
	hangsUpAbove int         // bytes of a payload; 0: never

	connects   chan *packets.Connect
	subscribes chan *packets.Subscribe
	publishes  chan *packets.Publish
	byes       chan *packets.Disconnect

	mu       sync.Mutex
	answers  map[string]byte   // reason code by topic
	refusal  byte              // reason code of CONNACK; 0: it accepts
	attempts []packets.Connect // every CONNECT so far
	conns    []net.Conn
}

// puppeteer starts a puppet that is as change makes it.
func puppeteer(t *testing.T, change func(*puppet)) *puppet {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &puppet{
		url: "mqtt://" + listener.Addr().String(), answers: map[string]byte{},
		connects: make(chan *packets.Connect, 100), subscribes: make(chan *packets.Subscribe, 100),
		publishes: make(chan *packets.Publish, 100), byes: make(chan *packets.Disconnect, 100),
	}
	change(p)
	if p.tls != nil {
		listener = tls.NewListener(listener, p.tls)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, conn)
			p.mu.Unlock()
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

func (p *puppet) serve(conn net.Conn) {
	defer conn.Close()
	for {
		in, err := packets.ReadPacket(conn)
		if err != nil || !p.answer(conn, in.Content) {
			return
		}
	}
}

// answer reports whether the connection goes on.
func (p *puppet) answer(conn net.Conn, in packets.Packet) bool {
	switch in := in.(type) {
	case *packets.Connect:
		p.connects <- in
		if p.mute {
			return true
		}
		out := packets.NewControlPacket(packets.CONNACK)
		p.mu.Lock()
		p.attempts = append(p.attempts, *in)
		out.Content.(*packets.Connack).ReasonCode = p.refusal
		p.mu.Unlock()
		if p.maximum > 0 {
			out.Content.(*packets.Connack).Properties.MaximumPacketSize = &p.maximum
		}
		p.send(conn, out)
	case *packets.Subscribe:
		p.subscribes <- in
		if p.busy {
			return true
		}
		out := packets.NewControlPacket(packets.SUBACK)
		out.Content.(*packets.Suback).PacketID = in.PacketID
		for _, subscription := range in.Subscriptions {
			reason := byte(packets.SubackGrantedQoS1)
			if subscription.Topic == p.unsubscribed {
				reason = packets.SubackNotauthorized
			}
			out.Content.(*packets.Suback).Reasons = append(out.Content.(*packets.Suback).Reasons, reason)
		}
		p.send(conn, out)
	case *packets.Publish:
		if p.hangsUpAbove > 0 && len(in.Payload) > p.hangsUpAbove {
			return false
		}
		p.publishes <- in
		out := packets.NewControlPacket(packets.PUBACK)
		out.Content.(*packets.Puback).PacketID = in.PacketID
		p.mu.Lock()
		out.Content.(*packets.Puback).ReasonCode = p.answers[in.Topic]
		p.mu.Unlock()
		p.send(conn, out)
	case *packets.Pingreq:
		p.send(conn, packets.NewControlPacket(packets.PINGRESP))
	case *packets.Disconnect:
		p.byes <- in
	}
	return true
}

// answersWith has what is published on a topic answered with a reason code.
func (p *puppet) answersWith(topic string, reason byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[topic] = reason
}

// send writes one packet at a time.
func (p *puppet) send(conn net.Conn, packet *packets.ControlPacket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = packet.WriteTo(conn)
}

// refuses has every further CONNECT answered with a reason code; 0 accepts them.
func (p *puppet) refuses(reason byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusal = reason
}

// seen returns the user name and the password of every CONNECT so far.
func (p *puppet) seen() (users, passwords []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, attempt := range p.attempts {
		users, passwords = append(users, attempt.Username), append(passwords, string(attempt.Password))
	}
	return users, passwords
}

// disconnects ends the latest connection as a broker does that is busy.
func (p *puppet) disconnects() {
	conn := p.latest()
	out := packets.NewControlPacket(packets.DISCONNECT)
	out.Content.(*packets.Disconnect).ReasonCode = packets.DisconnectServerBusy
	p.send(conn, out)
	_ = conn.Close()
}

// delivers sends a message over the latest connection.
func (p *puppet) delivers(topic, body string) {
	out := packets.NewControlPacket(packets.PUBLISH)
	message := out.Content.(*packets.Publish)
	message.Topic, message.Payload, message.QoS, message.PacketID = topic, []byte(body), 1, 1
	p.send(p.latest(), out)
}

func (p *puppet) latest() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns[len(p.conns)-1]
}
