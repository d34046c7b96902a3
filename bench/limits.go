package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"minigroups/bench/report"
)

// conferenceLimits returns the sums of the limiters of conference over all that run sagas, from their metrics.
func (c *cluster) conferenceLimits(ctx context.Context) (sum report.Point, err error) {
	for _, url := range c.metrics {
		one, err := limitsOf(ctx, url, "conference")
		if err != nil {
			return sum, err
		}
		sum.InFlight += one.InFlight
		sum.Waiting += one.Waiting
		sum.Limit += one.Limit
		sum.Paused += one.Paused
	}
	return sum, nil
}

func limitsOf(ctx context.Context, url, service string) (report.Point, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return report.Point{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return report.Point{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return report.Point{}, fmt.Errorf("read %s: %s", url, response.Status)
	}
	return readLimits(response.Body, service)
}

// readLimits reads the metrics of a worker's limiter of a service. All are 0 if there are none.
func readLimits(metrics io.Reader, service string) (p report.Point, err error) {
	label := fmt.Sprintf("service=%q", service)
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), "{")
		labels, text, hasValue := strings.Cut(rest, "} ")
		if !ok || !hasValue || !strings.Contains(labels, label) {
			continue
		}
		value := map[string]*float64{
			"minigroups_service_in_flight_requests": &p.InFlight, "minigroups_service_waiting_requests": &p.Waiting,
			"minigroups_service_limit": &p.Limit, "minigroups_service_paused_audiences": &p.Paused,
		}[name]
		if value == nil {
			continue
		}
		if *value, err = strconv.ParseFloat(text, 64); err != nil {
			return p, fmt.Errorf("metric %s: %w", name, err)
		}
	}
	return p, lines.Err()
}

// watchInterval is the time between two points of a timeline.
const watchInterval = 500 * time.Millisecond

// watch records the limiters of conference until stop is called, which returns the points. Points that cannot be read
// are left out.
func (c *cluster) watch(ctx context.Context, begun time.Time) (stop func() []report.Point) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan []report.Point)
	go func() {
		var points []report.Point
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			at := time.Since(begun).Seconds()
			if p, err := c.conferenceLimits(ctx); err == nil {
				p.Seconds = at
				points = append(points, p)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				result <- points
				return
			}
		}
	}()
	return func() []report.Point {
		cancel()
		return <-result
	}
}
