package process

import (
	"net/url"
	"strings"

	"minigroups/config"
	"minigroups/minigroup"
	"minigroups/workflows"
)

// RunLink returns the page of a run of a minigroup in the Temporal UI, or "" if its address is not configured.
// An import is no run.
func RunLink(cfg config.Config, m minigroup.Minigroup, runID string) string {
	if cfg.Links.TemporalUI == "" || runID == "" || runID == minigroup.ImportOwner {
		return ""
	}
	return strings.TrimRight(cfg.Links.TemporalUI, "/") + "/namespaces/" + url.PathEscape(cfg.Temporal.Namespace) +
		"/workflows/" + url.PathEscape(workflows.WorkflowID(m.Audience, m.Scope)) + "/" + url.PathEscape(runID) +
		"/history"
}

// TraceLink returns the page of a trace, or "" if its address is not configured.
func TraceLink(cfg config.Config, traceID string) string {
	if traceID == "" {
		return ""
	}
	return strings.ReplaceAll(cfg.Links.Traces, config.TraceID, url.PathEscape(traceID))
}
