package process

import (
	"github.com/prometheus/client_golang/prometheus"

	"minigroups/limiter"
)

// Limits is a collector for the limiters of a worker, by service: event, conference or the id of a gateway.
type Limits struct {
	Stats func() map[string]limiter.Stats
}

var (
	serviceLimit = prometheus.NewDesc("minigroups_service_limit",
		"Requests that this worker may have in flight to the service at present.", []string{"service"}, nil)
	serviceInFlight = prometheus.NewDesc("minigroups_service_in_flight_requests",
		"Requests to the service that this worker has in flight.", []string{"service"}, nil)
	serviceWaiting = prometheus.NewDesc("minigroups_service_waiting_requests",
		"Requests that wait until the service has capacity for them.", []string{"service"}, nil)
	servicePaused = prometheus.NewDesc("minigroups_service_paused_audiences",
		"Audiences for which this worker sends the service one probe at a time: it is overloaded or away, at least for them.",
		[]string{"service"}, nil)
)

// Describe implements prometheus.Collector.
func (Limits) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{serviceLimit, serviceInFlight, serviceWaiting, servicePaused} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (l Limits) Collect(metrics chan<- prometheus.Metric) {
	for service, s := range l.Stats() {
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, service)
		}
		gauge(serviceLimit, float64(s.Limit))
		gauge(serviceInFlight, float64(s.InFlight))
		gauge(serviceWaiting, float64(s.Waiting))
		gauge(servicePaused, float64(s.Paused))
	}
}
