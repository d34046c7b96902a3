package ops

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"minigroups/docs"
)

// runbookSection is a section of the runbook or of the page on planned work.
type runbookSection struct {
	Section string   `json:"section"`
	Alerts  []string `json:"alerts"` // that link to it
	Text    string   `json:"text"`   // Markdown, with the heading
}

func (a *app) runbook() *cobra.Command {
	return &cobra.Command{
		Use:   "runbook [SECTION | ALERT]",
		Short: "Print the sections of the runbook, or one of them",
		Long: `Without an argument, lists the sections of the runbook and of the page on planned work, and the alerts that
each of them explains. With the name of an alert, or a part of the heading, prints that section, in Markdown.

Needs no configuration. The text is that of the version of this program (ops -version).`,
		Example: "  ops runbook MinigroupsSagasStuck\n  ops runbook janus is full",
		RunE: func(_ *cobra.Command, args []string) error {
			sections := slices.Concat(splitSections(docs.Runbook), splitSections(docs.Operations))
			if len(args) == 0 {
				return a.print(sections, func(t *table) {
					t.row("SECTION", "ALERTS")
					for _, s := range sections {
						t.row(s.Section, strings.Join(s.Alerts, " "))
					}
				})
			}
			found, err := findSection(sections, strings.Join(args, " "))
			if err != nil {
				return err
			}
			return a.print(found, func(t *table) { _, _ = io.WriteString(t, found.Text) })
		},
	}
}

var (
	alertsLine  = regexp.MustCompile(`(?ms)^Alerts?: (.*?)\.$`)
	alertName   = regexp.MustCompile("`(\\w+)`")
	notInAnchor = regexp.MustCompile(`[^\pL\pN_]+`)
)

// splitSections returns the sections of a document.
func splitSections(document string) (sections []runbookSection) {
	for _, part := range strings.Split(document, "\n## ")[1:] {
		heading, body, _ := strings.Cut(part, "\n")
		s := runbookSection{
			Section: strings.ReplaceAll(heading, "`", ""), Alerts: []string{},
			Text: "## " + strings.TrimRight(part, "\n") + "\n",
		}
		if line := alertsLine.FindStringSubmatch(body); line != nil {
			for _, name := range alertName.FindAllStringSubmatch(line[1], -1) {
				s.Alerts = append(s.Alerts, name[1])
			}
		}
		sections = append(sections, s)
	}
	return sections
}

// findSection returns the section whose alert has this name, or the one section whose heading contains it. Case and
// punctuation do not count, so that the end of a link finds its section.
func findSection(sections []runbookSection, name string) (runbookSection, error) {
	plain := func(text string) string { return notInAnchor.ReplaceAllString(strings.ToLower(text), " ") }
	var found []runbookSection
	for _, s := range sections {
		isAlert := func(alert string) bool { return strings.EqualFold(alert, name) }
		if slices.ContainsFunc(s.Alerts, isAlert) || plain(s.Section) == plain(name) {
			return s, nil
		}
		if strings.Contains(plain(s.Section), plain(name)) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return runbookSection{}, &usageError{fmt.Sprintf("no section or alert is named %q; ops runbook lists them", name)}
	}
	headings := make([]string, len(found))
	for i, s := range found {
		headings[i] = s.Section
	}
	return runbookSection{}, &usageError{
		fmt.Sprintf("%q is in several headings: %s", name, strings.Join(headings, "; ")),
	}
}
