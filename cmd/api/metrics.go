package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"minigroups/telemetry"
)

// accessMetrics counts what is asked of tenants and issuers. It is a prometheus.Collector.
type accessMetrics struct {
	telemetry.Group
	requests *prometheus.CounterVec
	fetches  *prometheus.CounterVec
}

// The outcomes of an authorization request.
const (
	outcomeCached   = "cached"
	outcomeAnswered = "answered"
	outcomeFailed   = "failed"
)

func newAccessMetrics() *accessMetrics {
	m := &accessMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_authorization_requests_total",
			Help: "Authorization decisions by audience and outcome: answered by the tenant service, cached, or failed.",
		}, []string{"audience", "outcome"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_key_fetches_total", Help: "How often the public keys of an issuer were fetched: ok or failed.",
		}, []string{"issuer", "outcome"}),
	}
	m.Group = telemetry.Group{m.requests, m.fetches}
	return m
}

// expect shows an audience before anything is asked.
func (m *accessMetrics) expect(audience string) {
	for _, outcome := range []string{outcomeCached, outcomeAnswered, outcomeFailed} {
		m.requests.WithLabelValues(audience, outcome)
	}
}

func (m *accessMetrics) answered(audience string, cached bool) {
	outcome := outcomeAnswered
	if cached {
		outcome = outcomeCached
	}
	m.requests.WithLabelValues(audience, outcome).Inc()
}

func (m *accessMetrics) unanswered(audience string) {
	m.requests.WithLabelValues(audience, outcomeFailed).Inc()
}

func (m *accessMetrics) fetched(issuer string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.fetches.WithLabelValues(issuer, outcome).Inc()
}
