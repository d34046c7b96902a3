package mqtt_test

import (
	"net"
	"sync"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// puppet is a broker that does what a test tells it to, and nothing else.
type puppet struct {
	url          string
	mute         bool   // CONNECT is not answered
	busy         bool   // SUBSCRIBE is not answered
	maximum      uint32 // the largest packet that it says to take; 0: it says nothing
	hangsUpAbove int    // bytes of a payload; 0: never

	connects   chan *packets.Connect
	subscribes chan *packets.Subscribe
	publishes  chan *packets.Publish
	byes       chan *packets.Disconnect

	mu      sync.Mutex
	answers map[string]byte // reason code by topic
	conns   []net.Conn
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
		if p.maximum > 0 {
			out.Content.(*packets.Connack).Properties.MaximumPacketSize = &p.maximum
		}
		_, _ = out.WriteTo(conn)
	case *packets.Subscribe:
		p.subscribes <- in
		if p.busy {
			return true
		}
		out := packets.NewControlPacket(packets.SUBACK)
		out.Content.(*packets.Suback).PacketID = in.PacketID
		for range in.Subscriptions {
			out.Content.(*packets.Suback).Reasons = append(out.Content.(*packets.Suback).Reasons, 1)
		}
		_, _ = out.WriteTo(conn)
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
		_, _ = out.WriteTo(conn)
	case *packets.Pingreq:
		_, _ = packets.NewControlPacket(packets.PINGRESP).WriteTo(conn)
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
