package storage_test

import (
	"errors"
	"testing"
	"time"

	"minigroups/minigroup"
	"minigroups/storage"
)

func TestTheStateOfAGateway(t *testing.T) {
	l := newLedger(t, 20)
	load := func() minigroup.BackendLoad {
		t.Helper()
		loads, err := l.BackendLoads(t.Context())
		if err != nil || len(loads) != 1 {
			t.Fatalf("got %+v, %v", loads, err)
		}
		return loads[0]
	}
	if b := load(); !b.AwaySince.IsZero() || b.State != (minigroup.GatewayState{}) {
		t.Fatalf("a new gateway is away: %+v", b)
	}
	var since time.Time
	for _, state := range []minigroup.GatewayState{
		{Reason: "no answer"}, {Reason: "no answer"}, {Reason: "wrong admin_key", Unfit: true},
	} {
		l.must(l.RecordGateway(t.Context(), "janus-1", state))
		b := load()
		if since.IsZero() {
			since = b.AwaySince
		}
		if b.AwaySince.IsZero() || !b.AwaySince.Equal(since) || b.State != state {
			t.Errorf("%+v is recorded as %+v, away since %s, before %s", state, b.State, b.AwaySince, since)
		}
		l.gateways(20) // as cmd/migrate does
	}
	l.must(l.RecordGateway(t.Context(), "janus-1", minigroup.GatewayState{}))
	if b := load(); !b.AwaySince.IsZero() || b.State != (minigroup.GatewayState{}) {
		t.Errorf("a gateway that answers well is away: %+v", b)
	}
}

func TestDrain(t *testing.T) {
	l := newLedger(t, 20, 20)
	drain := func(yes bool) {
		t.Helper()
		l.must(l.Drain(t.Context(), "janus-1", yes))
	}
	load := func() minigroup.BackendLoad {
		t.Helper()
		loads, err := l.BackendLoads(t.Context())
		if err != nil || len(loads) != 2 {
			t.Fatalf("got %+v, %v", loads, err)
		}
		return loads[0]
	}
	l.reserve(8, hours(10, 12))
	d := named("kept")
	d.Time, d.Reserve = hours(10, 12), new(int32(4))
	m := l.ready("run-1", d)
	b := load()
	if b.ID != "janus-1" || b.Live != 2 || b.Peak != 12 || !b.Enabled || !b.DrainingSince.IsZero() {
		t.Fatalf("got %+v", b)
	}
	drain(true)
	since := load().DrainingSince
	l.gateways(20, 20) // as cmd/migrate does
	drain(true)
	if since.IsZero() || !load().DrainingSince.Equal(since) {
		t.Fatalf("draining since %s, then %s", since, load().DrainingSince)
	}
	if _, kind := l.reserve(20, hours(10, 12)); kind != "" {
		t.Errorf("a class is refused by the other gateway: %s", kind)
	}
	if _, kind := l.reserve(1, hours(10, 12)); kind != minigroup.CapacityExceeded {
		t.Errorf("the draining gateway gets a class: %q", kind)
	}
	more := minigroup.UpdatePlan{Time: m.Time, Host: m.Host, Reserve: new(int32(6))}
	if _, err := l.tryUpdate("run-1", m, more); err != nil {
		t.Errorf("a class of the draining gateway gets no more slots: %v", err)
	}
	if b := load(); b.Live != 2 || b.Peak != 14 {
		t.Errorf("got %+v", b)
	}
	drain(false)
	if !load().DrainingSince.IsZero() {
		t.Fatal("it is still draining")
	}
	if _, kind := l.reserve(6, hours(10, 12)); kind != "" {
		t.Errorf("it gets no classes again: %s", kind)
	}
	if err := l.Drain(t.Context(), "janus-9", true); !errors.Is(err, storage.ErrNoBackend) {
		t.Errorf("got %v", err)
	}
}
