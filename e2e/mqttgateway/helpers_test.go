package mqttgateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"minigroups/e2e/mqttgateway"
	"minigroups/minigroup"
	"minigroups/mqtt"
	"minigroups/mqtt/mqtt311"
	"minigroups/stack"
)

const testTimeout = 30 * time.Second

func await(t *testing.T, description string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(testTimeout); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting until %s", description)
		}
	}
}

func startMosquitto(t *testing.T) *stack.Mosquitto {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	broker, err := stack.StartMosquitto(t.Context(), stack.MosquittoOptions{
		Dir: filepath.Join(t.TempDir(), "mosquitto"), Port: port, Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Kill() })
	return broker
}

func startGateway(t *testing.T) *mqttgateway.Gateway {
	t.Helper()
	g, err := mqttgateway.Start("127.0.0.1:0", strings.TrimPrefix(startMosquitto(t).URL(), "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// wantRefusals checks that the gateway has refused what each of the texts describes, and nothing else.
func wantRefusals(t *testing.T, g *mqttgateway.Gateway, texts ...string) {
	t.Helper()
	refusals := g.Refusals()
	if len(refusals) != len(texts) {
		t.Fatalf("the gateway has refused %q", refusals)
	}
	for i, text := range texts {
		if !strings.Contains(refusals[i], text) {
			t.Errorf("the gateway has refused %q, want %q", refusals[i], text)
		}
	}
}

// ledger is a ledger in memory.
type ledger struct {
	mu     sync.Mutex
	rooms  map[string]bool
	outbox []minigroup.OutboxEvent
}

func newLedger(outbox ...minigroup.OutboxEvent) *ledger {
	return &ledger{rooms: map[string]bool{}, outbox: outbox}
}

func (l *ledger) RecordRoomEvents(_ context.Context, events minigroup.RoomEvents) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range events.Created {
		l.rooms[r.ID.String()] = true
	}
	return 0, nil
}

func (l *ledger) ClaimOutbox(context.Context, int, time.Duration) ([]minigroup.OutboxEvent, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.outbox), nil
}

func (l *ledger) SettleOutbox(_ context.Context, o minigroup.OutboxOutcome, _ time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outbox = slices.DeleteFunc(l.outbox, func(e minigroup.OutboxEvent) bool {
		return slices.Contains(o.Published, e.ID)
	})
	return nil
}

func (l *ledger) has(rooms []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(rooms, func(room string) bool { return !l.rooms[room] })
}

func (l *ledger) isPublished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.outbox) == 0
}

func stopOf(scope string) minigroup.OutboxEvent {
	return minigroup.OutboxEvent{
		Audience: "example.org", Label: "minigroup.stop", Payload: json.RawMessage(`{"scope":"` + scope + `"}`),
	}
}

// observer waits for the connection.
type observer struct{ connected chan struct{} }

func (o observer) Connected(is bool) {
	if is {
		o.connected <- struct{}{}
	}
}
func (observer) Received(string, time.Duration) {}
func (observer) Dropped(string)                 {}
func (observer) Published(string)               {}

// start starts a worker's exchange of events and waits until it is subscribed. It ends with stop, or with the test.
func start(t *testing.T, broker string, protocol mqtt.Protocol, l *ledger) (stop func()) {
	t.Helper()
	address, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	o := observer{connected: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- mqtt.Run(ctx, mqtt.Options{
			Broker: address, Protocol: protocol, Label: "worker-0", Session: time.Hour,
			Account: service, Event: event, Conference: conference,
			Token:  func() (string, error) { return token(service), nil },
			Ledger: l, Observer: o, Log: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-o.connected:
	case <-time.After(testTimeout):
		t.Fatal("not connected")
	}
	return stop
}

// client is another client of the broker.
type client struct {
	*paho.Client
	received chan *paho.Publish
}

func newClient(t *testing.T, broker string, protocol mqtt.Protocol) client {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(broker, "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	if protocol == mqtt.Protocol311 {
		conn = mqtt311.NewConn(conn, 1<<20)
	}
	c := client{received: make(chan *paho.Publish, 1000)}
	c.Client = paho.NewClient(paho.ClientConfig{
		Conn: conn, PacketTimeout: testTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			c.received <- r.Packet
			return true, nil
		}},
	})
	return c
}

// tryConnect returns the reason code with which the broker answers.
func tryConnect(t *testing.T, broker string, protocol mqtt.Protocol, id, password string) byte {
	t.Helper()
	c := newClient(t, broker, protocol)
	answer, err := c.Connect(t.Context(), connectPacket(id, password))
	if answer == nil {
		t.Fatal(err)
	}
	if err == nil {
		_ = c.Disconnect(&paho.Disconnect{})
	}
	return answer.ReasonCode
}

// connect connects as an agent of an account.
func connect(t *testing.T, broker string, protocol mqtt.Protocol, label, account string) client {
	t.Helper()
	c := newClient(t, broker, protocol)
	if _, err := c.Connect(t.Context(), connectPacket(label+"."+account, token(account))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return c
}

func connectPacket(id, password string) *paho.Connect {
	return &paho.Connect{
		ClientID: id, CleanStart: true, KeepAlive: 60,
		UsernameFlag: true, Username: "v2::service", PasswordFlag: true, Password: []byte(password),
	}
}

// token returns a token of an account without a signature.
func token(account string) string {
	label, audience, _ := strings.Cut(account, ".")
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":%q}`, audience, audience, label)
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "."
}

func (c client) subscribe(t *testing.T, filter string) {
	t.Helper()
	request := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: 1}}}
	if _, err := c.Subscribe(t.Context(), request); err != nil {
		t.Fatal(err)
	}
}

// publish publishes body with these user properties.
func (c client) publish(t *testing.T, topic, body string, user ...string) {
	t.Helper()
	if err := c.tryPublish(t, topic, body, user...); err != nil {
		t.Fatal(err)
	}
}

func (c client) tryPublish(t *testing.T, topic, body string, user ...string) error {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	message := &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(body), Properties: &paho.PublishProperties{}}
	for pair := range slices.Chunk(user, 2) {
		message.Properties.User.Add(pair[0], pair[1])
	}
	_, err := c.Publish(ctx, message)
	return err
}

// received is a message as a consumer that goes by label reads it.
type received struct {
	label, payload string
	properties     map[string]string
	isEnvelope     bool
}

func (c client) next(t *testing.T) (r received) {
	t.Helper()
	select {
	case m := <-c.received:
		var e struct {
			Payload    *string
			Properties map[string]string
		}
		r.isEnvelope = json.Unmarshal(m.Payload, &e) == nil && e.Payload != nil
		if r.isEnvelope && len(m.Properties.User) == 0 {
			return received{
				label: e.Properties["label"], payload: *e.Payload, properties: e.Properties, isEnvelope: true,
			}
		}
		r.payload, r.properties = string(m.Payload), map[string]string{}
		for _, p := range m.Properties.User {
			r.properties[p.Key] = p.Value
		}
		r.label = r.properties["label"]
		return r
	case <-time.After(testTimeout):
		t.Fatal("no message arrived")
		return r
	}
}

// newRoom returns the id of a room and the payload of its event.
func newRoom() (id, payload string) {
	id = uuid.NewString()
	return id, fmt.Sprintf(`{"id":%q,"classroom_id":%q,"audience":"example.org","created_at":1700000000}`,
		id, uuid.NewString())
}

func envelope(label, payload string) string {
	return fmt.Sprintf(`{"payload":%s,"properties":{"type":"event","label":%q,"timestamp":"1700000000000"}}`,
		strconv.Quote(payload), label)
}
