package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"minigroups/telemetry"
)

// accessMetrics counts what is asked of tenants and issuers. It is a prometheus.Collector.
type accessMetrics struct {
	telemetry.Group
	questions *prometheus.CounterVec
	fetches   *prometheus.CounterVec
}

// What has come of a question.
const (
	fromMemory = "remembered"
	fromTenant = "answered"
	noAnswer   = "failed"
)

func newAccessMetrics() *accessMetrics {
	m := &accessMetrics{
		questions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_authorization_requests_total",
			Help: "Questions of who may do what, by the audience whose service knows: answered by it, remembered, or failed.",
		}, []string{"audience", "outcome"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_key_fetches_total", Help: "How often the public keys of an issuer were fetched: ok or failed.",
		}, []string{"issuer", "outcome"}),
	}
	m.Group = telemetry.Group{m.questions, m.fetches}
	return m
}

// expect shows an audience before anything is asked.
func (m *accessMetrics) expect(audience string) {
	for _, outcome := range []string{fromMemory, fromTenant, noAnswer} {
		m.questions.WithLabelValues(audience, outcome)
	}
}

func (m *accessMetrics) answered(audience string, remembered bool) {
	outcome := fromTenant
	if remembered {
		outcome = fromMemory
	}
	m.questions.WithLabelValues(audience, outcome).Inc()
}

func (m *accessMetrics) unanswered(audience string) {
	m.questions.WithLabelValues(audience, noAnswer).Inc()
}

func (m *accessMetrics) fetched(issuer string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.fetches.WithLabelValues(issuer, outcome).Inc()
}
