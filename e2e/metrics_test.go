package e2e

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"minigroups/workflows"
)

func TestTheWorkersMetricsCountLostAttemptsAndSweeps(t *testing.T) {
	c := newClass(t)
	c.setFault(sut.event, createReplyLost)
	c.post().want(t, http.StatusCreated)
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		if err := c.hasAttempts(1, "event", "lost"); err != nil {
			return err
		}
		const query = `SELECT count(*) FROM room_attempt WHERE kind = 'event' AND state = 'lost' AND resolution IS NULL`
		var lost int
		if err := sut.db.QueryRow(t.Context(), query).Scan(&lost); err != nil {
			return err
		}
		return hasMetrics(t, fmt.Sprintf("minigroups_lost_attempts{kind=\"event\"} %d\n", lost),
			`minigroups_lost_attempts{kind="conference"} `, `minigroups_swept_total{what="recovered"} `)
	})
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		return hasMetrics(t, `minigroups_swept_total{what="made"} `)
	})
}

// metricNames finds the names of our metrics in a text, also those of the series of a histogram.
var metricNames = regexp.MustCompile(`\bminigroups_\w+`)

func TestEveryMetricOfDashboardAndAlertsExists(t *testing.T) {
	o, c := startInstrumented(t), newClass(t)
	o.post(t, c)
	sweepUntil(t, workflows.ScheduleClasses, func() error { return hasMetrics(t, "minigroups_swept_total{") })
	var used []string
	for _, file := range []string{"../deploy/grafana/minigroups.json", "../deploy/prometheus/alerts.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used = append(used, metricNames.FindAllString(string(text), -1)...)
	}
	slices.Sort(used)
	if used = slices.Compact(used); len(used) < 40 {
		t.Fatalf("only %d names were found", len(used))
	}
	eventually(t, func() error { // room events arrive a little later
		names := map[string]bool{}
		for _, address := range []string{o.metricsAddresses[0], o.metricsAddresses[1], sut.cfg.Worker.MetricsListen} {
			for _, name := range metricNames.FindAllString(fetch(t, "http://"+address+"/metrics"), -1) {
				names[name] = true
			}
		}
		missing := slices.DeleteFunc(slices.Clone(used), func(name string) bool { return names[name] })
		if len(missing) > 0 {
			return fmt.Errorf("no process exports %v", missing)
		}
		return nil
	})
}

func TestTheLogLevelChangesWhileAProcessRuns(t *testing.T) {
	for _, address := range []string{sut.cfg.API.MetricsListen, sut.cfg.Worker.MetricsListen} {
		level := "http://" + address + "/log/level"
		if got := fetch(t, level); !strings.Contains(got, `"info"`) {
			t.Fatalf("the level is %s", got)
		}
		for _, wanted := range []string{"debug", "info"} {
			body := strings.NewReader(`{"level": "` + wanted + `"}`)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, level, body)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := fetch(t, level); res.StatusCode != http.StatusOK || !strings.Contains(got, `"`+wanted+`"`) {
				t.Errorf("got %d, and now the level is %s", res.StatusCode, got)
			}
		}
	}
}

// hasMetrics returns an error unless the worker exports metrics with all of these texts.
func hasMetrics(t *testing.T, wanted ...string) error {
	_, text, err := httpGet(t.Context(), "http://"+sut.cfg.Worker.MetricsListen+"/metrics")
	if err != nil {
		return err
	}
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			return fmt.Errorf("%q is not among the metrics", want)
		}
	}
	return nil
}
