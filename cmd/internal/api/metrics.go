package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"minigroups/clients/jwks"
	"minigroups/telemetry"
)

// accessMetrics counts requests to authorization services and to the key URLs of issuers. It is a
// prometheus.Collector.
type accessMetrics struct {
	telemetry.Group
	authorizations *prometheus.CounterVec
	keyFetches     *prometheus.CounterVec
	keys           *prometheus.GaugeVec
}

// The outcomes of an authorization.
const (
	outcomeCached   = "cached"
	outcomeAnswered = "answered"
	outcomeFailed   = "failed"
)

func newAccessMetrics() *accessMetrics {
	m := &accessMetrics{
		authorizations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_authorization_requests_total",
			Help: "Authorizations in audiences of kind http, by outcome: answered by the tenant's service, cached, or failed.",
		}, []string{"audience", "outcome"}),
		keyFetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "minigroups_key_fetches_total",
			Help: "Fetches of the public keys of issuers, by outcome: ok or failed.",
		}, []string{"issuer", "outcome"}),
	}
	m.keys = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "minigroups_issuer_keys",
		Help: "Public keys of issuers with a key set, by state: usable, or skipped because they are not understood or are " +
			"not for the signatures of tokens.",
	}, []string{"issuer", "state"})
	m.Group = telemetry.Group{m.authorizations, m.keyFetches, m.keys}
	return m
}

// addAudience makes the series of an audience appear, with 0, before the first authorization.
func (m *accessMetrics) addAudience(audience string) {
	for _, outcome := range []string{outcomeCached, outcomeAnswered, outcomeFailed} {
		m.authorizations.WithLabelValues(audience, outcome)
	}
}

func (m *accessMetrics) answered(audience string, cached bool) {
	outcome := outcomeAnswered
	if cached {
		outcome = outcomeCached
	}
	m.authorizations.WithLabelValues(audience, outcome).Inc()
}

func (m *accessMetrics) failed(audience string) {
	m.authorizations.WithLabelValues(audience, outcomeFailed).Inc()
}

func (m *accessMetrics) keysFetched(issuer string, f jwks.Fetch) {
	m.keys.WithLabelValues(issuer, "usable").Set(float64(f.Keys))
	m.keys.WithLabelValues(issuer, "skipped").Set(float64(f.Skipped))
	outcome := "ok"
	if f.Err != nil {
		outcome = "failed"
	}
	m.keyFetches.WithLabelValues(issuer, outcome).Inc()
}
