package sandbox_test

import (
	"encoding/json"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
)

// recorder is a Publisher that keeps the messages. It says that it accepts none if full is set.
type recorder struct {
	full     bool
	mu       sync.Mutex
	messages [][]byte
}

func (r *recorder) Publish(_ string, message []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
	return !r.full
}

// rooms returns the rooms in the messages.
func (r *recorder) rooms(t *testing.T) (rooms []sandbox.Room) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, message := range r.messages {
		var envelope struct{ Payload string }
		var room sandbox.Room
		if err := json.Unmarshal(message, &envelope); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(envelope.Payload), &room); err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	return rooms
}

// onBroker are both stand-ins with a publisher on a broker, and the events that arrive at a subscriber.
type onBroker struct {
	services  map[string]running
	publisher *sandbox.MQTTPublisher
	received  <-chan sandboxclient.RoomEvent
}

func runOnBroker(t *testing.T, brokerURL string) onBroker {
	t.Helper()
	received, err := sandboxclient.Subscribe(t.Context(), brokerURL)
	if err != nil {
		t.Fatal(err)
	}
	b := onBroker{services: map[string]running{}, publisher: dial(t, brokerURL), received: received}
	for _, service := range standIns {
		r, stop := runPublishing(t, service, "", b.publisher)
		t.Cleanup(stop)
		b.services[service.name] = r
	}
	return b
}

func dial(t *testing.T, brokerURL string) *sandbox.MQTTPublisher {
	t.Helper()
	publisher, err := sandbox.DialPublisher(brokerURL, "test-"+uuid.NewString())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = publisher.Close() })
	return publisher
}

func startBroker(t *testing.T) *stack.Mosquitto {
	t.Helper()
	options := stack.MosquittoOptions{
		Dir: filepath.Join(t.TempDir(), "mosquitto"), Port: freePort(t), Log: filepath.Join(t.TempDir(), "log"),
	}
	broker, err := stack.StartMosquitto(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })
	return broker
}

const marker = "apps/marker"

// events returns the events since its last call. It publishes a marker and reads until the marker arrives.
func (b onBroker) events(t *testing.T) (list []sandboxclient.RoomEvent) {
	t.Helper()
	b.publisher.Publish(marker, nil)
	for {
		e := next(t, b.received)
		if e.Topic == marker {
			return list
		}
		list = append(list, e)
	}
}

func next(t *testing.T, received <-chan sandboxclient.RoomEvent) sandboxclient.RoomEvent {
	t.Helper()
	select {
	case e, more := <-received:
		if !more {
			t.Fatal("the connection is lost")
		}
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("no event arrives")
	}
	panic("not reached")
}
