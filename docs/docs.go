// Package docs embeds the documents that the command ops prints where no repository is at hand.
package docs

import _ "embed"

// Runbook is the runbook, and Operations describes planned work, both in Markdown. Each section begins with a heading of
// the second level.
var (
	//go:embed runbook.md
	Runbook string
	//go:embed operations.md
	Operations string
)
