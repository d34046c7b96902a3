package report

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(n+1))
	}
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{[]time.Duration{1, 2, 3}, 0.5, 2},
		{[]time.Duration{7}, 0.99, 7},
		{[]time.Duration{7}, 0, 7},
		{nil, 0.5, 0},
	} {
		if got := Quantile(c.of, c.q); got != c.want {
			t.Errorf("quantile %g of %d values: got %d, want %d", c.q, len(c.of), got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3, 1, 2}, Spread{2, 1, 3, 3}},
		{[]float64{4, 1, 2, 3}, Spread{2.5, 1, 4, 4}},
		{[]float64{5}, Spread{5, 5, 5, 1}},
	} {
		if got, ok := spread(c.values); got != c.want || !ok {
			t.Errorf("%v: got %+v", c.values, got)
		}
	}
	if _, ok := spread(nil); ok {
		t.Error("of nothing there is a spread")
	}
}

// creates are samples of creates by 32 clients, whose throughput is given round by round; 0 is not measured.
func creates(subject string, perSecond ...float64) (samples []Sample) {
	for round, value := range perSecond {
		if value > 0 {
			samples = append(samples, Sample{
				Cell: Cell{Writes, subject, Create, 32, 0}, Round: round, Values: map[string]float64{PerSecond: value, P50: 1000 / value},
			})
		}
	}
	return samples
}

func TestRatiosAreThoseWithinARound(t *testing.T) {
	// The machine is ten times as fast in the second round. The ratio of the medians would be 1.
	r := Run{Rounds: 3, Samples: append(creates(Product, 10, 200, 15), creates(Plain, 5, 100, 15)...)}
	product, plain := Cell{Writes, Product, Create, 32, 0}, Cell{Writes, Plain, Create, 32, 0}
	got, ok := r.of(over(value(product, PerSecond), value(plain, PerSecond)))
	if want := (Spread{2, 1, 2, 3}); got != want || !ok {
		t.Errorf("got %+v, want %+v", got, want)
	}
	t.Run("a round that lacks one of both counts for neither", func(t *testing.T) {
		r := Run{Rounds: 3, Samples: append(creates(Product, 10, 0, 30), creates(Plain, 5, 1, 0)...)}
		got, ok := r.of(over(value(product, PerSecond), value(plain, PerSecond)))
		if want := (Spread{2, 2, 2, 1}); got != want || !ok {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
