package workflows_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// metricsRecorder is a metrics handler that keeps the values of each series, named "name key=value key=value" with the
// keys in order.
type metricsRecorder struct {
	tags map[string]string
	*series
}

type series struct {
	mu     sync.Mutex
	counts map[string]int64
	times  map[string]time.Duration
}

func newMetricsRecorder() *metricsRecorder {
	return &metricsRecorder{series: &series{counts: map[string]int64{}, times: map[string]time.Duration{}}}
}

func (m *metricsRecorder) WithTags(tags map[string]string) client.MetricsHandler {
	all := maps.Clone(tags)
	for key, value := range m.tags {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	return &metricsRecorder{all, m.series}
}

func (m *metricsRecorder) Counter(name string) client.MetricsCounter { return metric{m, name} }
func (m *metricsRecorder) Timer(name string) client.MetricsTimer     { return metric{m, name} }
func (m *metricsRecorder) Gauge(name string) client.MetricsGauge {
	return client.MetricsNopHandler.Gauge(name)
}

// metric is one series.
type metric struct {
	*metricsRecorder
	name string
}

func (m metric) Inc(n int64)            { m.add(n, 0) }
func (m metric) Record(d time.Duration) { m.add(1, d) }

func (m metric) add(n int64, d time.Duration) {
	name := m.name
	for _, key := range slices.Sorted(maps.Keys(m.tags)) {
		name += " " + key + "=" + m.tags[key]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
	m.times[name] += d
}

// assertCount checks how often a series was counted or timed.
func (m *metricsRecorder) assertCount(t *testing.T, name string, want int64) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := m.counts[name]; got != want {
		var sagas []string
		for other := range m.counts {
			if strings.HasPrefix(other, "saga_") {
				sagas = append(sagas, other)
			}
		}
		slices.Sort(sagas)
		t.Errorf("%s: %d, want %d, among\n%s", name, got, want, strings.Join(sagas, "\n"))
	}
}

// total is the sum of the times of a series.
func (m *metricsRecorder) total(name string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.times[name]
}
