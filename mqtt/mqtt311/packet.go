package mqtt311

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types of packets, which are the upper four bits of their first byte.
const (
	connect     = 1
	connack     = 2
	publish     = 3
	puback      = 4
	subscribe   = 8
	suback      = 9
	pingRequest = 12
	pingAnswer  = 13
	disconnect  = 14
)

const (
	// version is the protocol level of MQTT 3.1.1.
	version = 4
	// versionIndex, flagsIndex and connectHead are where the fixed part of a CONNECT has the protocol level and the
	// flags, and its length. The properties follow.
	versionIndex, flagsIndex, connectHead = 6, 7, 10
	// willFlag is set in the flags if a CONNECT has a will.
	willFlag = 4
	// qosMask are the bits of the options of a subscription that 3.1.1 has too.
	qosMask = 3
)

var errMalformed = errors.New("malformed MQTT packet")

// toBroker rewrites a packet of MQTT 5, given by its first byte and the body after its length.
func toBroker(first byte, body []byte) (packet []byte, err error) {
	switch kind := first >> 4; kind {
	case connect:
		body, err = connectBody(body)
	case publish:
		if len(body) < 2 {
			return nil, errMalformed
		}
		body, err = cutProperties(body, headLength(first, body))
	case puback:
		if len(body) < 2 {
			return nil, errMalformed
		}
		body = body[:2] // without the reason code and the properties
	case subscribe:
		body, err = subscribeBody(body)
	case disconnect:
		body = nil
	case pingRequest:
	default:
		return nil, fmt.Errorf("a packet of type %d cannot be sent in MQTT 3.1.1", kind)
	}
	if err != nil {
		return nil, err
	}
	return appendPacket(first, body), nil
}

func connectBody(body []byte) ([]byte, error) {
	body, err := cutProperties(body, connectHead)
	if err != nil {
		return nil, err
	}
	if body[flagsIndex]&willFlag != 0 {
		return nil, errors.New("a will is not supported")
	}
	body[versionIndex] = version
	return body, nil
}

func subscribeBody(body []byte) ([]byte, error) {
	body, err := cutProperties(body, 2)
	if err != nil {
		return nil, err
	}
	for at := 2; at < len(body); {
		if len(body) < at+2 {
			return nil, errMalformed
		}
		at += 2 + int(binary.BigEndian.Uint16(body[at:]))
		if len(body) <= at {
			return nil, errMalformed
		}
		body[at] &= qosMask
		at++
	}
	return body, nil
}

// cutProperties returns a copy of a body without the properties that begin at an index.
func cutProperties(body []byte, at int) ([]byte, error) {
	if len(body) < at {
		return nil, errMalformed
	}
	size, length, ok := parseLength(body[at:])
	if !ok || len(body) < at+size+length {
		return nil, errMalformed
	}
	return append(append([]byte(nil), body[:at]...), body[at+size+length:]...), nil
}

// connectReasons are the reason codes for the codes from 1 with which a broker refuses a connection in 3.1.1:
// unsupported protocol version, client id not valid, server unavailable, bad user name or password, not authorised.
var connectReasons = []byte{0x84, 0x85, 0x88, 0x86, 0x87}

const unspecifiedError = 0x80

// toClient rewrites a packet of MQTT 3.1.1, given by its first byte and the body after its length.
func toClient(first byte, body []byte) ([]byte, error) {
	kind := first >> 4
	head := len(body) // where the properties belong, which are empty
	switch kind {
	case connack:
		if len(body) != 2 {
			return nil, errMalformed
		}
		if code := int(body[1]); code > len(connectReasons) {
			body[1] = unspecifiedError
		} else if code > 0 {
			body[1] = connectReasons[code-1]
		}
	case publish:
		if len(body) < 2 {
			return nil, errMalformed
		}
		head = headLength(first, body)
	case suback:
		head = 2
	case puback, pingAnswer: // the same in both versions
		return appendPacket(first, body), nil
	default:
		return nil, fmt.Errorf("the broker sent a packet of type %d", kind)
	}
	if len(body) < head {
		return nil, errMalformed
	}
	return appendPacket(first, body[:head], []byte{0}, body[head:]), nil
}

// headLength returns the length of the topic and the packet id with which the body of a PUBLISH begins. body has at
// least two bytes.
func headLength(first byte, body []byte) int {
	length := 2 + int(binary.BigEndian.Uint16(body))
	if first>>1&qosMask > 0 {
		length += 2 // the packet id
	}
	return length
}

// appendPacket returns a packet with its length and the parts of its body.
func appendPacket(first byte, parts ...[]byte) []byte {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	packet := []byte{first}
	for rest := length; ; {
		digit := byte(rest & 0x7f)
		if rest >>= 7; rest == 0 {
			packet = append(packet, digit)
			break
		}
		packet = append(packet, digit|0x80)
	}
	for _, part := range parts {
		packet = append(packet, part...)
	}
	return packet
}

// parseHeader returns the length of the header of a packet and that of its body, or false if the header is incomplete.
func parseHeader(packet []byte) (header, length int, ok bool) {
	if len(packet) == 0 {
		return 0, 0, false
	}
	size, length, ok := parseLength(packet[1:])
	return 1 + size, length, ok
}

// parseLength returns the size of an encoded length and its value, or false if it is incomplete.
func parseLength(b []byte) (size, length int, ok bool) {
	for i := 0; i < 4 && i < len(b); i++ {
		length |= int(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return i + 1, length, true
		}
	}
	return 0, 0, false
}
