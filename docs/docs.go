// Package docs embeds the documents that the command ops prints where no repository is at hand.
package docs

import _ "embed"

var (
	// Runbook says what to do when something is wrong, in Markdown. Each section begins with a heading of the second
	// level.
	//
	//go:embed runbook.md
	Runbook string

	// Operations describes planned work, in the same form.
	//
	//go:embed operations.md
	Operations string
)
