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

var lostReplies = flag.Int("lost-replies", 40, "number of creates in the tests in which every reply is lost")

func (s *system) startBroker(ctx context.Context) (err error) {
	s.broker, err = stack.StartMosquitto(ctx, stack.MosquittoOptions{
		Dir: filepath.Join(s.dir, "mosquitto"), Port: s.brokerPort, Log: s.log("mosquitto"),
	})
	return err
}

// listenToBroker makes the worker receive room events until the test ends, and returns every event on the broker.
func listenToBroker(t *testing.T) <-chan sandboxclient.RoomEvent {
	t.Helper()
	connectToBroker(t, func(*config.MQTT) {})
	events, err := sandboxclient.Subscribe(t.Context(), sut.broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// connectToBroker connects the worker to the broker until the test ends, with changed settings.
func connectToBroker(t *testing.T, change func(*config.MQTT)) {
	t.Helper()
	cfg := sut.cfg
	cfg.MQTT.Broker, cfg.MQTT.ClientID = sut.broker.URL(), cfg.Account.AgentID("e2e")
	change(&cfg.MQTT)
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
	eventually(t, func() error { return hasMetrics(t, "minigroups_broker_connected 1") })
}

// createWithLostReplies creates minigroups. For each, the replies to the first create of both rooms are lost, so that
// each service has made two rooms.
func createWithLostReplies(t *testing.T) []*class {
	t.Helper()
	classes := make([]*class, *lostReplies)
	lost := make([]sandbox.Fault, len(classes))
	for i := range classes {
		classes[i] = newClass(t)
		delete(classes[i].body, "reserve")
		lost[i] = createReplyLost
		lost[i].ClassroomID = &classes[i].id
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
				r, err := send(t.Context(), http.MethodPost, "/api/v1/minigroups", c.body)
				if err != nil || r.code != http.StatusCreated {
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

// awaitOneRoomEach sweeps until exactly one room of each kind is open for each class, and every lost attempt is
// resolved as closed.
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
		const query = `SELECT count(*) FROM room_attempt WHERE class_id = ANY($1) AND resolution = 'closed'`
		var resolved int
		err := sut.db.QueryRow(t.Context(), query, ids).Scan(&resolved)
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

func TestCreatesWhoseRepliesAreLostWhileTheBrokerIsDownLeaveNoRoom(t *testing.T) {
	listenToBroker(t)
	// Events may come before the worker has connected again: the broker must know its subscriptions by then.
	subscription := []byte("apps/" + sut.cfg.MQTT.ConferenceAccount + "/api/v1/audiences/+/events")
	eventually(t, func() error {
		kept, err := os.ReadFile(filepath.Join(sut.dir, "mosquitto", "mosquitto.db"))
		if err == nil && !bytes.Contains(kept, subscription) {
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

// countStops counts the minigroup.stop events of the class. It creates another class as a marker and reads events until
// that of the marker's room comes.
func countStops(t *testing.T, events <-chan sandboxclient.RoomEvent, c *class) (stops int) {
	t.Helper()
	eventually(t, func() error { // the outbox is published
		var waiting int
		if err := sut.db.QueryRow(t.Context(), `SELECT count(*) FROM outbox`).Scan(&waiting); err != nil || waiting > 0 {
			return fmt.Errorf("%d outbox events wait: %w", waiting, err)
		}
		return nil
	})
	const topic = "apps/minigroups.svc.example.org/api/v1/audiences/example.org/events"
	marker := newClass(t)
	marker.post().want(t, http.StatusCreated)
	for e := range events {
		var payload struct {
			ID          uuid.UUID      `json:"id"`
			Scope       string         `json:"scope"`
			Tags        map[string]any `json:"tags"`
			ClassroomID uuid.UUID      `json:"classroom_id"`
		}
		if err := json.Unmarshal(e.Payload, &payload); err != nil {
			t.Fatalf("%s: %v", e.Message, err)
		}
		switch {
		case e.Label == "minigroup.stop" && payload.ID == c.id:
			if e.Topic != topic || payload.Scope != c.scope || payload.Tags["lesson"] != 7.0 {
				t.Errorf("it is published on %s: %s", e.Topic, e.Message)
			}
			stops++
		case payload.ClassroomID == marker.id:
			return stops
		}
	}
	t.Fatal("the broker has hung up")
	return 0
}

func TestAClassEndsWhenConferenceClosesItsRoom(t *testing.T) {
	events := listenToBroker(t)
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
	if n := countStops(t, events, c); n != 1 {
		t.Fatalf("minigroup.stop was published %d times", n)
	}
	if r := c.put(window(c.start, c.start+40000)).want(t, http.StatusConflict); r.Type != "minigroup_closed" {
		t.Fatalf("got %s", r.text)
	}
	c.awaitUnreserved()
}

func TestAnUpdateThatEndsAClassIsPublishedOnce(t *testing.T) {
	events := listenToBroker(t)
	c := newClass(t)
	c.start -= 7200
	c.body["time"] = []int64{c.start, c.start + 36000}
	c.post().want(t, http.StatusCreated)
	r := c.put(window(c.start, c.start+60)).want(t, http.StatusOK)
	if r.Status != "closed" || *r.TimedOut {
		t.Fatalf("got %s", r.text)
	}
	if n := countStops(t, events, c); n != 1 {
		t.Fatalf("minigroup.stop was published %d times", n)
	}
}

func TestAnUndoDoesNotEndTheClass(t *testing.T) {
	events := listenToBroker(t)
	c := newClass(t)
	restore := c.setFault(sut.event, createRefused)
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	c.post().want(t, http.StatusCreated)
	if n := countStops(t, events, c); n != 0 {
		t.Fatalf("minigroup.stop was published %d times", n)
	}
	if r := c.get(); r.Status != "real-time" {
		t.Fatalf("got %s", r.text)
	}
}

func TestReadyzSaysThatNoBrokerIsConfigured(t *testing.T) {
	code, text, err := httpGet(t.Context(), sut.api+"/readyz")
	if err != nil || code != http.StatusOK {
		t.Fatalf("got %d %s, %v", code, text, err)
	}
	var state struct {
		Broker string `json:"broker"`
	}
	if err := json.Unmarshal([]byte(text), &state); err != nil || !strings.HasPrefix(state.Broker, "not configured: ") {
		t.Fatalf("got %s, %v", text, err)
	}
}
