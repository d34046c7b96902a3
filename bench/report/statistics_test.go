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
		{[]float64{3, 1, 2}, Spread{Median: 2, Min: 1, Max: 3, Rounds: 3}},
		{[]float64{4, 1, 2, 3}, Spread{Median: 2.5, Min: 1, Max: 4, Rounds: 4}},
		{[]float64{5}, Spread{Median: 5, Min: 5, Max: 5, Rounds: 1}},
	} {
		if got, ok := spread(c.values); got != c.want || !ok {
			t.Errorf("%v: got %+v", c.values, got)
		}
	}
	if _, ok := spread(nil); ok {
		t.Error("no values have a spread")
	}
}

func TestCPUPerRequest(t *testing.T) {
	values := map[string]float64{Throughput: 100}
	for i, part := range Parts() {
		values[CPUPerRequest+part] = float64(i + 1)
	}
	c := createBy32(Product)
	if got, ok := cpuPerRequest(c)(round{c: values}); got != 1+2+3+4 || !ok {
		t.Errorf("got %g, %t, want the sum of all parts but the load, which is 5", got, ok)
	}
	delete(values, CPUPerRequest+"postgres")
	if _, ok := cpuPerRequest(c)(round{c: values}); ok {
		t.Error("a sum without one of the parts counts")
	}
}

func createBy32(subject string) Cell {
	return Cell{Group: Writes, Subject: subject, Work: Create, Clients: 32}
}

// creates returns samples of creates by 32 clients with a throughput per round; 0 is not measured.
func creates(subject string, perSecond ...float64) (samples []Sample) {
	for round, value := range perSecond {
		if value > 0 {
			samples = append(samples, Sample{
				Cell: createBy32(subject), Round: round, Values: map[string]float64{Throughput: value, P50: 1000 / value},
			})
		}
	}
	return samples
}

func TestRatiosAreComputedWithinARound(t *testing.T) {
	// The machine is ten times as fast in the second round. The ratio of the medians would be 1.
	r := Run{Rounds: 3, Samples: append(creates(Product, 10, 200, 15), creates(Plain, 5, 100, 15)...)}
	product, plain := createBy32(Product), createBy32(Plain)
	got, ok := r.spreadOf(ratio(valueOf(product, Throughput), valueOf(plain, Throughput)))
	if want := (Spread{Median: 2, Min: 1, Max: 2, Rounds: 3}); got != want || !ok {
		t.Errorf("got %+v, want %+v", got, want)
	}
	t.Run("a round without one of both values does not count", func(t *testing.T) {
		r := Run{Rounds: 3, Samples: append(creates(Product, 10, 0, 30), creates(Plain, 5, 1, 0)...)}
		got, ok := r.spreadOf(ratio(valueOf(product, Throughput), valueOf(plain, Throughput)))
		if want := (Spread{Median: 2, Min: 2, Max: 2, Rounds: 1}); got != want || !ok {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
