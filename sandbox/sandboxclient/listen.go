package sandboxclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
)

// Announcement is what a service has announced.
type Announcement struct {
	Topic string
	Label string
	// Payload is the room object.
	Payload json.RawMessage
	// Message is the whole, as it came, QoS and Retained how it was published.
	Message  []byte
	QoS      byte
	Retained bool
}

// unread is how many announcements may wait for their reader before the broker is kept waiting.
const unread = 1024

// Listen returns what is announced on the broker at mqtt://host:port from now on, below apps/. The channel is closed
// when the context ends or the connection does.
func Listen(ctx context.Context, brokerURL string) (<-chan Announcement, error) {
	u, err := url.Parse(brokerURL)
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", brokerURL, err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", brokerURL, err)
	}
	heard := make(chan Announcement, unread)
	listener := paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(m paho.PublishReceived) (bool, error) {
			select {
			case heard <- read(m.Packet):
			case <-ctx.Done():
			}
			return true, nil
		},
	}})
	if err := subscribe(ctx, listener); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen to %s: %w", brokerURL, err)
	}
	go func() {
		select {
		case <-ctx.Done():
			_ = listener.Disconnect(&paho.Disconnect{}) // it is closed, one way or the other
		case <-listener.Done():
		}
		<-listener.Done()
		close(heard)
	}()
	return heard, nil
}

func subscribe(ctx context.Context, listener *paho.Client) error {
	const keepAlive = 10
	if _, err := listener.Connect(ctx, &paho.Connect{ClientID: "listener-" + uuid.NewString(), CleanStart: true, KeepAlive: keepAlive}); err != nil {
		return err
	}
	_, err := listener.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "apps/#", QoS: 1, RetainAsPublished: true}}})
	return err
}

// read leaves label and payload empty where the message is no envelope.
func read(m *paho.Publish) Announcement {
	var envelope struct {
		Payload    string `json:"payload"`
		Properties struct {
			Label string `json:"label"`
		} `json:"properties"`
	}
	a := Announcement{Topic: m.Topic, Message: m.Payload, QoS: m.QoS, Retained: m.Retain}
	if json.Unmarshal(m.Payload, &envelope) == nil {
		a.Label, a.Payload = envelope.Properties.Label, json.RawMessage(envelope.Payload)
	}
	return a
}
