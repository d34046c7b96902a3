package workflows

import (
	"net/url"
	"strings"
)

// View is a query for the list of runs that support and ops save in the Temporal UI.
type View struct {
	Name string
	// Query is a list filter of Temporal, without spaces around =, which the UI does not parse. Of replaces $VALUE in the
	// views that have one.
	Query   string
	Meaning string
}

// The views. Those of open runs filter by status, because a terminated run keeps its search attributes.
var (
	NeedsAttention = View{
		Name:    "needs attention",
		Query:   `ExecutionStatus="Running" AND MinigroupAttention=true`,
		Meaning: "a step has been retried for two minutes; MinigroupWaitingFor names the service it waits for",
	}
	NotFinished = View{
		Name:  "not finished",
		Query: `ExecutionStatus="Running" AND MinigroupId IS NOT NULL`,
		Meaning: "every open run; a run without faults takes milliseconds, so a run that stays in this list is retrying, " +
			"even before it needs attention",
	}
	Undoing = View{
		Name:    "undoing",
		Query:   `ExecutionStatus="Running" AND MinigroupStage="undoing"`,
		Meaning: "rooms and slots of a failed create are being closed; it goes on until everything is closed",
	}
	WaitingFor = View{
		Name:    "waits for a service",
		Query:   `ExecutionStatus="Running" AND MinigroupWaitingFor=$VALUE`,
		Meaning: "needs attention because of this service: event, conference, janus, database or worker",
	}
	FailedSince = View{
		Name:    "failed since",
		Query:   `ExecutionStatus="Failed" AND MinigroupId IS NOT NULL AND CloseTime >= $VALUE`,
		Meaning: "failed since this time (2026-11-23T00:00:00Z), and was undone",
	}
	OfScope = View{
		Name:  "of a scope",
		Query: `MinigroupScope=$VALUE`,
		Meaning: "all runs of the minigroups with this scope, in any audience; it does not find a scope with a double " +
			"quote or a backslash, for which there is the class id",
	}
	OfClass = View{
		Name:    "of a class",
		Query:   `MinigroupId=$VALUE`,
		Meaning: "all runs of the minigroup with this class id, and the runs that close its rooms",
	}
)

// Views are all views.
var Views = []View{NeedsAttention, NotFinished, Undoing, WaitingFor, FailedSince, OfScope, OfClass}

// Link is the URL under which the Temporal UI at ui (http://host:port) shows a query of this view and saves the view in
// the browser.
func (v View) Link(ui, namespace, query string) string {
	parameters := url.Values{"query": {query}, "savedQuery": {v.Name}}
	return ui + "/namespaces/" + url.PathEscape(namespace) + "/workflows?" + parameters.Encode()
}

var escaping = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Of is the query with this value, which is escaped. With visibility in SQL, Temporal finds no value that contains a
// double quote or a backslash.
func (v View) Of(value string) string {
	return strings.ReplaceAll(v.Query, "$VALUE", `"`+escaping.Replace(value)+`"`)
}
