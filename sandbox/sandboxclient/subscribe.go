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

// RoomEvent is a message that a service published about a room.
type RoomEvent struct {
	Topic string
	Label string
	// Payload is the room object.
	Payload json.RawMessage
	// Message is the whole message as received. QoS and Retained are as published.
	Message  []byte
	QoS      byte
	Retained bool
}

// maxUnread bounds the events that wait for their reader. Further ones wait at the broker.
const maxUnread = 1024

// Subscribe returns the events that are published below apps/ on the broker at mqtt://host:port from now on. The
// channel is closed when the context or the connection ends.
func Subscribe(ctx context.Context, brokerURL string) (<-chan RoomEvent, error) {
	u, err := url.Parse(brokerURL)
	if err != nil {
		return nil, fmt.Errorf("subscribe at %s: %w", brokerURL, err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("subscribe at %s: %w", brokerURL, err)
	}
	events := make(chan RoomEvent, maxUnread)
	receive := func(m paho.PublishReceived) (bool, error) {
		select {
		case events <- read(m.Packet):
		case <-ctx.Done():
		}
		return true, nil
	}
	subscriber := paho.NewClient(paho.ClientConfig{
		Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){receive},
	})
	if err := subscribe(ctx, subscriber); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("subscribe at %s: %w", brokerURL, err)
	}
	go func() {
		select {
		case <-ctx.Done():
			_ = subscriber.Disconnect(&paho.Disconnect{}) // closes the connection also if it fails
		case <-subscriber.Done():
		}
		<-subscriber.Done()
		close(events)
	}()
	return events, nil
}

func subscribe(ctx context.Context, subscriber *paho.Client) error {
	const keepAlive = 10 // seconds
	connect := &paho.Connect{ClientID: "subscriber-" + uuid.NewString(), CleanStart: true, KeepAlive: keepAlive}
	if _, err := subscriber.Connect(ctx, connect); err != nil {
		return err
	}
	_, err := subscriber.Subscribe(ctx, &paho.Subscribe{
		Subscriptions: []paho.SubscribeOptions{{Topic: "apps/#", QoS: 1, RetainAsPublished: true}},
	})
	return err
}

// read leaves label and payload empty if the message is not an envelope.
func read(m *paho.Publish) RoomEvent {
	var envelope struct {
		Payload    string `json:"payload"`
		Properties struct {
			Label string `json:"label"`
		} `json:"properties"`
	}
	e := RoomEvent{Topic: m.Topic, Message: m.Payload, QoS: m.QoS, Retained: m.Retain}
	if json.Unmarshal(m.Payload, &envelope) == nil {
		e.Label, e.Payload = envelope.Properties.Label, json.RawMessage(envelope.Payload)
	}
	return e
}
