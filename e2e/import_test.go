package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"minigroups/auth"
	"minigroups/clients/conference"
	"minigroups/clients/event"
	"minigroups/minigroup"
)

// importAudience is the audience of the classes that are imported. No other test uses it.
const importAudience = "import.example.org"

var (
	importedClasses = flag.Int("import.classes", 200, "how many classes TestMovingInFromDispatcher imports")
	usedClasses     = flag.Int("import.used", 12, "how many of them it updates, recreates or closes")
)

// dispatcherClass is a row of dispatcher's table class.
type dispatcherClass struct {
	id, event, conference uuid.UUID
	scope                 string
	audience              string
	time                  string
	tags, properties      *string
	reserve               *int32
	host                  *string
	timedOut, established bool
	original              *uuid.UUID
	// reason is why it cannot be imported; empty if it can. closed says that it is over.
	reason string
	closed bool
}

// breakages are what dispatcher has or allows and cannot be imported, by the reason that ops gives for it.
var breakages = []struct {
	reason string
	apply  func(m *mover, c *dispatcherClass)
}{
	{"not_established", func(_ *mover, c *dispatcherClass) { c.established = false }},
	{"copy_of_another_class", func(_ *mover, c *dispatcherClass) { c.original = new(uuid.New()) }},
	{"invalid_audience", func(_ *mover, c *dispatcherClass) { c.audience = "cafe\u0301.example.org" }},
	{"invalid_scope", func(_ *mover, c *dispatcherClass) { c.scope += "e\u0301" }},
	{"invalid_scope", func(_ *mover, c *dispatcherClass) { c.scope += strings.Repeat("x", 256) }},
	{"invalid_host", func(_ *mover, c *dispatcherClass) { c.host = new("(\"(te\ncher,example.org)\",web)") }},
	{"invalid_time", func(_ *mover, c *dispatcherClass) { c.time = "empty" }},
	{"invalid_time", func(_ *mover, c *dispatcherClass) { c.time = "[2030-01-01Z,11111-01-01Z)" }},
	{"invalid_reserve", func(_ *mover, c *dispatcherClass) { c.reserve = new(int32(-1)) }},
	{"invalid_tags", func(_ *mover, c *dispatcherClass) { c.tags = new(`["a list"]`) }},
	{"invalid_properties", func(_ *mover, c *dispatcherClass) { c.properties = new(`{"": 1}`) }},
	{"event_room_gone", func(_ *mover, c *dispatcherClass) { c.event = uuid.New() }},
	{"conference_room_gone", func(_ *mover, c *dispatcherClass) { c.conference = uuid.New() }},
	{"event_room_of_another_class", func(m *mover, c *dispatcherClass) { c.event = m.eventRoom(uuid.New()) }},
	{"conference_room_of_another_class", func(m *mover, c *dispatcherClass) {
		c.conference = m.conferenceRoom(uuid.New())
	}},
	{"event_room_closed", func(m *mover, c *dispatcherClass) { m.close(m.event.CloseRoom, c.event) }},
	{"conference_room_closed", func(m *mover, c *dispatcherClass) { m.close(m.conference.CloseRoom, c.conference) }},
	{"capacity_exceeded", func(_ *mover, c *dispatcherClass) { c.reserve = new(int32(1_000_000)) }},
	{"scope_taken", func(m *mover, c *dispatcherClass) {
		r := request(m.t, http.MethodPost, "/api/v1/minigroups", map[string]any{
			"audience": c.audience, "scope": c.scope, "host": "h",
		}, "Prefer", "wait=30")
		if r.code != http.StatusCreated && r.code != http.StatusAccepted {
			m.t.Errorf("create: %d %s", r.code, r.text)
		}
	}},
}

// mover makes classes in dispatcher, with their rooms at event and conference.
type mover struct {
	*dispatcherStandIn
	event      *event.Client
	conference *conference.Client
	start      time.Time
}

func newMover(t *testing.T) *mover {
	t.Helper()
	key, err := os.ReadFile(sut.cfg.Account.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: "svc.example.org"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return &mover{
		dispatcherStandIn: newDispatcher(t), start: time.Now().Truncate(time.Second),
		event:      event.New(sut.event, http.DefaultTransport, signer.Token),
		conference: conference.New(sut.conference, http.DefaultTransport, signer.Token),
	}
}

func (m *mover) eventRoom(class uuid.UUID) uuid.UUID {
	id, err := m.event.CreateRoom(context.WithoutCancel(m.t.Context()), minigroup.NewEventRoom{
		Audience: importAudience, ClassID: class, Start: m.start.Unix(),
	})
	if err != nil {
		m.t.Error(err)
	}
	return id
}

func (m *mover) conferenceRoom(class uuid.UUID) uuid.UUID {
	id, err := m.conference.CreateRoom(context.WithoutCancel(m.t.Context()), minigroup.NewConferenceRoom{
		Audience: importAudience, ClassID: class, Start: m.start.Unix() - 7200,
	})
	if err != nil {
		m.t.Error(err)
	}
	return id
}

func (m *mover) close(do func(context.Context, uuid.UUID) error, room uuid.UUID) {
	if err := do(m.t.Context(), room); err != nil {
		m.t.Error(err)
	}
}

// class makes class number n: with and without an end, over, with a host, with properties, with slots.
func (m *mover) class(n int) *dispatcherClass {
	c := &dispatcherClass{
		id: uuid.New(), audience: importAudience, scope: fmt.Sprintf("урок %d/%%", n), established: true, time: "(,)",
		properties: new("{}"),
	}
	c.event, c.conference = m.eventRoom(c.id), m.conferenceRoom(c.id)
	at := func(hours int) string {
		return m.start.Add(time.Duration(hours) * time.Hour).UTC().Format(time.RFC3339)
	}
	switch n % 4 {
	case 1:
		c.time, c.host = "["+at(1)+","+at(2)+")", new(`("(teacher,example.org)",web)`)
		c.tags = new(fmt.Sprintf(`{"z": %d, "a": [1.50, {"b": null}]}`, n))
	case 2:
		c.time, c.closed, c.timedOut = "["+at(-2)+","+at(-1)+")", true, n%8 == 2
	case 3:
		c.time, c.properties = "["+at(-1)+",)", new(`{"layout": {"b": 1, "a": "ü"}, "a key & more": null}`)
	}
	if n%25 == 0 {
		c.reserve = new(int32(1))
	}
	return c
}

// fill writes n classes, of which one per cent, and at least one of each kind, is broken.
func (m *mover) fill(n int) (classes []*dispatcherClass) {
	m.t.Helper()
	classes = make([]*dispatcherClass, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range n {
		group.Go(func() error {
			classes[i] = m.class(i)
			return nil
		})
	}
	_ = group.Wait() // m.t has the errors
	broken := max(n/100, len(breakages))
	for i := range broken {
		c, b := classes[n-broken+i], breakages[i%len(breakages)]
		c.reason = b.reason
		c.closed, c.timedOut, c.time = false, false, "(,)"
		b.apply(m, c)
	}
	var batch pgx.Batch
	for _, c := range classes {
		batch.Queue(`
			INSERT INTO class (id, kind, audience, scope, "time", tags, properties, event_room_id, conference_room_id,
				created_at, reserve, host, timed_out, established, original_class_id)
			VALUES ($1, 'minigroup', $2, $3, $4::text::tstzrange, $5::text::json, $6::text::jsonb, $7, $8,
				'2024-02-03T04:05:06.789Z', $9, $10::text::agent_id, $11, $12, $13)`,
			c.id, c.audience, c.scope, c.time, c.tags, c.properties, c.event, c.conference, c.reserve, c.host, c.timedOut,
			c.established, c.original)
	}
	batch.Queue(`
		INSERT INTO class (kind, audience, scope, "time", event_room_id, conference_room_id)
		VALUES ('webinar', $1, 'webinar', '(,)', gen_random_uuid(), gen_random_uuid())`, importAudience)
	batch.Queue(`
		INSERT INTO account VALUES (ROW('import', 'example.org')::account_id, '{"theme": "dark"}'),
			(ROW('', 'example.org')::account_id, '{"theme": "dark"}')`)
	if err := m.db.SendBatch(m.t.Context(), &batch).Close(); err != nil {
		m.t.Fatal(err)
	}
	return classes
}

// TestMovingInFromDispatcher imports classes, compares them, works with them and exports what has changed.
func TestMovingInFromDispatcher(t *testing.T) {
	t.Parallel()
	m, n := newMover(t), *importedClasses
	classes := m.fill(n)
	reasons, good, withoutHost := map[string]int{"invalid_account": 1}, []*dispatcherClass{}, 0
	for _, c := range classes {
		if c.reason != "" {
			reasons[c.reason]++
			continue
		}
		if good = append(good, c); c.host == nil {
			withoutHost++
		}
	}
	check := func(name string, r importResult, imported, updated, unchanged int, accounts int) {
		t.Helper()
		got, want := r.Classes, [3]int{imported, updated, unchanged}
		if [3]int{got["imported"], got["updated"], got["unchanged"]} != want || !maps.Equal(r.skipped(), reasons) ||
			r.Accounts.Changed != accounts {
			t.Fatalf("%s: got %+v, want %v and skipped %v", name, r, want, reasons)
		}
	}
	timed := func(what string, do func()) {
		begin := time.Now()
		do()
		t.Logf("%s of %d classes: %s", what, n, time.Since(begin).Round(10*time.Millisecond))
	}
	var dry, first, again importResult
	timed("dry run", func() { dry = m.imports() })
	check("dry run", dry, len(good), 0, 0, 1)
	if id := m.held(good[0].scope); id != uuid.Nil || dry.Done || dry.WithoutHost != withoutHost {
		t.Fatalf("the dry run has made %s: %+v", id, dry)
	}
	timed("import", func() { first = m.imports("--yes", "--operator", "olga", "--reason", "moving in") })
	check("import", first, len(good), 0, 0, 1)
	timed("second import", func() { again = m.imports("--yes", "--reason", "again") })
	check("second import", again, 0, 0, len(good), 0)

	m.readAll(good)
	timed("compare", func() { m.mustCompare(len(good), len(classes)-len(good), 0) })
	m.use(good)

	// Classes that have changed in dispatcher since are updated, unless they have changed here, too.
	m.exec(`UPDATE class SET properties = '{"new": 1}', reserve = 2 WHERE id = ANY($1)`,
		[]uuid.UUID{good[*usedClasses].id, good[0].id})
	r := m.imports("--yes", "--reason", "again")
	reasons["changed_here"] = 1
	check("third import", r, 0, 1, len(good)-2, 0)
	m.exec(`UPDATE class SET properties = '{}', reserve = $2 WHERE id = $1`, good[0].id, good[0].reserve)

	m.exportBack(good, reasons["scope_taken"])
}

// held returns the id of the class with this scope in the ledger.
func (m *mover) held(scope string) (id uuid.UUID) {
	m.t.Helper()
	err := sut.db.QueryRow(m.t.Context(), `
		SELECT coalesce((SELECT id FROM minigroup WHERE audience = $1 AND scope = $2),
			'00000000-0000-0000-0000-000000000000')`, importAudience, scope).Scan(&id)
	if err != nil {
		m.t.Fatal(err)
	}
	return id
}

// of returns an imported class as other tests know classes.
func (m *mover) of(c *dispatcherClass) *class {
	return &class{t: m.t, audience: importAudience, scope: c.scope, id: c.id}
}

func (m *mover) mustCompare(compared, notHere, exit int) {
	m.t.Helper()
	if r, code := m.compare(); r.Compared != compared || r.NotHere != notHere || code != exit {
		m.t.Fatalf("exit code %d: %+v", code, r)
	}
}

// readAll reads every class by its id and by its scope.
func (m *mover) readAll(classes []*dispatcherClass) {
	m.t.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for _, c := range classes {
		group.Go(func() error {
			known := m.of(c)
			byID, err := send(m.t.Context(), http.MethodGet, known.path(), nil)
			if err != nil {
				return err
			}
			byScope, err := send(m.t.Context(), http.MethodGet, known.byScope(), nil)
			if err != nil {
				return err
			}
			status := map[bool]any{true: "closed", false: "real-time"}[c.closed]
			if byID.code != http.StatusOK || byID.text != byScope.text || byID.ClassID != c.id || byID.Status != status ||
				byID.RealTime.EventRoomID != c.event || byID.RealTime.ConferenceRoomID != c.conference ||
				*byID.TimedOut != c.timedOut || !strings.Contains(byID.text, `"created_at":1706933106`) {
				return fmt.Errorf("by id %s\nby scope %s", byID.text, byScope.text)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		m.t.Fatal(err)
	}
}

// use updates, recreates and closes some classes, which keep their ids. Each has its slots on the gateway.
func (m *mover) use(classes []*dispatcherClass) {
	m.t.Helper()
	t := m.t
	soon := time.Now().Unix() + 600
	var work errgroup.Group
	work.SetLimit(12)
	for i, c := range classes[:min(*usedClasses, len(classes))] {
		work.Go(func() error {
			known := m.of(c)
			switch {
			case c.closed:
				r := known.recreate(map[string]any{"time": []int64{soon, soon + 60}})
				if r.code != http.StatusOK || r.ClassID != c.id || r.Status != "real-time" || r.RealTime.EventRoomID == c.event {
					t.Errorf("recreate: %s", r.text)
				}
			case i%2 == 0:
				if r := known.put(windowAndReserve(soon, soon+60, 3)); r.code != http.StatusOK || *r.Time[0] != soon {
					t.Errorf("update: %s", r.text)
				}
			default:
				end := time.Now().Unix() - 1
				if r := known.put(window(end-1, end)); r.code != http.StatusOK || r.Status != "closed" {
					t.Errorf("close: %s", r.text)
				}
			}
			return nil
		})
	}
	_ = work.Wait() // the errors are those of the test
	if t.Failed() {
		t.FailNow()
	}
	// A create of the scope of an imported class is one of any existing class.
	request(t, http.MethodPost, "/api/v1/minigroups", map[string]any{
		"audience": importAudience, "scope": classes[0].scope, "host": "h",
	}).want(t, http.StatusConflict)
	ops(t, nil, "show", importAudience, classes[0].scope).
		want(t, 0, classes[0].id.String(), "imported", "olga", "moving in")
	i := len(classes) - 1
	for ; classes[i].reserve == nil || classes[i].closed; i-- {
	}
	reserved := m.of(classes[i])
	eventually(t, func() error {
		ops(t, nil, "sweep", "gateways").want(t, 0)
		if got := reserved.gatewayRooms(); len(got) != 1 || got[0] != 1 {
			return fmt.Errorf("the gateway has %v for the imported class", got)
		}
		return nil
	})
}

// exportBack writes what was changed and created here to dispatcher, and compares both.
func (m *mover) exportBack(classes []*dispatcherClass, scopesTaken int) {
	m.t.Helper()
	t := m.t
	created := request(t, http.MethodPost, "/api/v1/minigroups", map[string]any{
		"audience": importAudience, "scope": "created here", "host": "web.teacher.example.org",
		"tags": map[string]any{"a": 1}, "properties": map[string]any{"p": 1},
	}).want(t, http.StatusCreated)
	if dry := m.exports(); dry.Classes["exported"] != 1 || dry.Classes["updated"] != *usedClasses || dry.Done {
		t.Fatalf("dry run: %+v", dry)
	}
	// The scopes of some classes here belong to others there.
	want := map[string]int{"scope_taken": scopesTaken}
	done := m.exports("--yes", "--reason", "back")
	if done.Classes["exported"] != 1 || done.Classes["updated"] != *usedClasses || !maps.Equal(done.skipped(), want) {
		t.Fatalf("export: %+v", done)
	}
	if again := m.exports("--yes", "--reason", "back"); again.Classes["exported"]+again.Classes["updated"] != 0 {
		t.Fatalf("second export: %+v", again)
	}
	var host, tags, properties string
	err := m.db.QueryRow(t.Context(), `
		SELECT host::text, tags::text, properties::text FROM class WHERE id = $1 AND kind = 'minigroup' AND established`,
		created.ClassID).Scan(&host, &tags, &properties)
	if err != nil || host != `("(teacher,example.org)",web)` || tags != `{"a": 1}` || properties != `{"p": 1}` {
		t.Errorf("exported as %s, %s, %s, %v", host, tags, properties, err)
	}
	r, code := m.compare()
	if code != 0 || len(r.Differences) != 0 || r.ChangedHere != 0 {
		t.Errorf("after the export, the services differ: %+v", r)
	}
	// The way to this service is open again.
	m.exec(`UPDATE class SET properties = '{"back": 1}' WHERE id = $1`, classes[0].id)
	if again := m.imports("--yes", "--audience", importAudience); again.Classes["updated"] != 1 {
		t.Errorf("the import after the export: %+v", again)
	}

	m.exec(`UPDATE class SET timed_out = NOT timed_out, properties = '{"p": 2}' WHERE id = $1`, created.ClassID)
	if r, code := m.compare(); code != 1 || len(r.Differences) != 2 || r.Differences[0].ClassID != created.ClassID {
		t.Errorf("a difference is not found: %+v", r)
	}
}
