package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/bench/report"
	"minigroups/sandbox"
)

func TestReadLimits(t *testing.T) {
	const metrics = `# HELP minigroups_service_limit Requests that this worker may have in flight at present.
# TYPE minigroups_service_limit gauge
minigroups_service_limit{service="conference"} 2
minigroups_service_limit{service="event"} 4
minigroups_service_in_flight_requests{service="conference"} 1
minigroups_service_waiting_requests{service="conference"} 1.28e+02
minigroups_service_waiting_requests{service="event"} 7
minigroups_service_paused_audiences{service="conference"} 1
minigroups_lost_attempts{kind="conference"} 9
process_open_fds 12
`
	for service, want := range map[string]report.Point{
		"conference": {Limit: 2, InFlight: 1, Waiting: 128, Paused: 1},
		"event":      {Limit: 4, Waiting: 7},
		"gateway":    {},
	} {
		if got, err := readLimits(strings.NewReader(metrics), service); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", service, got, err)
		}
	}
	if _, err := readLimits(strings.NewReader(`minigroups_service_limit{service="event"} many`), "event"); err == nil {
		t.Error("a value that is no number is accepted")
	}
}

func TestRecovered(t *testing.T) {
	ms := func(d int) time.Duration { return time.Duration(d) * time.Millisecond }
	times := func(n, each int) []time.Duration { return slices.Repeat([]time.Duration{ms(each)}, n) }
	before := []time.Duration{ms(10), ms(8), ms(90)} // the median is 10 ms
	for name, c := range map[string]struct {
		latest []time.Duration
		want   bool
	}{
		"as fast as before":             {times(10, 10), true},
		"a quarter slower":              {times(10, 12), true},
		"slower":                        {times(10, 13), false},
		"too few":                       {times(9, 1), false},
		"slow ones longer ago":          {slices.Concat(times(2, 500), times(10, 9)), true},
		"most of the latest are slow":   {slices.Concat(times(10, 1), times(6, 40)), false},
		"a single slow one among them":  {slices.Concat(times(9, 9), times(1, 500)), true},
		"no create has succeeded since": {nil, false},
	} {
		if got := recovered(c.latest, before); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestRemains(t *testing.T) {
	held, unknown, closed := uuid.New(), uuid.New(), uuid.New()
	rooms := []sandbox.Room{{ID: held, Open: true}, {ID: unknown, Open: true}, {ID: closed}}
	if n := orphansAmong(rooms, map[uuid.UUID]bool{held: true}); n != 1 {
		t.Errorf("%d orphans, want the open room that no class holds", n)
	}
	before := remains{ready: 1, failed: 2, lost: 3, orphans: 4, refused: 5}
	after := remains{ready: 9, failed: 8, lost: 7, orphans: 6, refused: 5}
	if got, want := after.since(before), (remains{ready: 8, failed: 6, lost: 4, orphans: 2}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestServiceTasks(t *testing.T) {
	for _, quick := range []bool{false, true} {
		b := newBench(options{seed: 7, quick: quick, selects: report.Service})
		tasks, err := b.tasks()
		if err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for _, c := range names(tasks) {
			subjects = append(subjects, c.Group+", "+c.Subject)
		}
		if slices.Sort(subjects); len(slices.Compact(subjects)) != 1 || len(names(tasks)) != 9 {
			t.Errorf("quick %t: cells %+v", quick, names(tasks))
		}
		last := b.order(tasks, 0)[len(tasks)-1]
		if last.cells[0].Work != report.SlowThenFrozen && !quick {
			t.Errorf("the outage, which runs once, does not run last: %+v", last.cells)
		}
		if _, duration := b.extent(tasks); quick && duration > 90*time.Second {
			t.Errorf("a quick run takes %s", duration)
		}
	}
}
