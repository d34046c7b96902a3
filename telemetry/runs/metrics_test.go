package runs

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestMetricsHaveOurNamesAndBuckets(t *testing.T) {
	handler, collector, err := NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	saga := handler.WithTags(map[string]string{"operation": "create", "outcome": "done"})
	saga.Counter("saga_ended").Inc(2)
	update := handler.WithTags(map[string]string{"operation": "update", "outcome": "done", "namespace": "x"})
	update.Counter("saga_ended").Inc(3)
	saga.Timer("saga_duration").Record(90 * time.Minute)
	step := handler.WithTags(map[string]string{"step": "establish", "phase": "local", "outcome": "ok"})
	step.Timer("saga_step_duration").Record(7 * time.Millisecond)
	// The SDK uses the same name with different sets of tags.
	handler.Counter("temporal_request").Inc(1)
	handler.WithTags(map[string]string{"operation": "x"}).Counter("temporal_request").Inc(1)
	handler.WithTags(map[string]string{"operation": "x"}).Timer("temporal_request_latency").Record(time.Second)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.MetricFamily{}
	for _, f := range families {
		found[f.GetName()] = f
	}
	if f := found["minigroups_saga_ended_total"]; f.GetType() != dto.MetricType_COUNTER {
		t.Errorf("got %v in %v", f, families)
	}
	for series, want := range map[string]float64{
		"minigroups_saga_ended_total{operation=create,outcome=done,}":                      2,
		"minigroups_saga_ended_total{operation=update,outcome=done,temporal_namespace=x,}": 3,
		"minigroups_saga_failed_total{}":                                                   0,
		"minigroups_temporal_request_total{}":                                              1,
		"minigroups_temporal_request_total{operation=x,}":                                  1,
		"minigroups_temporal_request_failure_total{}":                                      0,
		"minigroups_temporal_long_request_failure_total{}":                                 0,
		"minigroups_temporal_workflow_task_execution_failed_total{}":                       0,
	} {
		if got, ok := counters(families)[series]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v, in %v", series, got, ok, want, counters(families))
		}
	}
	for name, want := range map[string]struct {
		sum float64
		// bucket is the lower and the upper bound of the bucket of the observation.
		bucket [2]float64
	}{
		"minigroups_saga_duration_seconds":            {5400, [2]float64{3600, 21600}},
		"minigroups_saga_step_duration_seconds":       {.007, [2]float64{.005, .01}},
		"minigroups_temporal_request_latency_seconds": {1, [2]float64{.5, 1}},
	} {
		h := found[name].GetMetric()
		if len(h) != 1 || h[0].GetHistogram().GetSampleSum() != want.sum {
			t.Errorf("%s: %v", name, h)
			continue
		}
		for _, b := range h[0].GetHistogram().GetBucket() {
			below := b.GetUpperBound() == want.bucket[0] && b.GetCumulativeCount() != 0
			above := b.GetUpperBound() == want.bucket[1] && b.GetCumulativeCount() != 1
			if below || above {
				t.Errorf("%s: %v up to %v", name, b.GetCumulativeCount(), b.GetUpperBound())
			}
		}
	}
}

// counters returns the values of all counters, by name and labels.
func counters(families []*dto.MetricFamily) map[string]float64 {
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetCounter() == nil {
				continue
			}
			name := f.GetName() + "{"
			for _, l := range m.GetLabel() {
				name += l.GetName() + "=" + l.GetValue() + ","
			}
			values[name+"}"] = m.GetCounter().GetValue()
		}
	}
	return values
}
