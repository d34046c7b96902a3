package process

import (
	"testing"

	"minigroups/config"
	"minigroups/minigroup"
)

func TestLinks(t *testing.T) {
	cfg := config.Default()
	m := minigroup.Minigroup{Draft: minigroup.Draft{Audience: "example.org", Scope: "math/7b %"}}
	if run, trace := RunLink(cfg, m, "r"), TraceLink(cfg, "t"); run != "" || trace != "" {
		t.Errorf("without addresses: %q, %q", run, trace)
	}
	cfg.Links = config.Links{TemporalUI: "http://ui:8233/", Traces: "http://traces/explore?id={id}&of={id}"}
	run := "http://ui:8233/namespaces/default/workflows/minigroup%2Fexample.org%2Fmath%252F7b%2520%2525/r/history"
	if got := RunLink(cfg, m, "r"); got != run {
		t.Errorf("got %s, want %s", got, run)
	}
	if got := TraceLink(cfg, "t"); got != "http://traces/explore?id=t&of=t" {
		t.Errorf("got %s", got)
	}
	if run, trace := RunLink(cfg, m, ""), TraceLink(cfg, ""); run != "" || trace != "" {
		t.Errorf("without ids: %q, %q", run, trace)
	}
}
