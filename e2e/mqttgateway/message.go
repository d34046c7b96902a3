package mqttgateway

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/eclipse/paho.golang/packets"
)

// The versions of the protocol as CONNECT names them, the types of packets, and reason codes.
const (
	version311, version5 = 4, 5

	connect, connack, publish, pubackType = 1, 2, 3, 4

	success, notAuthorized = 0x00, 0x87
)

// packet is a packet of either version.
type packet struct {
	first byte // its type and flags
	body  []byte
}

func (p packet) kind() byte { return p.first >> 4 }

// puback returns the answer to a message. Success is the same in both versions.
func puback(id uint16, reason byte) packet {
	p := packet{first: pubackType << 4, body: binary.BigEndian.AppendUint16(nil, id)}
	if reason != success {
		p.body = append(p.body, reason)
	}
	return p
}

func (p packet) bytes() []byte {
	b, rest := []byte{p.first}, len(p.body)
	for rest >= 0x80 {
		b = append(b, byte(rest&0x7f)|0x80)
		rest >>= 7
	}
	return append(append(b, byte(rest)), p.body...)
}

func readPacket(r io.Reader) (p packet, err error) {
	head := make([]byte, 1, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return p, err
	}
	for {
		next := head[len(head) : len(head)+1]
		if _, err := io.ReadFull(r, next); err != nil {
			return p, err
		}
		head = head[:len(head)+1]
		size, length := parseLength(head[1:])
		switch {
		case size > 0:
			p = packet{first: head[0], body: make([]byte, length)}
			_, err = io.ReadFull(r, p.body)
			return p, err
		case len(head) == cap(head):
			return p, errors.New("malformed packet")
		}
	}
}

// parseLength returns the size of an encoded length and its value. The size is 0 if it is incomplete.
func parseLength(b []byte) (size, length int) {
	for i := 0; i < 4 && i < len(b); i++ {
		length |= int(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return i + 1, length
		}
	}
	return 0, 0
}

// message is a PUBLISH of either version. One of MQTT 3.1.1 has no properties.
type message struct{ packets.Publish }

func parseMessage(p packet, version byte) (m message, err error) {
	m.QoS, m.Retain, m.Duplicate = p.first>>1&3, p.first&1 > 0, p.first&8 > 0
	m.Properties = &packets.Properties{}
	if version == version5 {
		return m, m.Unpack(bytes.NewBuffer(p.body))
	}
	topic, rest, err := cut(p.body)
	if err != nil || m.QoS > 0 && len(rest) < 2 {
		return m, errors.New("malformed message")
	}
	if m.QoS > 0 {
		m.PacketID, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	m.Topic, m.Payload = topic, rest
	return m, nil
}

func (m message) packet(version byte) packet {
	p := packet{first: m.ToControlPacket().Flags | publish<<4}
	if version == version5 {
		p.body = slices.Concat(m.Buffers()...)
		return p
	}
	p.body = append(binary.BigEndian.AppendUint16(nil, uint16(len(m.Topic))), m.Topic...) //nolint:gosec // it was read so
	if m.QoS > 0 {
		p.body = binary.BigEndian.AppendUint16(p.body, m.PacketID)
	}
	p.body = append(p.body, m.Payload...)
	return p
}

// envelope is a message as clients of MQTT 3.1.1 send and receive it.
type envelope struct {
	Payload    string            `json:"payload"`
	Properties map[string]string `json:"properties"`
}

func parseEnvelope(text []byte) (envelope, error) {
	var e struct {
		Payload    *string
		Properties map[string]string
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return envelope{}, fmt.Errorf("it is no envelope: %w", err)
	}
	if e.Payload == nil || e.Properties == nil {
		return envelope{}, errors.New("the envelope has no payload or no properties")
	}
	return envelope{Payload: *e.Payload, Properties: e.Properties}, nil
}

func (e envelope) bytes() []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return text
}

func (e envelope) userProperties() (list []packets.User) {
	for _, key := range slices.Sorted(maps.Keys(e.Properties)) {
		list = append(list, packets.User{Key: key, Value: e.Properties[key]})
	}
	return list
}
