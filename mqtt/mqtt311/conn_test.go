package mqtt311_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"minigroups/mqtt/mqtt311"
)

// fakeConn is a connection that records what is written, and returns what the broker has sent.
type fakeConn struct {
	net.Conn
	sent     bytes.Buffer
	received io.Reader
}

func (c *fakeConn) Write(b []byte) (int, error) { return c.sent.Write(b) }
func (c *fakeConn) Read(b []byte) (int, error)  { return c.received.Read(b) }

const maxReceived = 64

func TestPacketsOfTheClientAreRewritten(t *testing.T) {
	for name, test := range map[string]struct {
		packet interface {
			WriteTo(w io.Writer) (int64, error)
		}
		want string
	}{
		"CONNECT": {
			packet: &packets.Connect{
				ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: "a.b", KeepAlive: 15,
				UsernameFlag: true, Username: "u", PasswordFlag: true, Password: []byte("pw"),
				Properties: &packets.Properties{SessionExpiryInterval: new(uint32(3600))},
			},
			want: "\x10\x16\x00\x04MQTT\x04\xc0\x00\x0f\x00\x03a.b\x00\x01u\x00\x02pw",
		},
		"PUBLISH": {
			packet: &packets.Publish{
				Topic: "t", QoS: 1, PacketID: 7, Payload: []byte("body"), Duplicate: true,
				Properties: &packets.Properties{ContentType: "text/plain", User: []packets.User{{Key: "k", Value: "v"}}},
			},
			want: "\x3a\x09\x00\x01t\x00\x07body",
		},
		"PUBLISH of QoS 0": {
			packet: &packets.Publish{Topic: "t", Payload: []byte("body"), Properties: &packets.Properties{}},
			want:   "\x30\x07\x00\x01tbody",
		},
		"a long PUBLISH": {
			packet: &packets.Publish{Topic: "t", Payload: make([]byte, 200), Properties: &packets.Properties{}},
			want:   "\x30\xcb\x01\x00\x01t" + strings.Repeat("\x00", 200),
		},
		"PUBACK": {
			packet: &packets.Puback{PacketID: 258, ReasonCode: 0x10, Properties: &packets.Properties{}},
			want:   "\x40\x02\x01\x02",
		},
		"SUBSCRIBE": {
			packet: &packets.Subscribe{
				PacketID: 9, Properties: &packets.Properties{},
				Subscriptions: []packets.SubOptions{
					{Topic: "a/+", QoS: 1, RetainHandling: 2, NoLocal: true}, {Topic: "b", RetainAsPublished: true},
				},
			},
			want: "\x82\x0c\x00\x09\x00\x03a/+\x01\x00\x01b\x00",
		},
		"PINGREQ":    {packet: packets.NewControlPacket(packets.PINGREQ), want: "\xc0\x00"},
		"DISCONNECT": {packet: &packets.Disconnect{Properties: &packets.Properties{}}, want: "\xe0\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			var original bytes.Buffer
			if _, err := test.packet.WriteTo(&original); err != nil {
				t.Fatal(err)
			}
			conn := &fakeConn{}
			c := mqtt311.NewConn(conn, maxReceived)
			for _, b := range original.Bytes() { // in the smallest parts
				if n, err := c.Write([]byte{b}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if _, err := c.Write(original.Bytes()); err != nil { // and as a whole
				t.Fatal(err)
			}
			if got := conn.sent.String(); got != test.want+test.want {
				t.Errorf("got %q, want %q", got, test.want+test.want)
			}
		})
	}
}

func TestWhatMQTT311CannotExpressIsAnError(t *testing.T) {
	for name, packet := range map[string]io.WriterTo{
		"a will": &packets.Connect{
			ProtocolName: "MQTT", ProtocolVersion: 5, WillFlag: true, WillTopic: "t",
			Properties: &packets.Properties{}, WillProperties: &packets.Properties{},
		},
		"AUTH": packets.NewControlPacket(packets.AUTH),
	} {
		t.Run(name, func(t *testing.T) {
			conn := &fakeConn{}
			_, err := packet.WriteTo(mqtt311.NewConn(conn, maxReceived))
			if err == nil || conn.sent.Len() > 0 {
				t.Errorf("%d bytes were sent, %v", conn.sent.Len(), err)
			}
		})
	}
}

func TestPacketsOfTheBrokerAreRewritten(t *testing.T) {
	received := "\x20\x02\x01\x00" + // CONNACK with a session
		"\x90\x04\x00\x09\x01\x80" + // SUBACK
		"\x40\x02\x01\x02" + // PUBACK
		"\x32\x09\x00\x01t\x00\x07body" + // PUBLISH
		"\x32\xf4\x03\x00\x01t\x00\x08" + strings.Repeat("x", 495) + // too large
		"\x30\xc8\x01\x00\x01t" + strings.Repeat("x", 197) + // too large, of QoS 0
		"\xd0\x00" // PINGRESP
	c := mqtt311.NewConn(&fakeConn{received: strings.NewReader(received)}, maxReceived)
	next := func() packets.Packet {
		t.Helper()
		p, err := packets.ReadPacket(c)
		if err != nil {
			t.Fatal(err)
		}
		if p.Type == packets.PUBLISH {
			m := p.Content.(*packets.Publish)
			if m.Topic != "t" || len(m.Properties.User) > 0 {
				t.Errorf("%v", m)
			}
		}
		return p.Content
	}
	if p := next().(*packets.Connack); !p.SessionPresent || p.ReasonCode != 0 {
		t.Errorf("%v", p)
	}
	if p := next().(*packets.Suback); p.PacketID != 9 || !bytes.Equal(p.Reasons, []byte{1, 0x80}) {
		t.Errorf("%v", p)
	}
	if p := next().(*packets.Puback); p.PacketID != 258 || p.ReasonCode != 0 {
		t.Errorf("%v", p)
	}
	if p := next().(*packets.Publish); p.PacketID != 7 || p.QoS != 1 || string(p.Payload) != "body" {
		t.Errorf("%v", p)
	}
	if p := next().(*packets.Publish); p.PacketID != 8 || p.QoS != 1 || len(p.Payload) > 0 {
		t.Errorf("%v", p)
	}
	if p := next().(*packets.Publish); p.QoS != 0 || len(p.Payload) > 0 {
		t.Errorf("%v", p)
	}
	if _, isPing := next().(*packets.Pingresp); !isPing {
		t.Error("PINGRESP is missing")
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestRefusedConnections(t *testing.T) {
	for code, want := range map[byte]byte{
		1: packets.ConnackUnsupportedProtocolVersion, 2: packets.ConnackInvalidClientID,
		3: packets.ConnackServerUnavailable, 4: packets.ConnackBadUsernameOrPassword,
		5: packets.ConnackNotAuthorized, 6: packets.ConnackUnspecifiedError, 255: packets.ConnackUnspecifiedError,
	} {
		c := mqtt311.NewConn(&fakeConn{received: bytes.NewReader([]byte{0x20, 2, 0, code})}, maxReceived)
		p, err := packets.ReadPacket(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Content.(*packets.Connack).ReasonCode; got != want {
			t.Errorf("code %d became %#x, want %#x", code, got, want)
		}
	}
}

// FuzzRead checks that what a broker sends is read without a panic, and that a packet of the client is one.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x20\x02\x01\x00\x32\x09\x00\x01t\x00\x07body"))
	f.Add([]byte("\x32\xf4\x03\xff\xff"))
	f.Fuzz(func(t *testing.T, received []byte) {
		c := mqtt311.NewConn(&fakeConn{received: bytes.NewReader(received)}, maxReceived)
		read, _ := io.ReadAll(c)
		if len(read) > 3*len(received) {
			t.Errorf("%d bytes became %d", len(received), len(read))
		}
		conn := &fakeConn{}
		_, _ = mqtt311.NewConn(conn, maxReceived).Write(received)
		if conn.sent.Len() > len(received) {
			t.Errorf("%d bytes became %d", len(received), conn.sent.Len())
		}
	})
}
