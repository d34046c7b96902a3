package process

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minigroups/telemetry"
)

// Heard shows what a worker hears from, and tells over, the broker. It is an mqtt.Observer and a
// prometheus.Collector.
type EventMetrics struct {
	telemetry.Group
	connected   prometheus.Gauge
	connections prometheus.Counter
	heard       *prometheus.CounterVec
	lag         prometheus.Histogram
	dropped     *prometheus.CounterVec
	told        *prometheus.CounterVec
}

// NewEventMetrics makes the metrics of a worker that listens.
func NewEventMetrics() *EventMetrics {
	h := &EventMetrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minigroups_broker_connected", Help: "Whether this worker listens at the broker.",
		}),
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "minigroups_broker_connections_total", Help: "How often this worker has connected to the broker.",
		}),
		heard: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_received_total", Help: "Announcements that this worker has read, whosever they are.",
		}, []string{"label"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "minigroups_event_lag_seconds", Help: "How long ago an announcement was sent when it was read.",
			Buckets: []float64{.01, .1, 1, 10, 60, 600, 3600},
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_dropped_total", Help: "Messages that this worker could not read.",
		}, []string{"reason"}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_published_total", Help: "What the broker has taken from this worker.",
		}, []string{"label"}),
	}
	h.Group = telemetry.Group{h.connected, h.connections, h.heard, h.lag, h.dropped, h.told}
	return h
}

// Connected notes whether the worker listens.
func (h *EventMetrics) Connected(is bool) {
	if !is {
		h.connected.Set(0)
		return
	}
	h.connected.Set(1)
	h.connections.Inc()
}

// Heard counts an announcement that was sent so long ago.
func (h *EventMetrics) Received(label string, lag time.Duration) {
	h.heard.WithLabelValues(label).Inc()
	h.lag.Observe(lag.Seconds())
}

// Dropped counts a message that makes no sense.
func (h *EventMetrics) Dropped(reason string) { h.dropped.WithLabelValues(reason).Inc() }

// Told counts a broadcast that the broker has taken.
func (h *EventMetrics) Published(label string) { h.told.WithLabelValues(label).Inc() }
