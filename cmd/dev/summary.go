package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"minigroups/workflows"
)

// printSummary prints all addresses, a token and a command that creates a minigroup.
func (s *system) printSummary(now time.Time) error {
	cfg := s.plan.cfg
	api := "http://" + reachable(cfg.API.Listen)
	token, err := s.ws.issueToken(devSubject, devAudience, now)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	row := func(what, where string) { fmt.Fprintf(table, "  %s\t%s\n", what, where) }
	fmt.Fprintln(table)
	for _, address := range addresses(s.plan.apis, cfg.API.Listen) {
		row("API", "http://"+reachable(address)+"/api/v1/minigroups")
	}
	row("OpenAPI", api+"/openapi.yaml")
	if cfg.Support.Enabled {
		row("support", api+"/support")
	}
	metrics := slices.Concat(
		addresses(s.plan.apis, cfg.API.MetricsListen), addresses(s.plan.workers, cfg.Worker.MetricsListen))
	for _, address := range metrics {
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
	row("event", withStandIn(cfg.Event.URL, s.plan.event))
	row("conference", withStandIn(cfg.Conference.URL, s.plan.conference))
	if cfg.MQTT.Broker != "" {
		row("MQTT broker", cfg.MQTT.Broker)
	}
	for _, backend := range cfg.Janus.Backends {
		row("Janus "+backend.ID, withStandIn(backend.JanusURL+", "+backend.AdminURL, s.janusStandIn))
	}
	row("Postgres", cfg.Database.URL.String())
	row("operators", s.ws.binary("ops")+" -config "+s.ws.configFile()+" stuck")
	row("logs", s.ws.path("log"))
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print addresses: %w", err)
	}
	example, err := exampleBody(now)
	if err != nil {
		return err
	}
	command := "make token"
	if s.plan.server {
		command = ".dev/bin/dev cluster token"
	}
	s.printf("\nA token for the account %s.%s (%s prints a new one):\n\n%s\n\nTo create a minigroup:\n\n%s\n\n"+
		"Press Ctrl-C to stop everything.",
		devSubject, devAudience, command, token, curlCommand(api, token, example))
	return nil
}

func withStandIn(address string, standIn bool) string {
	if standIn {
		return address + " (stand-in)"
	}
	return address
}

// exampleBody is a class of one hour that begins within two hours. Its scope is new at every start, because the API
// refuses an existing scope with another time.
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
		return "", fmt.Errorf("encode the example: %w", err)
	}
	return string(body), nil
}

func curlCommand(api, token, body string) string {
	return fmt.Sprintf("curl -i -X POST %s/api/v1/minigroups \\\n  -H 'Authorization: Bearer %s' \\\n"+
		"  -H 'Content-Type: application/json' \\\n  -d '%s'", api, token, body)
}
