package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"minigroups/workflows"
)

// introduce says where everything is, and how to begin.
func (s *system) introduce(now time.Time) error {
	cfg := s.plan.cfg
	api := "http://" + reachable(cfg.API.Listen)
	token, err := s.at.token(devSubject, devAudience, now)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(what, where string) { fmt.Fprintf(table, "  %s\t%s\n", what, where) }
	fmt.Fprintln(table)
	for _, address := range copies(s.plan.apis, cfg.API.Listen) {
		row("API", "http://"+reachable(address)+"/api/v1/minigroups")
	}
	row("OpenAPI", api+"/openapi.yaml")
	for _, address := range slices.Concat(copies(s.plan.apis, cfg.API.MetricsListen), copies(s.plan.workers, cfg.Worker.MetricsListen)) {
		row("metrics", "http://"+reachable(address)+"/metrics")
	}
	row("Temporal", cfg.Temporal.Address)
	if s.plan.temporal {
		ui := "http://" + cfg.Dev.TemporalUI
		row("Temporal UI", ui)
		for _, view := range []workflows.View{workflows.NeedsAttention, workflows.NotFinished} {
			row("  "+view.Name, view.Link(ui, cfg.Temporal.Namespace, view.Query))
		}
	}
	row("event", described(cfg.Event.URL, s.plan.event))
	row("conference", described(cfg.Conference.URL, s.plan.conference))
	if cfg.MQTT.Broker != "" {
		row("MQTT broker", cfg.MQTT.Broker)
	}
	for _, backend := range cfg.Janus.Backends {
		row("Janus "+backend.ID, described(backend.JanusURL+", "+backend.AdminURL, s.standIn))
	}
	row("Postgres", cfg.Database.URL.String())
	row("operators", s.at.binary("ops")+" -config "+s.at.configFile()+" stuck")
	row("logs", s.at.path("log"))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print addresses: %w", err)
	}
	example, err := exampleBody(now)
	if err != nil {
		return err
	}
	others := "make token"
	if s.plan.server {
		others = ".dev/bin/dev cluster token"
	}
	s.say("\nA token for %s.%s (%s prints others):\n\n%s\n\nA first minigroup:\n\n%s\n\nCtrl-C ends it all.",
		devSubject, devAudience, others, token, curl(api, token, example))
	return nil
}

func described(address string, standIn bool) string {
	if standIn {
		return address + " (stand-in)"
	}
	return address
}

// exampleBody is a class of an hour that begins within two. Its scope is new with
// every start: the same scope with another time would be refused.
func exampleBody(now time.Time) (string, error) {
	start := now.Add(time.Hour).Truncate(time.Hour).Add(time.Hour)
	body, err := json.Marshal(map[string]any{
		"scope":       "math-7b-" + now.Format("0102-150405"),
		"audience":    devAudience,
		"host":        "web.teacher." + devAudience,
		"time":        []int64{start.Unix(), start.Add(time.Hour).Unix()},
		"reserve":     8,
		"locked_chat": true,
	})
	if err != nil {
		return "", fmt.Errorf("write the example: %w", err)
	}
	return string(body), nil
}

func curl(api, token, body string) string {
	return fmt.Sprintf("curl -i -X POST %s/api/v1/minigroups \\\n  -H 'Authorization: Bearer %s' \\\n  -H 'Content-Type: application/json' \\\n  -d '%s'", api, token, body)
}
