package stack_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"minigroups/stack"
)

func TestBroker(t *testing.T) {
	binary, err := stack.BuildBroker(t.Context(), "..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	options := stack.BrokerOptions{Binary: binary, Address: freeAddress(t), Log: filepath.Join(t.TempDir(), "log")}
	broker, err := stack.StartBroker(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })

	t.Run("does not start on an address in use", func(t *testing.T) {
		_, err := stack.StartBroker(t.Context(), options)
		if err == nil || !strings.Contains(err.Error(), "start MQTT broker") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("disconnects its clients when it ends", func(t *testing.T) {
		conn, err := net.Dial("tcp", options.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client := paho.NewClient(paho.ClientConfig{Conn: conn})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		connect := &paho.Connect{ClientID: "listener", CleanStart: true, KeepAlive: 30}
		if _, err := client.Connect(ctx, connect); err != nil {
			t.Fatal(err)
		}
		if err := broker.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := broker.Err(); err != nil {
			t.Error(err)
		}
		select {
		case <-client.Done():
		case <-ctx.Done():
			t.Error("the client is still connected")
		}
		if conn, err := net.Dial("tcp", options.Address); err == nil {
			_ = conn.Close()
			t.Error("it still listens")
		}
	})
}
