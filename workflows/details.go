package workflows

import (
	"fmt"
	"strings"
	"time"
)

// What people read of a run in the Temporal UI, in Markdown.

// whereElse tells what a run does not know of its own steps.
const whereElse = "*Pending Activities* shows the try under way and the newest error; *Reset* there has it tried now. "

// details are where the run stands, in words. They are shown only while a worker is up.
func (p *Progress) details() string {
	if p.Outcome != "" {
		return p.ended()
	}
	var text strings.Builder
	text.WriteString(p.heading() + "\n\n")
	waits := false
	for _, s := range p.Steps {
		text.WriteString("- **" + s.Title + "**: " + s.details() + "\n")
		waits = waits || s.Lane != laneFast
	}
	if waits {
		text.WriteString("\n" + whereElse + p.levers() + "\n" + more)
	}
	return text.String()
}

func (p *Progress) heading() string {
	text := strings.ToUpper(p.Stage[:1]) + p.Stage[1:]
	if p.Reason != "" {
		text += ", because: " + quoted(p.Reason)
	}
	if p.Attention {
		return "**Needs a person**: it waits for " + strings.Join(p.WaitingFor, " and ") + ". " + text + "."
	}
	return text + "."
}

func (s *Step) details() string {
	if s.Lane == laneFast {
		return "first try, since " + moment(s.Since) + "."
	}
	tries := fmt.Sprintf("tries %d to %d", s.FirstTry, s.LastTry)
	if s.LastTry == 0 {
		tries = fmt.Sprintf("try %d and on, without end", s.FirstTry)
	}
	lane := "retried every few seconds (" + tries + ")"
	if s.Lane == lanePatient {
		lane = "**needs a person**, retried every few minutes (" + tries + ")"
	}
	return lane + ", since " + moment(s.Since) + ". It waits for " + s.WaitingFor + ". Last error: " + quoted(s.LastError)
}

// levers are what a person can do about a run that is open.
func (p *Progress) levers() string {
	switch {
	case p.Stage == stageUndoing:
		return "*Cancel* does not stop an undo: it goes on until nothing is left."
	case p.Operation == operationClose:
		return "It goes on until the room is closed; when it is cancelled, the sweeper starts it again."
	case p.Operation == operationUpdate:
		return "*Cancel* ends it with nothing changed, unless conference may have made the change already: then it goes on until " +
			"that is known."
	case p.Operation == operationRecreate:
		return "*Cancel* gives it up: the minigroup keeps the rooms that it has."
	default:
		return "*Cancel* gives it up and undoes everything."
	}
}

func (p *Progress) ended() string {
	if p.Outcome == outcomeDone {
		return "**Done.**\n"
	}
	text := "**" + strings.ToUpper(p.Outcome[:1]) + p.Outcome[1:] + "**: " + quoted(p.Reason) + "\n\n"
	switch {
	case p.Outcome == outcomeSuperseded:
		return text + "Another run decides about this minigroup now.\n"
	case p.Operation == operationCreate:
		return text + "Everything was undone. The same request starts it over; docs/runbook.md tells how.\n"
	case p.Operation == operationUpdate:
		return text + "Nothing was changed. The same request tries again.\n"
	case p.Operation == operationRecreate:
		return text + "The minigroup has the rooms that it had. The same request tries again.\n"
	default:
		return text + "The sweeper sees to what is left within some minutes.\n"
	}
}

// quoted keeps Markdown from reading meaning into words of others.
func quoted(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
