package stack_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"minigroups/stack"
)

func mosquittoOptions(t *testing.T) stack.MosquittoOptions {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return stack.MosquittoOptions{
		Dir: filepath.Join(t.TempDir(), "mosquitto"), Port: port, Log: filepath.Join(t.TempDir(), "log"),
	}
}

func startMosquitto(t *testing.T, options stack.MosquittoOptions) *stack.Mosquitto {
	t.Helper()
	broker, err := stack.StartMosquitto(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })
	return broker
}

// mqttClient is a client whose session outlives its connection by an hour.
type mqttClient struct {
	*paho.Client
	received chan string
	// resumed says that the broker had a session for it.
	resumed bool
}

func connect(t *testing.T, broker *stack.Mosquitto, id string) mqttClient {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(broker.URL(), "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := mqttClient{received: make(chan string, 10)}
	c.Client = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(m paho.PublishReceived) (bool, error) {
			c.received <- string(m.Packet.Payload)
			return true, nil
		},
	}})
	hour := uint32(3600)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := c.Connect(ctx, &paho.Connect{
		ClientID: id, KeepAlive: 30, Properties: &paho.ConnectProperties{SessionExpiryInterval: &hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.resumed = answer.SessionPresent
	return c
}

func TestMosquitto(t *testing.T) {
	const message = "the room was created"
	options := mosquittoOptions(t)
	start := func() *stack.Mosquitto { return startMosquitto(t, options) }
	broker := start()

	away := connect(t, broker, "away")
	shared := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "$share/workers/apps/+/events", QoS: 1}}}
	if _, err := away.Subscribe(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	if err := away.Disconnect(&paho.Disconnect{}); err != nil {
		t.Fatal(err)
	}

	t.Run("keeps messages for a shared subscriber that is not connected, through a SIGKILL", func(t *testing.T) {
		publisher := connect(t, broker, "publisher")
		publish := &paho.Publish{Topic: "apps/event/events", QoS: 1, Payload: []byte(message)}
		if _, err := publisher.Publish(t.Context(), publish); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the message is on disk", func() bool {
			kept, err := os.ReadFile(filepath.Join(options.Dir, "mosquitto.db"))
			return err == nil && bytes.Contains(kept, []byte(message))
		})
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		broker = start()
		back := connect(t, broker, "away")
		if !back.resumed {
			t.Error("the session is lost")
		}
		select {
		case got := <-back.received:
			if got != message {
				t.Errorf("got %q", got)
			}
		case <-time.After(10 * time.Second):
			t.Error("the message is lost")
		}
	})

	t.Run("listens on loopback only", func(t *testing.T) {
		addresses, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := strings.Cut(strings.TrimPrefix(broker.URL(), "mqtt://"), ":")
		for _, address := range addresses {
			network, ok := address.(*net.IPNet)
			if !ok || network.IP.IsLoopback() || network.IP.IsLinkLocalUnicast() {
				continue
			}
			if conn, err := net.DialTimeout("tcp", net.JoinHostPort(network.IP.String(), port), time.Second); err == nil {
				_ = conn.Close()
				t.Errorf("it answers on %s", network.IP)
			}
		}
	})

	t.Run("does not start on the port of another broker", func(t *testing.T) {
		taken := mosquittoOptions(t)
		taken.Port = options.Port
		_, err := stack.StartMosquitto(t.Context(), taken)
		if err == nil || !strings.Contains(err.Error(), "start mosquitto") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("ends when asked to", func(t *testing.T) {
		if err := broker.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := broker.Err(); err != nil {
			t.Error(err)
		}
	})
}
