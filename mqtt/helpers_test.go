package mqtt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/google/uuid"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"minigroups/minigroup"
	"minigroups/mqtt"
	"minigroups/stack"
)

// deadline is how long a test waits for what must come.
const deadline = 60 * time.Second

const (
	ours       = "minigroups.svc.example.org"
	event      = "event.svc.example.org"
	conference = "conference.svc.example.org"
	audience   = "example.org"
)

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit, tick := time.After(deadline), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-limit:
			t.Fatalf("it does not come about: %s", what)
		case <-tick.C:
		}
	}
}

// book is a ledger in memory that can fail.
type book struct {
	mu      sync.Mutex
	away    bool          // nothing is taken
	gate    chan struct{} // nothing is taken before it is closed; nil: open
	tries   int
	calls   int // those that committed something
	rooms   map[uuid.UUID][]minigroup.AnnouncedRoom
	closed  map[uuid.UUID][]minigroup.ClosedRoom
	answers bool // each closed room puts a broadcast into the outbox
	outbox  []minigroup.OutboxEvent
	amnesia int // so often the outbox does not notice what was told
	untold  int // so many could not be told
}

func newBook() *book {
	return &book{rooms: map[uuid.UUID][]minigroup.AnnouncedRoom{}, closed: map[uuid.UUID][]minigroup.ClosedRoom{}}
}

func (b *book) RecordRoomEvents(ctx context.Context, heard minigroup.RoomEvents) (ended int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if gate := b.gate; gate != nil {
		b.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
		}
		b.mu.Lock()
	}
	if b.away || ctx.Err() != nil {
		return 0, errors.Join(errors.New("the ledger is away"), ctx.Err())
	}
	b.calls++
	for _, r := range heard.Created {
		b.rooms[r.ID] = append(b.rooms[r.ID], r)
	}
	for _, r := range heard.Closed {
		b.closed[r.ID] = append(b.closed[r.ID], r)
		if b.answers {
			ended++
			b.outbox = append(b.outbox, minigroup.OutboxEvent{Audience: r.Audience, Label: "minigroup.stop", Payload: json.RawMessage(`{"id":"` + r.ClassID.String() + `"}`)})
		}
	}
	return ended, nil
}

func (b *book) PublishOutbox(ctx context.Context, limit int, publish func(context.Context, minigroup.OutboxEvent) error) (int, error) {
	b.mu.Lock()
	oldest := append([]minigroup.OutboxEvent{}, b.outbox[:min(limit, len(b.outbox))]...)
	b.mu.Unlock()
	told := map[int]bool{}
	for i, one := range oldest {
		told[i] = publish(ctx, one) == nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := []minigroup.OutboxEvent{}
	for i, one := range b.outbox {
		if !told[i] {
			left = append(left, one)
		}
	}
	n := len(b.outbox) - len(left)
	b.untold += len(oldest) - n
	if n > 0 && b.amnesia > 0 {
		b.amnesia--
		return 0, errors.New("the ledger is away")
	}
	b.outbox = left
	return n, nil
}

// with runs f while nothing changes.
func (b *book) with(f func(*book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

// times is how often a room was taken, made or closed.
func (b *book) times(id uuid.UUID) (n int) {
	b.with(func(b *book) { n = len(b.rooms[id]) + len(b.closed[id]) })
	return n
}

func (b *book) has(ids ...uuid.UUID) bool {
	for _, id := range ids {
		if b.times(id) == 0 {
			return false
		}
	}
	return true
}

func (b *book) waiting() (n int) {
	b.with(func(b *book) { n = len(b.outbox) })
	return n
}

func (b *book) refused() (n int) {
	b.with(func(b *book) { n = b.untold })
	return n
}

func (b *book) tried() (n int) {
	b.with(func(b *book) { n = b.tries })
	return n
}

// watcher is an observer that counts.
type watcher struct {
	mu     sync.Mutex
	ups    int
	downs  int
	counts map[string]int
}

func newWatcher() *watcher { return &watcher{counts: map[string]int{}} }

func (w *watcher) count(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[key]++
}

func (w *watcher) Received(label string, _ time.Duration) { w.count("heard " + label) }
func (w *watcher) Dropped(reason string)                  { w.count("dropped " + reason) }
func (w *watcher) Published(label string)                 { w.count("told " + label) }
func (w *watcher) Connected(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if is {
		w.ups++
	} else {
		w.downs++
	}
}

func (w *watcher) of(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[key]
}

func (w *watcher) connections() (ups, downs int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ups, w.downs
}

// worker is a Run that goes on until stop.
type worker struct {
	*watcher
	book *book
	stop func()
}

func options(t *testing.T, broker string, b *book) mqtt.Options {
	t.Helper()
	address, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	return mqtt.Options{
		Broker: address, ClientID: "worker-1", Session: time.Hour,
		Account: ours, Event: event, Conference: conference,
		Token:  func() (string, error) { return "token", nil },
		Ledger: b, Observer: newWatcher(), Log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)),
	}
}

func run(t *testing.T, o mqtt.Options) worker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mqtt.Run(ctx, o) }()
	w := worker{watcher: o.Observer.(*watcher), book: o.Ledger.(*book)}
	w.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(deadline):
			t.Error("it does not end")
		}
	})
	t.Cleanup(w.stop)
	return w
}

// listen is run, until it listens.
func listen(t *testing.T, o mqtt.Options) worker {
	t.Helper()
	w := run(t, o)
	await(t, "it listens", func() bool {
		ups, _ := w.connections()
		return ups > 0
	})
	return w
}

// leaveNothing has the test fail if goroutines of ours are left at its end.
func leaveNothing(t *testing.T) {
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
	return stack.MosquittoOptions{Dir: filepath.Join(t.TempDir(), "mosquitto"), Port: port, Log: filepath.Join(t.TempDir(), "log")}
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

// peer is another client of the broker: event, conference, or somebody who hears broadcasts.
type peer struct {
	*paho.Client
	heard chan *paho.Publish
}

func join(t *testing.T, broker string) peer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(broker, "mqtt://"))
	if err != nil {
		t.Fatal(err)
	}
	p := peer{heard: make(chan *paho.Publish, 1000)}
	p.Client = paho.NewClient(paho.ClientConfig{Conn: conn, OnPublishReceived: []func(paho.PublishReceived) (bool, error){
		func(r paho.PublishReceived) (bool, error) {
			p.heard <- r.Packet
			return true, nil
		},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := p.Connect(ctx, &paho.Connect{ClientID: uuid.NewString(), CleanStart: true, UsernameFlag: true, Username: "v2::service", KeepAlive: 60}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Disconnect(&paho.Disconnect{}) })
	return p
}

// say publishes and returns when the broker has it.
func (p peer) say(t *testing.T, topic, body string, user ...string) {
	t.Helper()
	message := &paho.Publish{Topic: topic, QoS: 1, Payload: []byte(body), Properties: &paho.PublishProperties{}}
	for i := 0; i+1 < len(user); i += 2 {
		message.Properties.User.Add(user[i], user[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := p.Publish(ctx, message); err != nil {
		t.Fatal(err)
	}
}

// retain publishes something that the broker is to keep.
func (p peer) retain(t *testing.T, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := p.Publish(ctx, &paho.Publish{Topic: topic, QoS: 1, Retain: true, Payload: []byte(topic)}); err != nil {
		t.Fatal(err)
	}
}

// broadcasts subscribes to what we tell.
func (p peer) broadcasts(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	request := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic(ours, "+"), QoS: 1}}}
	if _, err := p.Subscribe(ctx, request); err != nil {
		t.Fatal(err)
	}
}

// next is the next message that comes.
func (p peer) next(t *testing.T) *paho.Publish {
	t.Helper()
	select {
	case m := <-p.heard:
		return m
	case <-time.After(deadline):
		t.Fatal("no message comes")
		return nil
	}
}

func topic(account, audience string) string {
	return "apps/" + account + "/api/v1/audiences/" + audience + "/events"
}

// payload is a room as event and conference show it, as far as we look.
func payload(id uuid.UUID) string {
	return fmt.Sprintf(`{"id":%q,"classroom_id":%q,"audience":%q,"created_at":1700000000,"tags":{"scope":"math-7b"},"timed_out":true}`, id, classOf(id), audience)
}

// classOf is the class that a room in these tests belongs to.
func classOf(id uuid.UUID) uuid.UUID { return uuid.NewSHA1(id, []byte("class")) }

func envelope(label, payload string) string {
	return fmt.Sprintf(`{"payload":%s,"properties":{"type":"event","label":%q,"timestamp":%q,"processing_time":"3"}}`,
		strconv.Quote(payload), label, strconv.FormatInt(time.Now().UnixMilli(), 10))
}

// makes announces a room of event.
func (p peer) makes(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	p.say(t, topic(event, audience), envelope("room.create", payload(id)))
	return id
}
