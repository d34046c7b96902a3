package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
)

// peer is another client of the broker: event, conference, or a subscriber to this service's events.
type peer struct {
	*paho.Client
	received chan *paho.Publish
}

func connectPeer(t *testing.T, broker string) peer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(broker, "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	p := peer{received: make(chan *paho.Publish, 1000)}
	p.Client = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(r paho.PublishReceived) (bool, error) {
			p.received <- r.Packet
			return true, nil
		},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if _, err := p.Connect(ctx, &paho.Connect{
		ClientID: uuid.NewString(), CleanStart: true, UsernameFlag: true, Username: "v2::service", KeepAlive: 60,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Disconnect(&paho.Disconnect{}) })
	return p
}

// publish publishes body with these user properties and returns when the broker has acknowledged it.
func (p peer) publish(t *testing.T, topic, body string, user ...string) {
	t.Helper()
	message := &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(body), Properties: &paho.PublishProperties{}}
	for i := 0; i+1 < len(user); i += 2 {
		message.Properties.User.Add(user[i], user[i+1])
	}
	p.send(t, message)
}

// publishRetained publishes a message that the broker stores.
func (p peer) publishRetained(t *testing.T, topic string) {
	t.Helper()
	p.send(t, &paho.Publish{Topic: topic, QoS: 1, Retain: true, Payload: []byte(topic)})
}

func (p peer) send(t *testing.T, message *paho.Publish) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	if _, err := p.Publish(ctx, message); err != nil {
		t.Fatal(err)
	}
}

// subscribe subscribes to the events of this service.
func (p peer) subscribe(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	request := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic(serviceAccount, "+"), QoS: 1}}}
	if _, err := p.Subscribe(ctx, request); err != nil {
		t.Fatal(err)
	}
}

// next returns the next message received.
func (p peer) next(t *testing.T) *paho.Publish {
	t.Helper()
	select {
	case m := <-p.received:
		return m
	case <-time.After(testTimeout):
		t.Fatal("no message arrived")
		return nil
	}
}

// createRoom publishes the event of a room created by event, and returns its id.
func (p peer) createRoom(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	p.publish(t, topic(eventAccount, audience), envelope("room.create", roomPayload(id)))
	return id
}

// roomPayload has the members of a room event that the package reads.
func roomPayload(id uuid.UUID) string {
	return fmt.Sprintf(`{"id":%q,"classroom_id":%q,"audience":%q,"created_at":1700000000,"tags":{"scope":"math-7b"},`+
		`"timed_out":true}`, id, classOf(id), audience)
}

// classOf returns the class of a room in these tests.
func classOf(id uuid.UUID) uuid.UUID { return uuid.NewSHA1(id, []byte("class")) }

func envelope(label, payload string) string {
	return fmt.Sprintf(`{"payload":%s,"properties":{"type":"event","label":%q,"timestamp":%q,"processing_time":"3"}}`,
		strconv.Quote(payload), label, strconv.FormatInt(time.Now().UnixMilli(), 10))
}
