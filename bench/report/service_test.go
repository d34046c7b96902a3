package report

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// overloads is a run of three rounds, in one of which 256 callers lost two attempts and waited three seconds.
func overloads() Run {
	r := Run{Rounds: 3, DefaultTemporal: PostgreSQL}
	add := func(c Cell, round int, values map[string]float64) {
		r.Samples = append(r.Samples, Sample{Cell: c, Round: round, Values: values})
	}
	for _, callers := range Callers() {
		c := ServiceCell(Create, callers)
		r.Cells = append(r.Cells, c)
		for round := range 3 {
			lost, recovery := 0.0, 0.5
			if round == 1 && callers == 256 {
				lost, recovery = 2, 3
			}
			add(c, round, map[string]float64{
				Throughput: 100, P50: 80, P99: 200, LostAttempts: lost, Orphans: 0, Recovery: recovery,
			})
		}
	}
	outage := ServiceCell(SlowThenFrozen, 0)
	r.Cells = append(r.Cells, outage)
	r.Samples = append(r.Samples, Sample{
		Cell: outage, Round: 2, Values: map[string]float64{Orphans: 0, Unfinished: 0, LongestWait: 1.5},
		Timeline: &Timeline{
			Creates: 500, SlowSeconds: 1, Marks: []Mark{{Seconds: 5, Text: "slow & late"}},
			Points: []Point{{InFlight: 1, Limit: 6}, {Seconds: 10, InFlight: 4, Waiting: 90, Limit: 3, Paused: 1}},
		},
	})
	return r
}

func TestServiceGoals(t *testing.T) {
	results := map[string]string{}
	for _, v := range overloads().Verdicts() {
		results[v.Description] = v.Result()
	}
	for goal, want := range map[string]string{
		"overload of a service: creates per second, 256 callers ÷ 8":                                        "met",
		"overload of a service, 8 to 256 callers: attempts lost, most in a round":                           "missed",
		"overload of a service, 8 to 256 callers: rooms of no class, most in a round":                       "met",
		"overload of a service, 8 to 256 callers: until creates of 1 client are as fast as before, longest": "missed",
		"conference slow, then frozen: rooms of no class, and classes and rooms unfinished":                 "met",
		"p99, 2 callers: create beside 128 callers of another audience ÷ alone":                             "not measured",
	} {
		if results[goal] != want {
			t.Errorf("%s: %q, want %s", goal, results[goal], want)
		}
	}
	t.Run("without one of the loads the sums are not measured", func(t *testing.T) {
		r := overloads()
		r.Samples = r.Samples[3:] // without 8 callers
		for _, v := range r.Verdicts() {
			if strings.HasPrefix(v.Description, "overload of a service") && v.Measured {
				t.Errorf("%s: measured", v.Description)
			}
		}
	})
}

func TestServiceTables(t *testing.T) {
	var text strings.Builder
	for _, table := range overloads().Tables() {
		if err := table.WriteText(&text); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"Overload of a service", "0.50 [0.50–3.00]", "newcomers, longest wait, s"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing:\n%s", want, text.String())
		}
	}
	// The attempts lost are the sum of the rounds.
	const row = "create 256 100 [100–100] 80.0 [80.0–80.0] 200 [200–200] 2 0 0 0.50 [0.50–3.00] 0"
	var rows []string
	for line := range strings.Lines(text.String()) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	if !slices.Contains(rows, row) {
		t.Errorf("no row %q:\n%s", row, text.String())
	}
}

func TestTimeline(t *testing.T) {
	timeline := overloads().Timeline()
	if timeline == nil || timeline.MostInFlight() != 4 {
		t.Fatalf("got %+v", timeline)
	}
	if (Run{}).Timeline() != nil {
		t.Error("a run without an outage has a timeline")
	}
	var plot strings.Builder
	if err := timeline.WriteSVG(&plot); err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(strings.NewReader(plot.String()))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v:\n%s", err, plot.String())
		}
	}
	// In flight: 1 of at most 6 at the beginning, 4 of 6 at the right edge. The value stays until the next point.
	for _, want := range []string{"500 creates", "slow &amp; late", "M60.0 185.0H840.0V110.0"} {
		if !strings.Contains(plot.String(), want) {
			t.Errorf("%q is missing:\n%s", want, plot.String())
		}
	}
}
