package workflows_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"minigroups/activities"
	"minigroups/clients/janus"
	"minigroups/clients/rest"
	"minigroups/minigroup"
	"minigroups/sandbox"
)

var gatewaySecrets = janus.Config{AdminSecret: "admin-secret", AdminKey: "admin-key", RoomKey: "room-key"}

// unfitGateways answer every request in a way for which this service is not the cause.
var unfitGateways = map[string]struct {
	handler http.Handler
	// reason is part of the recorded reason.
	reason string
	// doubtful says that the answer does not exclude that a room was made.
	doubtful bool
}{
	"another admin_secret": {
		handler: sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: "other", AdminKey: "admin-key"}).Admin(), reason: "403",
	},
	"another admin_key": {
		handler: sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: "admin-secret", AdminKey: "other"}).Admin(),
		reason:  "433",
	},
	"numbers as ids of rooms": {
		handler: sandbox.NewJanus(sandbox.JanusConfig{
			AdminSecret: "admin-secret", AdminKey: "admin-key", NumericIDs: true,
		}).Admin(),
		reason: "430",
	},
	"the status 403":        {handler: answerWith(http.StatusForbidden, "forbidden"), reason: "403"},
	"HTML":                  {handler: answerWith(http.StatusOK, "<html>"), reason: "decode reply", doubtful: true},
	"JSON of another shape": {handler: answerWith(http.StatusOK, "{}"), reason: "check reply", doubtful: true},
	"the status 500":        {handler: answerWith(http.StatusInternalServerError, ""), reason: "500", doubtful: true},
}

func answerWith(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// gatewayServer is a gateway of a harness whose behaviour can be replaced.
type gatewayServer struct {
	handler  atomic.Pointer[http.Handler]
	requests atomic.Int32
}

func (g *gatewayServer) behaveAs(h http.Handler) { g.handler.Store(&h) }

// workWell makes the gateway answer as it should. It has no rooms then.
func (g *gatewayServer) workWell() {
	g.behaveAs(sandbox.NewJanus(sandbox.JanusConfig{AdminSecret: "admin-secret", AdminKey: "admin-key"}).Admin())
}

// useGateways makes a harness use gateways over HTTP, with these capacities. All of them work well.
func (s *harness) useGateways(capacities ...int32) []*gatewayServer {
	s.Helper()
	s.setCapacities(capacities...)
	transport := rest.NewTransport()
	s.Cleanup(transport.CloseIdleConnections)
	s.acts.Janus = janus.New(gatewaySecrets, transport)
	gateways := make([]*gatewayServer, len(capacities))
	for i := range gateways {
		g := &gatewayServer{}
		g.workWell()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.requests.Add(1)
			(*g.handler.Load()).ServeHTTP(w, r)
		}))
		s.Cleanup(server.Close)
		_, err := s.db.Exec(s.Context(), `UPDATE janus_backend SET admin_url = $2 WHERE id = $1`,
			s.backend(i+1), server.URL+"/admin")
		if err != nil {
			s.Fatal(err)
		}
		gateways[i] = g
	}
	return gateways
}

// sweepAllGateways sweeps the gateways. Reservations are swept however young they are.
func (s *harness) sweepAllGateways(rooms activities.GatewayRooms, l activities.SweepLedger) activities.SweptGateways {
	s.Helper()
	_, err := s.db.Exec(s.Context(), `UPDATE janus_reservation SET changed_at = changed_at - interval '1 hour'`)
	if err != nil {
		s.Fatal(err)
	}
	sweeper := activities.Sweeper{Ledger: l, Rooms: rooms, Steps: s.acts, Budget: deadline, Count: func(string, int) {}}
	swept, err := sweeper.SweepGateways(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return swept
}

// load is a gateway's entry on the ledger.
func (s *harness) load(number int) minigroup.BackendLoad {
	s.Helper()
	loads, err := s.ledger.BackendLoads(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(loads, func(b minigroup.BackendLoad) bool { return b.ID == s.backend(number) })
	return loads[i]
}

func TestCreateWhoseGatewayIsUnfit(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, unfit := range unfitGateways {
		t.Run(name+": the class is placed on another gateway at once", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			gateways := s.useGateways(20, 30) // the fullest gateway with enough slots is chosen
			gateways[0].behaveAs(unfit.handler)
			p := s.create("run-1", d)
			if p.err != nil || len(p.retried) > 0 {
				t.Fatalf("the run retried %v, and ended with %v", p.retried, p.err)
			}
			first, second := s.load(1), s.load(2)
			if second.Live != 1 || second.Peak != 8 || !second.AwaySince.IsZero() {
				t.Errorf("the other gateway: %+v", second)
			}
			if first.AwaySince.IsZero() || !first.State.Unfit || !strings.Contains(first.State.Reason, unfit.reason) {
				t.Errorf("the unfit gateway is recorded as %+v", first)
			}
			if counted := first.Live != 0; counted != unfit.doubtful {
				t.Errorf("%d reservations count on the unfit gateway", first.Live)
			}
			requests := gateways[0].requests.Load()
			if p := s.create("run-2", newDraft()); p.err != nil || gateways[0].requests.Load() != requests {
				t.Errorf("the next create ended with %v, after %d requests to the unfit gateway",
					p.err, gateways[0].requests.Load()-requests)
			}
		})
		t.Run(name+": a create that fits on no other gateway waits until it is repaired", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			gateways := s.useGateways(10, 7)
			gateways[0].behaveAs(unfit.handler)
			attempts := 0
			p := s.create("run-1", d, hook{activity: "ReserveSlots", before: func(context.Context, func()) bool {
				if attempts++; attempts == 1+attemptsBeforeAttention+1 {
					gateways[0].workWell()
				}
				return true
			}})
			if p.err != nil || !slices.Contains(p.waiting, "janus") {
				t.Fatalf("the run waited for %q and ended with %v", p.waiting, p.err)
			}
			if b := s.load(1); b.Live != 1 || b.Peak != 8 {
				t.Errorf("got %+v", b)
			}
		})
		t.Run(name+": a create that waits moves when another gateway is repaired", func(t *testing.T) {
			t.Parallel()
			// A database of its own, because the sweep includes all gateways.
			s, d := newDatabase(t).newHarness(t), newDraft()
			gateways := s.useGateways(10, 20) // it moves from the first to the second, and waits there
			gateways[0].behaveAs(unfit.handler)
			gateways[1].behaveAs(unfit.handler)
			rooms := s.acts.Janus.(activities.GatewayRooms) //nolint:forcetypeassert // the client of useGateways
			attempts := 0
			p := s.create("run-1", d, hook{activity: "ReserveSlots", before: func(context.Context, func()) bool {
				if attempts++; attempts == 3 {
					gateways[0].workWell()
					s.sweepAllGateways(rooms, s.ledger) //nolint:contextcheck // the context of the hook is that of the activity
				}
				return true
			}})
			if p.err != nil || attempts != 3 {
				t.Fatalf("the run ended with %v after %d attempts", p.err, attempts)
			}
			if b := s.load(1); b.State.Unfit || b.Live != 1 {
				t.Errorf("the gateway that was repaired: %+v", b)
			}
		})
		t.Run(name+": a create that is cancelled while it waits leaves no slots without doubt", func(t *testing.T) {
			t.Parallel()
			s, d := db.newHarness(t), newDraft()
			gateways := s.useGateways(10)
			gateways[0].behaveAs(unfit.handler)
			attempts := 0
			p := s.create("run-1", d, hook{activity: "ReserveSlots", before: func(_ context.Context, cancel func()) bool {
				if attempts++; attempts == 3 {
					cancel()
				}
				return true
			}})
			if !p.cancelled() {
				t.Fatalf("the run ended with %v", p.err)
			}
			if counted := s.load(1).Live != 0; counted != unfit.doubtful {
				t.Errorf("%d reservations count", s.load(1).Live)
			}
		})
	}
	t.Run("the room of another owner is refused, and the gateway is not unfit", func(t *testing.T) {
		t.Parallel()
		s, d := db.newHarness(t), newDraft()
		gateways := s.useGateways(20, 30)
		gateways[0].behaveAs(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			code := "433"
			if strings.Contains(string(body), `"request":"create"`) {
				code = "427"
			}
			_, after, _ := strings.Cut(string(body), `"transaction":"`)
			transaction, _, _ := strings.Cut(after, `"`)
			_, _ = io.WriteString(w, `{"janus":"success","transaction":"`+transaction+
				`","response":{"videoroom":"event","error_code":`+code+`}}`)
		}))
		p := s.create("run-1", d)
		if p.kind() != minigroup.UpstreamRefused || s.load(1).State.Unfit || s.load(2).Live != 0 {
			t.Errorf("the run ended with %v, the gateway is %+v", p.err, s.load(1))
		}
	})
}

func TestSweepRecordsUnfitGateways(t *testing.T) {
	t.Parallel()
	for name, unfit := range unfitGateways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := newDatabase(t).newHarness(t), newDraft()
			gateways := s.useGateways(10)
			rooms := s.acts.Janus.(activities.GatewayRooms) //nolint:forcetypeassert // the client of useGateways
			if p := s.create("run-1", d); p.err != nil {
				t.Fatal(p.err)
			}
			gateways[0].behaveAs(unfit.handler)
			swept := s.sweepAllGateways(rooms, s.ledger)
			b := s.load(1)
			if !slices.Equal(swept.Away, []string{s.backend(1)}) || !b.State.Unfit ||
				!strings.Contains(b.State.Reason, unfit.reason) {
				t.Fatalf("the sweep returned %+v, and recorded %+v", swept, b)
			}
			// The class ends. Its room was made, so its slots count until the gateway confirms that it is gone.
			s.endClass(classID(d))
			s.sweepAllGateways(rooms, s.ledger)
			if s.load(1).Live != 1 {
				t.Error("slots of a room that was made were released without the gateway")
			}
			gateways[0].workWell()
			swept = s.sweepAllGateways(rooms, s.ledger)
			if b := s.load(1); len(swept.Away) > 0 || swept.Removed != 1 || !b.AwaySince.IsZero() || b.Live != 0 {
				t.Errorf("after its repair the sweep returned %+v, and recorded %+v", swept, b)
			}
		})
	}
	t.Run("slots of an undone create count until the sweep releases them", func(t *testing.T) {
		t.Parallel()
		s, d := newDatabase(t).newHarness(t), newDraft()
		gateways := s.useGateways(10)
		gateways[0].behaveAs(unfitGateways["another admin_key"].handler)
		rooms := s.acts.Janus.(activities.GatewayRooms) //nolint:forcetypeassert // the client of useGateways
		if err := s.execute("run-1", s.acts.BeginCreate, requestOf(d)); err != nil {
			t.Fatal(err)
		}
		in := activities.BeginUndoInput{ClassID: classID(d)}
		if err := s.execute("run-1", s.acts.BeginUndo, in); err != nil {
			t.Fatal(err)
		}
		swept := s.sweepAllGateways(rooms, s.ledger)
		if b := s.load(1); swept.Removed != 1 || swept.Failed != 0 || b.Live != 0 || !b.State.Unfit {
			t.Errorf("the sweep returned %+v, and recorded %+v", swept, b)
		}
	})
}

// endClass ends a class, as the event does that conference has closed its room.
func (s *harness) endClass(classID uuid.UUID) {
	s.Helper()
	m, err := s.ledger.ByID(s.Context(), classID)
	if err != nil {
		s.Fatal(err)
	}
	closed := minigroup.ClosedRoom{ID: m.ConferenceRoomID, ClassID: m.ID, Audience: m.Audience}
	_, err = s.ledger.RecordRoomEvents(s.Context(), minigroup.RoomEvents{Closed: []minigroup.ClosedRoom{closed}})
	if err != nil {
		s.Fatal(err)
	}
}
