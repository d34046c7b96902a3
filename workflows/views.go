package workflows

import (
	"net/url"
	"strings"
)

// View is a search for runs that support and ops save in the Temporal UI.
type View struct {
	Name string
	// Query is in the language of the list of runs; the UI reads no spaces around =. In those that ask for something, Of puts it in
	// the place of $VALUE.
	Query   string
	Meaning string
}

// The views. Those of what is open pin the status: a run that was terminated keeps the attributes that it had.
var (
	NeedsAttention = View{
		"needs a person", `ExecutionStatus="Running" AND MinigroupAttention=true`,
		"a step has not been answered for about two minutes; MinigroupWaitingFor says by whom",
	}
	NotFinished = View{
		"not finished", `ExecutionStatus="Running" AND MinigroupId IS NOT NULL`,
		"every open run; one that is well takes milliseconds, so what stands here for longer is stuck, also before it needs a person",
	}
	Undoing = View{
		"undoing", `ExecutionStatus="Running" AND MinigroupStage="undoing"`,
		"what was made is being closed again; it goes on until nothing is left",
	}
	WaitingFor = View{
		"waits for a service", `ExecutionStatus="Running" AND MinigroupWaitingFor=$VALUE`,
		"what needs a person because this service is missing: event, conference, janus, database or worker",
	}
	FailedSince = View{
		"failed since", `ExecutionStatus="Failed" AND MinigroupId IS NOT NULL AND CloseTime >= $VALUE`,
		"what came to nothing since this moment (2026-11-23T00:00:00Z), and was undone",
	}
	OfScope = View{
		"of a scope", `MinigroupScope=$VALUE`,
		"all that happened to the minigroup of this scope, whatever its audience; a scope with a double quote or a backslash is not " +
			"found, its class id is",
	}
	OfClass = View{
		"of a class", `MinigroupId=$VALUE`,
		"all that happened to the minigroup of this class id, and the runs that close rooms of it",
	}
)

// Views are all of them.
var Views = []View{NeedsAttention, NotFinished, Undoing, WaitingFor, FailedSince, OfScope, OfClass}

// Link is the address at which the Temporal UI at ui (http://host:port) shows a query of this view, and saves it as a view in
// the browser that opens it.
func (v View) Link(ui, namespace, query string) string {
	asked := url.Values{"query": {query}, "savedQuery": {v.Name}}
	return ui + "/namespaces/" + url.PathEscape(namespace) + "/workflows?" + asked.Encode()
}

var escaping = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Of is the query for one value. Whatever characters are in it, it stays one value; but Temporal, where it keeps visibility in
// SQL, finds none that has a double quote or a backslash.
func (v View) Of(value string) string {
	return strings.ReplaceAll(v.Query, "$VALUE", `"`+escaping.Replace(value)+`"`)
}
