package main

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// The size of a panel of the plot, and the number of panels in a row.
const panelWidth, panelHeight, panelsPerRow = 300, 110, 4

// plot draws a panel for each measure, as SVG. Each begins at 0, so that a small drift looks small.
func (l samples) plot() string {
	var b strings.Builder
	names := l.names()
	rows := (len(names) + panelsPerRow - 1) / panelsPerRow
	const open = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`
	fmt.Fprintf(&b, open, panelsPerRow*panelWidth, rows*panelHeight)
	b.WriteString("\n" + `<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, name := range names {
		at, values := l.points(name)
		x, y := i%panelsPerRow*panelWidth+10, i/panelsPerRow*panelHeight+10
		b.WriteString(panel(x, y, name, at, values))
	}
	return b.String() + "</svg>\n"
}

// panel draws one measure over the time in hours.
func panel(x, y int, name string, at, values []float64) string {
	const width, height, title = panelWidth - 30, panelHeight - 40, 14
	largest, last := max(slices.Max(values), 1e-9), max(at[len(at)-1], 1e-9)
	var line strings.Builder
	for i := range at {
		fmt.Fprintf(&line, "%.1f,%.1f ", float64(x)+width*at[i]/last, float64(y+title+height)-height*values[i]/largest)
	}
	return fmt.Sprintf(`<text x="%d" y="%d">%s, at most %.1f</text>
<path d="M%d %dh%d" stroke="#999"/>
<polyline points="%s" fill="none" stroke="#06c"/>
`, x, y+title-4, html.EscapeString(name), largest, x, y+title+height, width, line.String())
}
