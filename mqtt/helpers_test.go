package mqtt_test

import (
	"context"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"minigroups/mqtt"
	"minigroups/stack"
)

// testTimeout is how long a test waits for a condition.
const testTimeout = 60 * time.Second

const (
	serviceAccount    = "minigroups.svc.example.org"
	eventAccount      = "event.svc.example.org"
	conferenceAccount = "conference.svc.example.org"
	audience          = "example.org"
)

func await(t *testing.T, description string, condition func() bool) {
	t.Helper()
	timeout, tick := time.After(testTimeout), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-timeout:
			t.Fatalf("timed out waiting until %s", description)
		case <-tick.C:
		}
	}
}

// fakeObserver counts what a worker reports, under keys such as "received room.create".
type fakeObserver struct {
	mu             sync.Mutex
	connections    int
	disconnections int
	counts         map[string]int
}

func newObserver() *fakeObserver { return &fakeObserver{counts: map[string]int{}} }

func (o *fakeObserver) add(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[key]++
}

func (o *fakeObserver) Received(label string, _ time.Duration) { o.add("received " + label) }
func (o *fakeObserver) Dropped(reason string)                  { o.add("dropped " + reason) }
func (o *fakeObserver) Published(label string)                 { o.add("published " + label) }
func (o *fakeObserver) Connected(is bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if is {
		o.connections++
	} else {
		o.disconnections++
	}
}

func (o *fakeObserver) count(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[key]
}

func (o *fakeObserver) connected() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.connections
}

func (o *fakeObserver) disconnected() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.disconnections
}

// worker is a Run in progress, with its observer.
type worker struct {
	*fakeObserver
	stop func()
}

// withEachProtocol runs a test for each version of MQTT.
func withEachProtocol(t *testing.T, test func(*testing.T, mqtt.Protocol)) {
	t.Helper()
	for _, protocol := range []mqtt.Protocol{mqtt.Protocol311, mqtt.Protocol5} {
		t.Run("MQTT "+string(protocol), func(t *testing.T) { test(t, protocol) })
	}
}

func options(t *testing.T, protocol mqtt.Protocol, broker string, ledger *fakeLedger) mqtt.Options {
	t.Helper()
	address, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	return mqtt.Options{
		Broker: address, Protocol: protocol, Label: "worker-1", Session: time.Hour,
		Account: serviceAccount, Event: eventAccount, Conference: conferenceAccount,
		Token:  func() (string, error) { return "token", nil },
		Ledger: ledger, Observer: newObserver(), Log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)),
	}
}

// start starts a worker, which stops at the end of the test at the latest.
func start(t *testing.T, o mqtt.Options) worker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mqtt.Run(ctx, o) }()
	w := worker{fakeObserver: o.Observer.(*fakeObserver)}
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(testTimeout):
			t.Error("Run does not return")
		}
	})
	t.Cleanup(w.stop)
	return w
}

// startConnected starts a worker and waits until it is subscribed.
func startConnected(t *testing.T, o mqtt.Options) worker {
	t.Helper()
	w := start(t, o)
	await(t, "the worker is subscribed", func() bool { return w.connected() > 0 })
	return w
}

// checkGoroutines fails the test if goroutines of the package or of the MQTT library are left at its end.
func checkGoroutines(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		buffer := make([]byte, 1<<20)
		await(t, "all goroutines have ended", func() bool {
			all := string(buffer[:runtime.Stack(buffer, true)])
			return !strings.Contains(all, "minigroups/mqtt.") && !strings.Contains(all, "paho.golang/paho.")
		})
	})
}

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

func startMosquitto(t *testing.T, o stack.MosquittoOptions) *stack.Mosquitto {
	t.Helper()
	broker, err := stack.StartMosquitto(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })
	return broker
}

func killMosquitto(t *testing.T, broker *stack.Mosquitto) {
	t.Helper()
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
}

func topic(account, audience string) string {
	return "apps/" + account + "/api/v1/audiences/" + audience + "/events"
}
