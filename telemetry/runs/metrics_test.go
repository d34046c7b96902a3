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
	ended := found["minigroups_saga_ended_total"]
	if ended.GetType() != dto.MetricType_COUNTER || ended.Metric[0].GetCounter().GetValue() != 2 ||
		len(ended.Metric[0].Label) != 2 {
		t.Errorf("got %v in %v", ended, families)
	}
	if f := found["minigroups_temporal_request_total"]; len(f.GetMetric()) != 2 {
		t.Errorf("got %v", f)
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
