package mqtt311

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
)

// Conn is a connection to a broker that speaks MQTT 3.1.1, for a client that speaks MQTT 5. It supports what a client
// with QoS 0 and 1 and without a will sends and receives.
type Conn struct {
	net.Conn
	// Mutex is held by the MQTT library while it writes a packet, which takes several calls of Write.
	sync.Mutex
	reader      *bufio.Reader
	maxReceived int
	unsent      []byte // the beginning of a packet that the client has not written completely
	unread      []byte // the rest of a packet that the client has not read completely
}

// NewConn returns a Conn over a connection that was just established. A message of more than maxReceived bytes reaches
// the client with an empty payload; any other packet of that size ends the connection.
func NewConn(conn net.Conn, maxReceived int) *Conn {
	return &Conn{Conn: conn, reader: bufio.NewReader(conn), maxReceived: maxReceived}
}

// Write sends each packet of the client as soon as it is complete. A packet that 3.1.1 cannot express is an error.
func (c *Conn) Write(b []byte) (int, error) {
	c.unsent = append(c.unsent, b...)
	for {
		header, length, ok := parseHeader(c.unsent)
		if !ok || len(c.unsent) < header+length {
			return len(b), nil
		}
		packet, err := toBroker(c.unsent[0], c.unsent[header:header+length])
		if err != nil {
			return 0, err
		}
		if _, err := c.Conn.Write(packet); err != nil {
			return 0, err
		}
		c.unsent = append([]byte(nil), c.unsent[header+length:]...)
	}
}

// Read returns bytes of the broker's packets. Only one goroutine may call it at a time.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		packet, err := c.receive()
		if err != nil {
			return 0, err
		}
		c.unread = packet
	}
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// receive reads the broker's next packet and rewrites it.
func (c *Conn) receive() ([]byte, error) {
	first, err := c.reader.ReadByte()
	if err != nil {
		return nil, err
	}
	length, err := c.readLength()
	if err != nil {
		return nil, err
	}
	if length > c.maxReceived {
		return c.receiveEmpty(first, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.reader, body); err != nil {
		return nil, err
	}
	return toClient(first, body)
}

// receiveEmpty reads a message that is too large and drops its payload.
func (c *Conn) receiveEmpty(first byte, length int) ([]byte, error) {
	if first>>4 != publish {
		return nil, fmt.Errorf("the broker sent a packet of type %d with %d bytes", first>>4, length)
	}
	size, err := c.reader.Peek(2)
	if err != nil {
		return nil, err
	}
	head := make([]byte, headLength(first, size))
	if len(head) > length {
		return nil, errMalformed
	}
	if _, err := io.ReadFull(c.reader, head); err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, c.reader, int64(length-len(head))); err != nil {
		return nil, err
	}
	return toClient(first, head)
}

// readLength reads the length of a packet, which follows its first byte.
func (c *Conn) readLength() (length int, err error) {
	for shift := 0; shift < 4*7; shift += 7 {
		b, err := c.reader.ReadByte()
		if err != nil {
			return 0, err
		}
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			return length, nil
		}
	}
	return 0, errMalformed
}
