package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// tell prints what was done, what came of it, and what may not be.
func printReport(out io.Writer, o options, d *apiClient, v result, driven, whole time.Duration) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	section := func(title string, counts map[string]int) {
		fmt.Fprintf(t, "\n%s\n", title)
		for _, key := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(t, "  %s\t%d\n", key, counts[key])
		}
	}
	section("Requests, by answer", d.answers)
	section("Faults", d.system.faults.Counts())
	section("Minigroups", map[string]int{"real-time": v.Ready, "failed": v.Failed, "closed": v.Closed})
	fmt.Fprintf(t, "\nRooms made\t%d\n", v.made)
	fmt.Fprintf(t, "Lost attempts\t%d\n", v.Lost)
	reasons := []reason{dropped}
	if o.mqttOff {
		reasons = []reason{undelivered, tooLate, cut, died}
	}
	for _, why := range reasons {
		fmt.Fprintf(t, "  left a room; %s\t%d (%.2f %%)\n", why, v.matched[why], 100*float64(v.matched[why])/float64(max(v.made, 1)))
	}
	fmt.Fprintf(t, "Leaks and other violations\t%d\n", len(v.Violations))
	fmt.Fprintf(t, "Longest time without a read\t%.1fs\n", d.longestReadOutage.Seconds())
	fmt.Fprintf(t, "Longest answer of a well API\t%.1fs\n", d.longest.Seconds())
	fmt.Fprintf(t, "Duration\t%.0fs, of which load %.0fs\n", whole.Seconds(), driven.Seconds())
	_ = t.Flush()
	for _, violation := range v.Violations {
		fmt.Fprintf(out, "\nVIOLATION %s\n", violation)
	}
	fmt.Fprintf(out, "\nOnce more: make chaos N=%d SEED=%d DURATION=%s ANNOUNCEMENTS=%s\n", o.operations, o.seed, o.duration, map[bool]string{false: "on", true: "off"}[o.mqttOff])
}
