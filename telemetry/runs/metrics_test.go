package runs

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestMetricsAreNamedAndMeasuredAsOurs(t *testing.T) {
	handler, shown, err := NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	handler.WithTags(map[string]string{"operation": "create", "outcome": "done"}).Counter("saga_ended").Inc(2)
	handler.WithTags(map[string]string{"operation": "create", "outcome": "done"}).Timer("saga_duration").Record(90 * time.Minute)
	handler.WithTags(map[string]string{"step": "establish", "lane": "fast", "outcome": "ok"}).Timer("saga_step_duration").Record(7 * time.Millisecond)
	// Temporal's SDK uses one name with several sets of tags.
	handler.Counter("temporal_request").Inc(1)
	handler.WithTags(map[string]string{"operation": "x"}).Counter("temporal_request").Inc(1)
	handler.WithTags(map[string]string{"operation": "x"}).Timer("temporal_request_latency").Record(time.Second)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(shown)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.MetricFamily{}
	for _, f := range families {
		found[f.GetName()] = f
	}
	if f := found["minigroups_saga_ended_total"]; f.GetType() != dto.MetricType_COUNTER || f.Metric[0].GetCounter().GetValue() != 2 || len(f.Metric[0].Label) != 2 {
		t.Errorf("ended: %v of %v", f, families)
	}
	if f := found["minigroups_temporal_request_total"]; len(f.GetMetric()) != 2 {
		t.Errorf("requests to Temporal: %v", f)
	}
	for name, want := range map[string]struct {
		took float64
		// around are the bounds between which it lies.
		around [2]float64
	}{
		"minigroups_saga_duration_seconds":            {5400, [2]float64{3600, 21600}},
		"minigroups_saga_step_duration_seconds":       {.007, [2]float64{.005, .01}},
		"minigroups_temporal_request_latency_seconds": {1, [2]float64{.5, 1}},
	} {
		h := found[name].GetMetric()
		if len(h) != 1 || h[0].GetHistogram().GetSampleSum() != want.took {
			t.Errorf("%s: %v", name, h)
			continue
		}
		for _, b := range h[0].GetHistogram().GetBucket() {
			if b.GetUpperBound() == want.around[0] && b.GetCumulativeCount() != 0 || b.GetUpperBound() == want.around[1] && b.GetCumulativeCount() != 1 {
				t.Errorf("%s: %v up to %v", name, b.GetCumulativeCount(), b.GetUpperBound())
			}
		}
	}
}
