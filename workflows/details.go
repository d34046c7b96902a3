package workflows

import (
	"fmt"
	"strings"
	"time"
)

// The current details of a run, in Markdown for support. The Temporal UI shows them only while a worker is up.

// pendingHint says where to find what a run does not know of its own steps.
const pendingHint = "*Pending Activities* shows the number of attempts and the newest error; " +
	"*Reset* there retries at once. "

func (p *Progress) details() string {
	if p.Outcome != "" {
		return p.outcomeText()
	}
	var text strings.Builder
	text.WriteString(p.heading() + "\n\n")
	retrying := false
	for _, s := range p.Steps {
		text.WriteString("- **" + s.Title + "**: " + s.details() + "\n")
		retrying = retrying || s.Retrying
	}
	if retrying {
		text.WriteString("\n" + pendingHint + p.cancelHint() + "\n" + runbookHint)
	}
	return text.String()
}

func (p *Progress) heading() string {
	text := strings.ToUpper(p.Stage[:1]) + p.Stage[1:]
	if p.Reason != "" {
		text += ", because: " + quoted(p.Reason)
	}
	if p.Attention {
		return "**Needs attention**: it waits for " + strings.Join(p.WaitingFor, " and ") + ". " + text + "."
	}
	return text + "."
}

func (s *Step) details() string {
	since := "since " + timestamp(s.Since)
	if !s.Retrying {
		return "first attempt, " + since + "."
	}
	limit := "without limit"
	if s.MaxAttempts != nil && *s.MaxAttempts > 0 {
		limit = fmt.Sprintf("at most %d times", *s.MaxAttempts)
	}
	text := "retried, " + limit + ", " + since + ". It waits for " + s.WaitingFor + ". First error: " + quoted(s.LastError)
	if s.Attention {
		return "**needs attention**, " + text
	}
	return text
}

// cancelHint says what Cancel does to an open run.
func (p *Progress) cancelHint() string {
	switch {
	case p.Stage == stageUndoing:
		return "*Cancel* does not stop an undo: it goes on until everything is closed."
	case p.Operation == operationClose:
		return "It goes on until the room is closed; after *Cancel* the sweeper starts it again."
	case p.Operation == operationUpdate:
		return "*Cancel* ends it with nothing changed, unless conference may have made the change already: then it goes on " +
			"until that is known."
	case p.Operation == operationRecreate:
		return "*Cancel* ends it: the minigroup keeps the rooms that it has."
	default:
		return "*Cancel* ends it and undoes everything."
	}
}

func (p *Progress) outcomeText() string {
	if p.Outcome == outcomeDone {
		return "**Done.**\n"
	}
	text := "**" + strings.ToUpper(p.Outcome[:1]) + p.Outcome[1:] + "**: " + quoted(p.Reason) + "\n\n"
	switch {
	case p.Outcome == outcomeSuperseded:
		return text + "Another run owns this minigroup now.\n"
	case p.Operation == operationCreate:
		return text + "Everything was undone. The same request starts it again; see docs/runbook.md.\n"
	case p.Operation == operationUpdate:
		return text + "Nothing was changed. The same request tries again.\n"
	case p.Operation == operationRecreate:
		return text + "The minigroup has the rooms that it had. The same request tries again.\n"
	default:
		return text + "The sweeper starts it again within some minutes.\n"
	}
}

// quoted keeps the UI from rendering foreign text as Markdown.
func quoted(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
