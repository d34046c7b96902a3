package process

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"minigroups/telemetry"
)

// EventMetrics counts what a worker receives from the MQTT broker and publishes to it. It is an mqtt.Observer and a
// prometheus.Collector.
type EventMetrics struct {
	telemetry.Group
	connected   prometheus.Gauge
	connections prometheus.Counter
	received    *prometheus.CounterVec
	lag         prometheus.Histogram
	dropped     *prometheus.CounterVec
	published   *prometheus.CounterVec

	mu           sync.Mutex
	receivedAt   time.Time // of the last room event
	missingSince time.Time // when the first create after it was sent; zero if there is none
}

// NewEventMetrics makes the metrics of a worker that has a broker configured.
func NewEventMetrics() *EventMetrics {
	m := &EventMetrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "minigroups_broker_connected",
			Help: "1 if this worker is connected to the broker and subscribed, otherwise 0.",
		}),
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "minigroups_broker_connections_total", Help: "Connections made to the broker.",
		}),
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_received_total",
			Help: "Room events received from the broker, including those of rooms that this service did not create.",
		}, []string{"label"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "minigroups_event_lag_seconds", Help: "Time from the publication of a room event to its receipt.",
			Buckets: []float64{.01, .1, 1, 10, 60, 600, 3600},
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_dropped_total", Help: "Messages from the broker that were dropped, by reason.",
		}, []string{"reason"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_events_published_total",
			Help: "Events that this worker has published and the broker has acknowledged.",
		}, []string{"label"}),
	}
	for _, reason := range []string{"unknown_topic", "malformed", "overflow"} {
		m.dropped.WithLabelValues(reason) // so that Prometheus sees the first increase
	}
	missing := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "minigroups_events_missing_seconds",
		Help: "Time since this worker created a room after which it has received no room event; 0 if it has.",
	}, func() float64 { return m.missing(time.Now()).Seconds() })
	m.Group = telemetry.Group{m.connected, m.connections, m.received, m.lag, m.dropped, m.published, missing}
	return m
}

// Connected records whether the worker is connected and subscribed.
func (m *EventMetrics) Connected(is bool) {
	if !is {
		m.connected.Set(0)
		return
	}
	m.connected.Set(1)
	m.connections.Inc()
}

// Received counts a room event that was published lag ago.
func (m *EventMetrics) Received(label string, lag time.Duration) {
	m.received.WithLabelValues(label).Inc()
	m.lag.Observe(lag.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receivedAt, m.missingSince = time.Now(), time.Time{}
}

// Created records that this worker has created a room with a request sent at a time. The event of that room comes after
// it, maybe before the answer.
func (m *EventMetrics) Created(sentAt time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missingSince.IsZero() && m.receivedAt.Before(sentAt) {
		m.missingSince = sentAt
	}
}

// missing returns for how long the room events of created rooms have been missing.
func (m *EventMetrics) missing(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.missingSince.IsZero() {
		return 0
	}
	return now.Sub(m.missingSince)
}

// Dropped counts a message that was not used.
func (m *EventMetrics) Dropped(reason string) { m.dropped.WithLabelValues(reason).Inc() }

// Published counts an event that the broker has acknowledged.
func (m *EventMetrics) Published(label string) { m.published.WithLabelValues(label).Inc() }
