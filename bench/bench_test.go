package main

import (
	"context"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"minigroups/bench/report"
	"minigroups/bench/rivals"
	"minigroups/minigroup"
	"minigroups/storage/storagetest"
)

func TestMain(m *testing.M) { os.Exit(storagetest.Main(m)) }

func names(tasks []task) (cells []report.Cell) {
	for _, t := range tasks {
		cells = append(cells, t.cells...)
	}
	return cells
}

func TestOrder(t *testing.T) {
	b := newBench(options{seed: 7})
	tasks, err := b.tasks()
	if err != nil {
		t.Fatal(err)
	}
	first, second := names(b.order(tasks, 0)), names(b.order(tasks, 1))
	if again := names(b.order(tasks, 0)); !reflect.DeepEqual(again, first) {
		t.Error("the same seed gives another order")
	}
	if reflect.DeepEqual(second, first) {
		t.Error("the second round has the order of the first")
	}
	byText := func(a, b report.Cell) int {
		return slices.Compare([]string{a.Group, a.Subject, a.Work}, []string{b.Group, b.Subject, b.Work})
	}
	all := names(tasks)
	for _, cells := range [][]report.Cell{first, second, all} {
		slices.SortStableFunc(cells, func(a, b report.Cell) int {
			return slices.Compare([]int{a.Clients, a.DelayMS, byText(a, b)}, []int{b.Clients, b.DelayMS, 0})
		})
	}
	if !reflect.DeepEqual(first, all) || !reflect.DeepEqual(second, all) {
		t.Error("an order lacks a cell or has it twice")
	}
	t.Run("cells that a goal compares stay together", func(t *testing.T) {
		var positions []int
		for i, c := range names(b.order(tasks, 2)) {
			if c.Group == report.Writes && c.Work == report.Create && c.Clients == 32 {
				positions = append(positions, i)
			}
		}
		// The block also has updates and failing creates.
		if last := len(positions) - 1; last < 1 || positions[last]-positions[0] > last+2 {
			t.Errorf("creates by 32 clients are at %v", positions)
		}
	})
}

// TestEveryGoalIsMeasured fails if a goal refers to a cell that no task has.
func TestEveryGoalIsMeasured(t *testing.T) {
	b := newBench(options{seed: 7})
	tasks, err := b.tasks()
	if err != nil {
		t.Fatal(err)
	}
	r := report.Run{Rounds: 1, DefaultTemporal: b.defaultTemporal}
	for _, c := range names(tasks) {
		values := map[string]float64{}
		for _, name := range []string{
			report.Throughput, report.P50, report.P99, report.ResidentTotal, report.LostAttempts, report.Orphans,
			report.Recovery, report.Unfinished,
		} {
			values[name] = 1
		}
		for _, part := range report.Parts() {
			values[report.CPUPerRequest+part] = 1
		}
		r.Samples = append(r.Samples, report.Sample{Cell: c, Values: values})
	}
	for _, v := range r.Verdicts() {
		if !v.Measured {
			t.Errorf("%s: not measured", v.Description)
		}
	}
}

func TestDataset(t *testing.T) {
	const rows = 50
	store, conn := storagetest.New(t)
	backends := []minigroup.Backend{{ID: "gateway", AdminURL: "http://127.0.0.1"}}
	if err := store.SyncBackends(t.Context(), backends); err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), conn.Config().ConnString(), rows); err != nil {
		t.Fatal(err)
	}
	t.Run("the product reads each class as ready, and most as closed", func(t *testing.T) {
		closed := 0
		for n := range rows {
			m, err := store.ByID(t.Context(), minigroup.NewClassID(datasetAudience, datasetScope(n)))
			if err != nil || m.State != minigroup.Ready || m.Fingerprint != minigroup.NewCreateRequest(m.Draft).Fingerprint {
				t.Fatalf("%+v, %v", m, err)
			}
			if m.Status(time.Now().Unix()) == minigroup.StatusClosed {
				closed++
			}
		}
		if closed < rows*9/10 || closed == rows {
			t.Errorf("%d of %d are closed", closed, rows)
		}
	})
	t.Run("the sweeper finds nothing to do", func(t *testing.T) {
		sagas, err := store.OpenSagas(t.Context(), 0, rows)
		rooms, roomsErr := store.StaleClosings(t.Context(), 0, rows)
		if errors.Join(err, roomsErr) != nil || len(sagas) > 0 || len(rooms) > 0 {
			t.Errorf("%v, %v, %v, %v", sagas, rooms, err, roomsErr)
		}
	})
	t.Run("each class holds two rooms, and slots until it is closed", func(t *testing.T) {
		var held, live int
		err := conn.QueryRow(context.WithoutCancel(t.Context()), `
			SELECT (SELECT count(*) FROM room_attempt a JOIN minigroup m
					ON a.class_id = m.id AND a.room_id IN (m.event_room_id, m.conference_room_id) AND a.state = 'held'),
				(SELECT count(*) FROM janus_reservation r JOIN minigroup m
					ON r.class_id = m.id WHERE (r.state = 'held') = (m.closed_at IS NULL))`).Scan(&held, &live)
		if err != nil || held != 2*rows || live != rows {
			t.Errorf("%d rooms, %d reservations, %v", held, live, err)
		}
	})
	t.Run("the lists that are measured find classes", func(t *testing.T) {
		of := minigroup.ListFilter{Audience: datasetAudience, Host: datasetHost(7)}
		page, err := store.ListMinigroups(t.Context(), of, nil, rows)
		if err != nil || len(page.Minigroups) != 1 || page.Minigroups[0].Scope != datasetScope(7) {
			t.Errorf("of a host: %+v, %v", page, err)
		}
		of = minigroup.ListFilter{Audience: datasetAudience, Status: minigroup.StatusRealTime}
		page, err = store.ListMinigroups(t.Context(), of, nil, rows)
		if err != nil || len(page.Minigroups) == 0 || len(page.Minigroups) > rows/10 {
			t.Errorf("ready: %d, %v", len(page.Minigroups), err)
		}
	})
	t.Run("one query per read returns the same", func(t *testing.T) {
		pool := storePool(t, conn.Config().ConnString())
		id := minigroup.NewClassID(datasetAudience, datasetScope(rows-1))
		want, err := store.ByID(t.Context(), id)
		got, gotErr := rivals.Lookup{Pool: pool}.Read(t.Context(), minigroup.ByID(id))
		if errors.Join(err, gotErr) != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v, %v", got, gotErr, want, err)
		}
		_, err = rivals.Lookup{Pool: pool}.Read(t.Context(), minigroup.ByScope(datasetAudience, "nothing"))
		var none *minigroup.Error
		if !errors.As(err, &none) || none.Kind != minigroup.ClassNotFound {
			t.Errorf("an unknown id: %v", err)
		}
	})
}

func TestPGBenchOutput(t *testing.T) {
	values, err := pgbenchOutput{text: `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
number of clients: 32
number of transactions actually processed: 44444
number of failed transactions: 0 (0.000%)
latency average = 1.440 ms
initial connection time = 30.123 ms
tps = 22222.345678 (without initial connection time)
`}.values()
	if err != nil || values[report.Throughput] != 22222.345678 || values[report.Responses] != 44444 {
		t.Errorf("got %v, %v", values, err)
	}
	if _, err := (pgbenchOutput{text: "pgbench: error: connection refused"}).values(); err == nil {
		t.Error("an output without figures is accepted")
	}
}

func TestDatabaseOf(t *testing.T) {
	if got, want := databaseOf("product, 500 sagas stuck"), "product__500_sagas_stuck"; got != want {
		t.Errorf("got %s", got)
	}
}

func storePool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
