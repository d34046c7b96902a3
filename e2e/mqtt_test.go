package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/config"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
	"minigroups/stack"
	"minigroups/workflows"
)

var lostReplies = flag.Int("lost-replies", 40, "how many creates there are in tests of creates whose replies are all lost")

func (s *system) startBroker(ctx context.Context) (err error) {
	s.broker, err = stack.StartMosquitto(ctx, stack.MosquittoOptions{Dir: filepath.Join(s.dir, "mosquitto"), Port: s.brokerPort, Log: s.log("mosquitto")})
	return err
}

// listening has the worker listen at the broker until the test ends, and returns what is announced there.
func listenToBroker(t *testing.T) <-chan sandboxclient.RoomEvent {
	t.Helper()
	cfg := sut.cfg
	cfg.MQTT.Broker, cfg.MQTT.ClientID = sut.broker.URL(), "e2e"
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := config.Save(file, cfg); err != nil {
		t.Fatal(err)
	}
	if err := sut.restartWorkerWith(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sut.restartWorkerWith(context.Background(), sut.configFile); err != nil {
			t.Error(err)
		}
	})
	heard, err := sandboxclient.Subscribe(t.Context(), sut.broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return hasMetrics(t, "minigroups_broker_connected 1") })
	return heard
}

// createWithLostReplies creates minigroups of which both rooms are made by requests whose replies are lost, and then by
// others.
func createWithLostReplies(t *testing.T) []*class {
	t.Helper()
	classes := make([]*class, *lostReplies)
	lost := make([]sandbox.Fault, len(classes))
	for i := range classes {
		classes[i] = newClass(t)
		delete(classes[i].body, "reserve")
		lost[i] = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, ClassroomID: &classes[i].id, Times: 1}
	}
	for _, service := range []string{sut.event, sut.conference} {
		if err := sandboxclient.SetFaults(t.Context(), service, lost...); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, service := range []string{sut.event, sut.conference} {
			if err := sandboxclient.ClearFaults(context.Background(), service); err != nil {
				t.Error(err)
			}
		}
	})
	var wg sync.WaitGroup
	next := make(chan *class)
	for range 16 {
		wg.Go(func() {
			for c := range next {
				if r, err := send(t.Context(), http.MethodPost, "/api/v1/minigroups", c.body); err != nil || r.code != http.StatusCreated {
					t.Errorf("%s: %d %s, %v", c.scope, r.code, r.text, err)
				}
			}
		})
	}
	for _, c := range classes {
		next <- c
	}
	close(next)
	wg.Wait()
	return classes
}

// openRoomsByClass counts the open rooms of each class.
func openRoomsByClass(t *testing.T, service string) map[uuid.UUID]int {
	t.Helper()
	rooms, err := sandboxclient.Rooms(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	open := map[uuid.UUID]int{}
	for _, r := range rooms {
		if r.Open {
			open[r.ClassroomID]++
		}
	}
	return open
}

// awaitOneRoomEach sweeps until exactly one room of each kind is open for each class, and every lost attempt says so.
func awaitOneRoomEach(t *testing.T, classes []*class) {
	t.Helper()
	ids := make([]uuid.UUID, len(classes))
	for i, c := range classes {
		ids[i] = c.id
	}
	limit := 30*time.Second + time.Duration(len(classes))*100*time.Millisecond
	within(t, limit, func() error {
		if err := sweep(t, workflows.ScheduleClasses); err != nil {
			return err
		}
		for _, service := range []string{sut.event, sut.conference} {
			open := openRoomsByClass(t, service)
			for _, id := range ids {
				if open[id] != 1 {
					return fmt.Errorf("%d rooms of %s are open at %s", open[id], id, service)
				}
			}
		}
		var resolved int
		err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM room_attempt WHERE class_id = ANY($1) AND resolution = 'closed'`, ids).Scan(&resolved)
		if err != nil || resolved < 2*len(ids) {
			return fmt.Errorf("%d of %d lost attempts are resolved: %w", resolved, 2*len(ids), err)
		}
		return nil
	})
	for _, c := range classes {
		c.assertComplete(c.get().want(t, http.StatusOK).object)
	}
}

func TestCreatesWhoseRepliesAreLostLeaveNoRoom(t *testing.T) {
	listenToBroker(t)
	classes := createWithLostReplies(t)
	for _, service := range []string{sut.event, sut.conference} {
		if open := openRoomsByClass(t, service); open[classes[0].id] != 2 {
			t.Fatalf("%d rooms of a class are open at %s, so this tests nothing", open[classes[0].id], service)
		}
	}
	awaitOneRoomEach(t, classes)
}

func TestCreatesWhoseRepliesAreLostWhileTheBrokerIsAwayLeaveNoRoom(t *testing.T) {
	listenToBroker(t)
	eventually(t, func() error { // the broker keeps the worker's subscriptions, for events that come before the worker is back
		kept, err := os.ReadFile(filepath.Join(sut.dir, "mosquitto", "mosquitto.db"))
		if err == nil && !bytes.Contains(kept, []byte("apps/"+sut.cfg.MQTT.ConferenceAccount+"/api/v1/audiences/+/events")) {
			err = errors.New("the worker's subscriptions are not on disk")
		}
		return err
	})
	if err := sut.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	classes := createWithLostReplies(t)
	if err := sut.startBroker(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitOneRoomEach(t, classes)
}

// countStops reads announcements until one comes that is none of ours but was sent after all others, and counts the
// stops of the class among them.
func countStops(t *testing.T, heard <-chan sandboxclient.RoomEvent, c *class) (stops int) {
	t.Helper()
	eventually(t, func() error { // all is told that there is to tell
		var waiting int
		if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM outbox`).Scan(&waiting); err != nil || waiting > 0 {
			return fmt.Errorf("%d broadcasts wait: %w", waiting, err)
		}
		return nil
	})
	last := newClass(t)
	last.post().want(t, http.StatusCreated)
	for a := range heard {
		var payload struct {
			ID          uuid.UUID      `json:"id"`
			Scope       string         `json:"scope"`
			Tags        map[string]any `json:"tags"`
			ClassroomID uuid.UUID      `json:"classroom_id"`
		}
		if err := json.Unmarshal(a.Payload, &payload); err != nil {
			t.Fatalf("%s: %v", a.Message, err)
		}
		switch {
		case a.Label == "minigroup.stop" && payload.ID == c.id:
			if a.Topic != "apps/minigroups.svc.example.org/api/v1/audiences/example.org/events" || payload.Scope != c.scope || payload.Tags["lesson"] != 7.0 {
				t.Errorf("it is told as %s: %s", a.Topic, a.Message)
			}
			stops++
		case payload.ClassroomID == last.id:
			return stops
		}
	}
	t.Fatal("the broker has hung up")
	return 0
}

func TestAClassEndsWhenConferenceClosesItsRoom(t *testing.T) {
	heard := listenToBroker(t)
	c := newClass(t)
	c.start -= 7200
	c.body["time"] = []int64{c.start, c.start + 36000}
	o := c.post().want(t, http.StatusCreated).object
	if err := sandboxclient.CloseRoom(t.Context(), sut.conference, o.RealTime.ConferenceRoomID, true); err != nil {
		t.Fatal(err)
	}
	r := c.awaitStatus("closed")
	if r.TimedOut == nil || !*r.TimedOut || *r.Time[0] != c.start || *r.Time[1] >= c.start+36000 {
		t.Fatalf("got %s", r.text)
	}
	if n := countStops(t, heard, c); n != 1 {
		t.Fatalf("minigroup.stop was told %d times", n)
	}
	if r := c.put(window(c.start, c.start+40000)).want(t, http.StatusConflict); r.Type != "minigroup_closed" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitUnreserved()
}

func TestAnUpdateThatEndsAClassIsToldOnce(t *testing.T) {
	heard := listenToBroker(t)
	c := newClass(t)
	c.start -= 7200
	c.body["time"] = []int64{c.start, c.start + 36000}
	c.post().want(t, http.StatusCreated)
	r := c.put(window(c.start, c.start+60)).want(t, http.StatusOK)
	if r.Status != "closed" || *r.TimedOut {
		t.Fatalf("got %s", r.text)
	}
	if n := countStops(t, heard, c); n != 1 {
		t.Fatalf("minigroup.stop was told %d times", n)
	}
}

func TestAnUndoEndsNothing(t *testing.T) {
	heard := listenToBroker(t)
	c := newClass(t)
	restore := c.setFault(sut.event, createRefused)
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	c.post().want(t, http.StatusCreated)
	if n := countStops(t, heard, c); n != 0 {
		t.Fatalf("minigroup.stop was told %d times", n)
	}
	if r := c.get(); r.Status != "real-time" {
		t.Fatalf("got %s", r.text)
	}
}

func TestWithoutABrokerItIsSaidWhatIsMissing(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, sut.api+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var state struct {
		Broker string `json:"broker"`
	}
	if err := json.NewDecoder(res.Body).Decode(&state); err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(state.Broker, "not configured: ") {
		t.Fatalf("got %d %+v, %v", res.StatusCode, state, err)
	}
}
