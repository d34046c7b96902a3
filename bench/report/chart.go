package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
)

// panel is a horizontal bar chart.
type panel struct {
	title string
	// logarithmic is for values that differ by orders of magnitude.
	logarithmic bool
	bars        []bar
}

type bar struct {
	label string
	Spread
	isProduct bool
}

// Sizes in pixels.
const (
	chartWidth        = 860
	labelWidth        = 250
	numberWidth       = 110
	barHeight         = 16
	barGap            = 8
	panelHeaderHeight = 44
	axisWidth         = chartWidth - labelWidth - numberWidth
)

func (r Run) panels() []panel {
	create := func(clients, delay int) func(Cell) bool {
		return func(c Cell) bool { return c.Group == Writes && c.Clients == clients && c.DelayMS == delay }
	}
	of := func(group string, clients int, works ...string) func(Cell) bool {
		return func(c Cell) bool {
			hasWork := len(works) == 0 || strings.Contains(strings.Join(works, ","), c.Work)
			return c.Group == group && c.Clients == clients && hasWork
		}
	}
	all := []panel{
		r.panel("One client, 10 ms per upstream call: p50 in ms, less is better", false, P50, create(1, 10)),
		r.panel("32 clients: requests per second, more is better (logarithmic)", true, Throughput, create(32, 0)),
		r.panel("32 connections: reads per second, more is better", false, Throughput, of(Reads, 32)),
		r.panel("Growth, one client: p50 in ms, less is better", false, P50, of(Growth, 1, Create, Update, Sweep)),
	}
	var panels []panel
	for _, p := range all {
		if len(p.bars) > 0 {
			panels = append(panels, p)
		}
	}
	return panels
}

func (r Run) panel(title string, logarithmic bool, name string, in func(Cell) bool) panel {
	p := panel{title: title, logarithmic: logarithmic}
	for _, c := range r.Cells {
		if !in(c) {
			continue
		}
		if s, ok := r.spreadOf(valueOf(c, name)); ok {
			label := c.Subject
			if c.Work != Create || c.Group == Growth {
				label += ": " + c.Work
			}
			p.bars = append(p.bars, bar{label: label, Spread: s, isProduct: strings.HasPrefix(c.Subject, Product)})
		}
	}
	return p
}

// position returns the position of a value on the axis, in pixels.
func (p panel) position(value float64) float64 {
	least, most := math.Inf(1), 0.0
	for _, b := range p.bars {
		least, most = min(least, b.Min), max(most, b.Max)
	}
	if most <= 0 || value <= 0 {
		return 0
	}
	if !p.logarithmic || least <= 0 {
		return value / most * axisWidth
	}
	// The axis begins at the power of ten below the smallest value.
	from := math.Floor(math.Log10(least))
	return max(0, (math.Log10(value)-from)/(math.Log10(most)-from)*axisWidth)
}

func (p panel) height() int { return panelHeaderHeight + len(p.bars)*(barHeight+barGap) }

// WriteChart draws latency and throughput of every subject as SVG. Bars end at the median; lines go from the minimum
// to the maximum.
func (r Run) WriteChart(w io.Writer) error {
	panels := r.panels()
	height := 16
	for _, p := range panels {
		height += p.height()
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" `+
		`font-family="sans-serif" font-size="12">`+"\n", chartWidth, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, height)
	y := 0
	for _, p := range panels {
		p.draw(&out, y)
		y += p.height()
	}
	out.WriteString("</svg>\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func (p panel) draw(out *strings.Builder, top int) {
	fmt.Fprintf(out, `<text x="12" y="%d" font-weight="bold">%s</text>`+"\n", top+28, escape(p.title))
	for i, b := range p.bars {
		y := top + panelHeaderHeight + i*(barHeight+barGap)
		middle := y + barHeight/2
		fill := "#b8c4d0"
		if b.isProduct {
			fill = "#3572a5"
		}
		fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
			labelWidth-8, middle+4, escape(b.label))
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
			labelWidth, y, p.position(b.Median), barHeight, fill)
		fmt.Fprintf(out, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#222"/>`+"\n",
			labelWidth+p.position(b.Min), labelWidth+p.position(b.Max), middle, middle)
		fmt.Fprintf(out, `<text x="%d" y="%d">%s</text>`+"\n",
			chartWidth-numberWidth+8, middle+4, formatNumber(b.Median))
	}
}

func escape(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // writing to a Builder does not fail
	return out.String()
}
