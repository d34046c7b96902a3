package workflows

import (
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"minigroups/activities"
)

// progress tells support where a run stands: the current details in words, and search attributes that stay true also while
// no worker is up. They change here and nowhere else, so that they move together.
type progress struct {
	ctx       workflow.Context
	lines     []*line
	attention int // steps in the patient lane
}

// line is a step under way.
type line struct {
	title  string
	status string
}

func newProgress(ctx workflow.Context) *progress { return &progress{ctx: ctx} }

func (p *progress) begin(title string) *line {
	l := &line{title: title, status: "first try"}
	p.lines = append(p.lines, l)
	p.tell()
	return l
}

func (p *progress) end(l *line) {
	for i, other := range p.lines {
		if other == l {
			p.lines = append(p.lines[:i], p.lines[i+1:]...)
			break
		}
	}
	p.tell()
}

// retrying notes that the first try of a step has failed.
func (p *progress) retrying(l *line, err error) {
	l.status = "being retried every few seconds. The first try failed: " + words(err)
	p.tell()
}

// waiting notes that a step goes on minutes apart and that a person should look.
func (p *progress) waiting(ctx workflow.Context, l *line, err error) {
	l.status = "**needs a person**: retried every few minutes. Last seen: " + words(err)
	p.attention++
	if p.attention == 1 {
		p.set(ctx, AttributeAttention.ValueSet(true))
	}
	p.tell()
}

// relieved notes that a waiting step has come to an end.
func (p *progress) relieved(ctx workflow.Context) {
	p.attention--
	if p.attention == 0 {
		p.set(ctx, AttributeAttention.ValueSet(false))
	}
}

// stage notes the part of the saga that begins.
func (p *progress) stage(ctx workflow.Context, stage string) {
	p.set(ctx, AttributeStage.ValueSet(stage))
}

func (p *progress) set(ctx workflow.Context, update temporal.SearchAttributeUpdate) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, update); err != nil {
		workflow.GetLogger(ctx).Warn("search attribute not set", "error", err)
	}
}

func (p *progress) tell() {
	var text strings.Builder
	for _, l := range p.lines {
		text.WriteString("- " + l.title + ": " + l.status + "\n")
	}
	workflow.SetCurrentDetails(p.ctx, text.String())
}

// words are what a failure says to support: more than callers are told, for they may have to find a host.
func words(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	failure, _, _ := activities.FailureOf(err)
	return failure.Detail
}
