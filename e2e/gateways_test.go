package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

// roomsOn lists the maximum numbers of publishers of the rooms on a gateway, by description.
func roomsOn(t testing.TB, gateway *stack.Janus) map[string][]int {
	t.Helper()
	body := `{"janus":"message_plugin","plugin":"janus.plugin.videoroom","transaction":"e2e","admin_secret":"` +
		janusAdminSecret + `","request":{"request":"list","admin_key":"` + janusAdminKey + `"}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.AdminURL(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var list struct {
		Response struct {
			List []struct {
				Description   string `json:"description"`
				MaxPublishers int    `json:"max_publishers"`
			} `json:"list"`
		} `json:"response"`
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	rooms := map[string][]int{}
	for _, room := range list.Response.List {
		rooms[room.Description] = append(rooms[room.Description], room.MaxPublishers)
	}
	return rooms
}

// startGateways starts gateways of a group with these capacities, and makes the worker reserve in that group until the
// test ends. The gateway of the other tests belongs to no group.
func startGateways(t *testing.T, group string, capacities ...int32) []*stack.Janus {
	t.Helper()
	adminKeys := make([]string, len(capacities))
	for i := range adminKeys {
		adminKeys[i] = janusAdminKey
	}
	return startGatewaysWith(t, group, adminKeys, capacities...)
}

// startGatewaysWith is startGateways with an admin_key for each gateway, which the worker may not know.
func startGatewaysWith(t *testing.T, group string, adminKeys []string, capacities ...int32) []*stack.Janus {
	t.Helper()
	cfg := sut.cfg
	cfg.Janus.Group = group
	cfg.Janus.Backends = append([]config.Backend{}, sut.cfg.Janus.Backends...)
	gateways := make([]*stack.Janus, len(capacities))
	for i, capacity := range capacities {
		ports, err := freePorts(2)
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("%s-%d", group, i+1)
		gateways[i], err = stack.StartJanus(t.Context(), stack.JanusOptions{
			Dir: filepath.Join(sut.dir, id), Port: ports[0], AdminPort: ports[1],
			AdminSecret: janusAdminSecret, AdminKey: adminKeys[i], Log: sut.log(id),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := gateways[i].Kill(); err != nil {
				t.Error(err)
			}
		})
		cfg.Janus.Backends = append(cfg.Janus.Backends, config.Backend{
			ID: id, AdminURL: gateways[i].AdminURL(), JanusURL: gateways[i].URL(), Group: group, Capacity: &capacity,
		})
	}
	file := filepath.Join(sut.dir, group+".yaml")
	if err := config.Save(file, cfg); err != nil {
		t.Fatal(err)
	}
	if err := sut.restartWorkerWith(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the gateways end
		if err := sut.restartWorkerWith(context.Background(), sut.configFile); err != nil {
			t.Fatal(err)
		}
	})
	return gateways
}

// TestTwoHundredCreatesNeverOverbookAGateway sends 200 creates to gateways with slots for 70 of them.
func TestTwoHundredCreatesNeverOverbookAGateway(t *testing.T) {
	capacities := []int32{80, 60}
	gateways := startGateways(t, "crowded", capacities...)
	classes := make([]*class, 200)
	for i := range classes {
		classes[i] = newClass(t)
		classes[i].body["reserve"] = 2
	}
	body := func(i int) any { return classes[i].body }
	replies := sendConcurrently(t, len(classes), http.MethodPost, "/api/v1/minigroups", body)
	var ready []*class
	for i, r := range replies {
		switch r.code {
		case http.StatusCreated, http.StatusAccepted:
			ready = append(ready, classes[i])
		default:
			if r.want(t, http.StatusServiceUnavailable); r.Type != "capacity_exceeded" {
				t.Fatalf("got %s", r.text)
			}
			classes[i].assertRefusedForCapacity()
		}
	}
	if len(ready) != 70 {
		t.Fatalf("%d classes were admitted, want 70", len(ready))
	}
	for _, c := range ready {
		c.awaitStatus("real-time")
	}
	shown := map[string][]int{}
	for i, gateway := range gateways {
		publishers := 0
		rooms := roomsOn(t, gateway)
		for _, of := range rooms {
			for _, n := range of {
				publishers += n
			}
		}
		const query = `
			SELECT coalesce(sum(slots), 0) FROM janus_reservation WHERE backend_id = $1 AND state = 'held'`
		var reserved int
		if err := sut.db.QueryRow(t.Context(), query, fmt.Sprintf("crowded-%d", i+1)).Scan(&reserved); err != nil {
			t.Fatal(err)
		}
		if reserved != int(capacities[i]) || publishers != reserved {
			t.Errorf("gateway %d has %d slots reserved and %d publishers in its rooms, want %d",
				i+1, reserved, publishers, capacities[i])
		}
		maps.Copy(shown, rooms)
	}
	for _, c := range ready {
		got := shown["minigroup:"+c.id.String()]
		if len(got) != 1 || len(c.openRooms(sut.event)) != 1 || len(c.openRooms(sut.conference)) != 1 {
			t.Fatalf("%s is ready, its gateway has %v", c.id, got)
		}
	}
}

// assertRefusedForCapacity asserts that a class which got no slots has failed and has no rooms.
func (c *class) assertRefusedForCapacity() {
	c.t.Helper()
	if r := c.get(); r.Status != "failed" || r.Failure.Type != "capacity_exceeded" {
		c.t.Fatalf("got %s", r.text)
	}
	c.assertNothingLeft()
}

func TestAGatewayThatIsDownGetsNoReservations(t *testing.T) {
	gateways := startGateways(t, "halved", 50, 100) // the first is fuller, so it would be chosen
	if err := gateways[0].Kill(); err != nil {
		t.Fatal(err)
	}
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		const query = `SELECT away_since IS NOT NULL FROM janus_backend WHERE id = 'halved-1'`
		var away bool
		if err := sut.db.QueryRow(t.Context(), query).Scan(&away); err != nil || !away {
			return fmt.Errorf("the gateway does not count as away: %w", err)
		}
		return nil
	})
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	if got := roomsOn(t, gateways[1])["minigroup:"+c.id.String()]; len(got) != 1 || got[0] != 8 {
		t.Fatalf("the other gateway has rooms for %v", got)
	}
	if got := c.gatewayRooms(); len(got) != 0 {
		t.Fatalf("a gateway of no group has rooms for %v", got)
	}
	t.Run("a reservation that fits on no gateway is refused", func(t *testing.T) {
		big := newClass(t)
		big.body["reserve"] = 101
		if r := big.post(); r.want(t, http.StatusServiceUnavailable).Type != "capacity_exceeded" {
			t.Fatalf("got %s", r.text)
		}
		big.assertRefusedForCapacity()
	})
}

func TestAGatewayWithAnotherKeyGetsNoReservations(t *testing.T) {
	// The first is fuller, so it is chosen until its answer shows that it is unfit.
	gateways := startGatewaysWith(t, "keys", []string{"another-key", janusAdminKey}, 50, 100)
	for range 2 {
		c := newClass(t)
		c.post().want(t, http.StatusCreated)
		if got := roomsOn(t, gateways[1])["minigroup:"+c.id.String()]; len(got) != 1 || got[0] != 8 {
			t.Fatalf("the other gateway has rooms for %v", got)
		}
	}
	var unfit bool
	var counted int
	err := sut.db.QueryRow(t.Context(), `
		SELECT unfit, (SELECT count(*) FROM janus_reservation WHERE backend_id = b.id AND state <> 'released')
		FROM janus_backend b WHERE id = 'keys-1'`).Scan(&unfit, &counted)
	if err != nil || !unfit || counted != 0 {
		t.Errorf("the gateway is unfit: %v, and %d reservations count there: %v", unfit, counted, err)
	}
}
