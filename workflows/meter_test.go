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

// meter is a metrics handler that keeps what it is told, by series: "name key=value key=value", keys in order.
type meter struct {
	tags map[string]string
	*readings
}

type readings struct {
	mu     sync.Mutex
	counts map[string]int64
	times  map[string]time.Duration
}

func newMeter() *meter {
	return &meter{readings: &readings{counts: map[string]int64{}, times: map[string]time.Duration{}}}
}

func (m *meter) WithTags(tags map[string]string) client.MetricsHandler {
	all := maps.Clone(tags)
	for key, value := range m.tags {
		if _, ok := all[key]; !ok {
			all[key] = value
		}
	}
	return &meter{all, m.readings}
}

func (m *meter) Counter(name string) client.MetricsCounter { return reading{m, name} }
func (m *meter) Timer(name string) client.MetricsTimer     { return reading{m, name} }
func (m *meter) Gauge(name string) client.MetricsGauge     { return client.MetricsNopHandler.Gauge(name) }

// reading is one series.
type reading struct {
	*meter
	name string
}

func (r reading) Inc(n int64)            { r.note(n, 0) }
func (r reading) Record(d time.Duration) { r.note(1, d) }

func (r reading) note(n int64, d time.Duration) {
	series := r.name
	for _, key := range slices.Sorted(maps.Keys(r.tags)) {
		series += " " + key + "=" + r.tags[key]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[series] += n
	r.times[series] += d
}

// counted asserts how often a series was counted or timed.
func (m *meter) counted(t *testing.T, series string, want int64) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := m.counts[series]; got != want {
		var sagas []string
		for name := range m.counts {
			if strings.HasPrefix(name, "saga_") {
				sagas = append(sagas, name)
			}
		}
		slices.Sort(sagas)
		t.Errorf("%s: %d, want %d, among\n%s", series, got, want, strings.Join(sagas, "\n"))
	}
}

// took is how long a series was timed in all.
func (m *meter) took(series string) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.times[series]
}
