// Package mqttgateway is a stand-in for the platform's MQTT gateway, in front of any MQTT broker. Like the gateway it
// accepts agent ids only, lets an account publish only on its own topics, and converts the messages between clients of
// MQTT 3.1.1 and 5. The broker behind it stores every message as an envelope.
package mqttgateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// dialTimeout bounds the attempt to connect to the broker.
const dialTimeout = 5 * time.Second

// Gateway is a running gateway.
type Gateway struct {
	broker   string // host:port
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	conns    map[*session]bool
	refusals []string
	isClosed bool
}

// Start starts a gateway on an address of this machine, in front of the broker at another one, both host:port. The
// caller closes it.
func Start(address, broker string) (*Gateway, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	g := &Gateway{broker: broker, listener: listener, conns: map[*session]bool{}}
	g.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			g.wg.Go(func() { g.serve(conn) })
		}
	})
	return g, nil
}

// URL returns its address, mqtt://host:port.
func (g *Gateway) URL() string { return "mqtt://" + g.listener.Addr().String() }

// Refusals describes all connections and messages that the gateway has refused, and all messages that it could not
// deliver.
func (g *Gateway) Refusals() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refusals)
}

// Disconnect ends all connections.
func (g *Gateway) Disconnect() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.conns {
		s.close()
	}
}

// Close ends all connections and stops the gateway.
func (g *Gateway) Close() {
	_ = g.listener.Close()
	g.mu.Lock()
	g.isClosed = true
	g.mu.Unlock()
	g.Disconnect()
	g.wg.Wait()
}

func (g *Gateway) refuse(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusals = append(g.refusals, fmt.Sprintf(format, args...))
}

// track adds or removes a session. A session that is added to a closed gateway is closed.
func (g *Gateway) track(s *session, is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !is {
		delete(g.conns, s)
		return
	}
	g.conns[s] = true
	if g.isClosed {
		s.close()
	}
}

// session is one connection of a client, and the connection to the broker that belongs to it.
type session struct {
	gateway *Gateway
	agent   agent
	client  *peer
	broker  *peer // nil until the client is accepted
}

// peer is one side of a session.
type peer struct {
	net.Conn
	mu sync.Mutex // held while a packet is written
}

func (p *peer) send(packet packet) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.Write(packet.bytes())
	return err
}

func (s *session) close() {
	_ = s.client.Close()
	if s.broker != nil {
		_ = s.broker.Close()
	}
}

// serve handles one connection of a client.
func (g *Gateway) serve(conn net.Conn) {
	s := &session{gateway: g, client: &peer{Conn: conn}}
	defer func() { s.close() }()
	first, err := readPacket(conn)
	if err != nil {
		return
	}
	var refused *refusal
	if s.agent, err = authenticate(first); errors.As(err, &refused) {
		g.refuse("connect %q: %s", s.agent.id, refused.reason)
		_ = s.client.send(refused.connack(s.agent.version))
		return
	}
	if err != nil {
		return
	}
	behind, err := net.DialTimeout("tcp", g.broker, dialTimeout)
	if err != nil {
		return
	}
	s.broker = &peer{Conn: behind}
	g.track(s, true)
	defer g.track(s, false)
	if s.broker.send(first) != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { s.pump(behind, s.deliver) })
	s.pump(conn, s.accept)
	wg.Wait()
}

// pump handles the packets of one side until the session ends.
func (s *session) pump(from io.Reader, handle func(packet) error) {
	defer s.close()
	for {
		p, err := readPacket(from)
		if err != nil || handle(p) != nil {
			return
		}
	}
}

// accept forwards a packet of the client to the broker. A message that the gateway refuses ends the connection in MQTT
// 3.1.1, which has no other way.
func (s *session) accept(p packet) error {
	if p.kind() != publish {
		return s.broker.send(p)
	}
	m, err := parseMessage(p, s.agent.version)
	if err != nil {
		return err
	}
	if err = s.toEnvelope(&m); err == nil {
		return s.broker.send(m.packet(s.agent.version))
	}
	s.gateway.refuse("message of %s on %s: %v", s.agent.id, m.Topic, err)
	if s.agent.version == version5 && m.QoS > 0 {
		return s.client.send(puback(m.PacketID, notAuthorized))
	}
	return err
}

// deliver forwards a packet of the broker to the client. A message that is no envelope is not delivered.
func (s *session) deliver(p packet) error {
	if p.kind() != publish {
		return s.client.send(p)
	}
	m, err := parseMessage(p, s.agent.version)
	if err != nil {
		return err
	}
	if err = s.fromEnvelope(&m); err == nil {
		return s.client.send(m.packet(s.agent.version))
	}
	s.gateway.refuse("delivery to %s on %s: %v", s.agent.id, m.Topic, err)
	if m.QoS > 0 {
		return s.broker.send(puback(m.PacketID, success))
	}
	return nil
}

// toEnvelope makes an envelope of a client's message.
func (s *session) toEnvelope(m *message) error {
	if !strings.HasPrefix(m.Topic, "apps/"+s.agent.account()+"/api/") {
		return errors.New("the topic is not one of the account")
	}
	e := envelope{Properties: map[string]string{}}
	if s.agent.version == version311 {
		var err error
		if e, err = parseEnvelope(m.Payload); err != nil {
			return err
		}
	} else {
		e.Payload = string(m.Payload)
		for _, property := range m.Properties.User {
			e.Properties[property.Key] = property.Value
		}
		m.Properties.User = nil
	}
	s.agent.describe(e.Properties)
	m.Payload = e.bytes()
	return nil
}

// fromEnvelope makes a message for the client of an envelope.
func (s *session) fromEnvelope(m *message) error {
	e, err := parseEnvelope(m.Payload)
	if err != nil || s.agent.version == version311 {
		return err
	}
	m.Payload = []byte(e.Payload)
	m.Properties.User = e.userProperties()
	return nil
}
