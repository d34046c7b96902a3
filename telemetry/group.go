package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Group are collectors that come together.
type Group []prometheus.Collector

// Describe makes Group a prometheus.Collector.
func (g Group) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range g {
		c.Describe(descs)
	}
}

// Collect makes Group a prometheus.Collector.
func (g Group) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range g {
		c.Collect(metrics)
	}
}
