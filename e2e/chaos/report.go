package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"minigroups/sandbox"
)

// printReport prints faults, answers, the state at the end, and the violations.
func printReport(out io.Writer, o options, c *apiClient, v result, driven, whole time.Duration) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	section := func(title string, counts map[string]int) {
		fmt.Fprintf(t, "\n%s\n", title)
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(t, "  %s\t%d\n", key, counts[key])
		}
	}
	section("Requests, by answer", c.answers)
	section("Faults", c.system.faults.Counts())
	section("Minigroups", map[string]int{"real-time": v.Ready, "failed": v.Failed, "closed": v.Closed})
	fmt.Fprintf(t, "\nRooms made\t%d\n", v.made)
	fmt.Fprintf(t, "Lost attempts\t%d\n", v.Lost)
	reasons := []reason{dropped}
	if o.mqtt == mqttOff {
		reasons = []reason{undelivered, tooLate, cut, died}
	}
	for _, why := range reasons {
		share := 100 * float64(v.matched[why]) / float64(max(v.made, 1))
		fmt.Fprintf(t, "  left a room; %s\t%d (%.2f %%)\n", why, v.matched[why], share)
	}
	fmt.Fprintf(t, "Creates refused without a database connection\t%d\n", v.starved[sandbox.FirstConnection])
	fmt.Fprintf(t, "Creates refused after conference inserted the room\t%d\n", v.starved[sandbox.SecondConnection])
	fmt.Fprintf(t, "Conference's database connections in use\tat most %d\n", v.maxConnections)
	fmt.Fprintf(t, "Requests in the search for an order\t%d, searched for %.1fs\n", v.requests, v.searched.Seconds())
	fmt.Fprintf(t, "Leaks and other violations\t%d\n", len(v.Violations))
	fmt.Fprintf(t, "Longest time without reads\t%.1fs\n", c.longestReadOutage.Seconds())
	fmt.Fprintf(t, "Longest answer of an API without faults\t%.1fs\n", c.longest.Seconds())
	fmt.Fprintf(t, "Duration\t%.0fs, of which load %.0fs\n", whole.Seconds(), driven.Seconds())
	_ = t.Flush()
	for _, violation := range v.Violations {
		fmt.Fprintf(out, "\nVIOLATION %s\n", violation)
	}
	fmt.Fprintf(out, "\nTo repeat: make chaos %s SEED=%d\n", o.settings(), o.seed)
}

// settings are the variables of make chaos, except the seeds.
func (o options) settings() string {
	pooler := "off"
	if o.pooler {
		pooler = "on"
	}
	return fmt.Sprintf("N=%d DURATION=%s MQTT=%s CLIENTS=%d CONNECTIONS=%d PGBOUNCER=%s",
		o.operations, o.duration, o.mqtt, o.clients, o.conferenceConnections, pooler)
}
