package report

import (
	"fmt"
	"io"
	"strings"
)

// Timeline has the requests to conference over time, from the metrics of the workers.
type Timeline struct {
	// Creates is the number of classes created while conference is slow or frozen, and SlowSeconds how long it takes for
	// an answer while it is slow.
	Creates     int     `json:"creates"`
	SlowSeconds float64 `json:"slow_seconds"`
	Points      []Point `json:"points"`
	Marks       []Mark  `json:"marks"`
}

// Point is the state of the limiters of conference at one time, added up over the workers.
type Point struct {
	Seconds  float64 `json:"seconds"` // since the beginning
	InFlight float64 `json:"in_flight"`
	Waiting  float64 `json:"waiting"`
	Limit    float64 `json:"limit"`
	// Paused is the number of workers that send probes only.
	Paused float64 `json:"paused"`
}

// Mark is an event.
type Mark struct {
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text"`
}

// MostInFlight returns the highest number of requests in flight.
func (t Timeline) MostInFlight() (most float64) {
	for _, p := range t.Points {
		most = max(most, p.InFlight)
	}
	return most
}

// Timeline returns the last one of the run, nil if there is none.
func (r Run) Timeline() (last *Timeline) {
	for _, s := range r.Samples {
		if s.Timeline != nil {
			last = s.Timeline
		}
	}
	return last
}

// The layout of the plot in pixels.
const (
	plotLeft, plotRight   = 60, 840
	plotHeight            = 150
	plotTop, plotDistance = 60, 70
)

// curve is a line of a plot.
type curve struct {
	name, color string
	dashed      bool
	value       func(Point) float64
}

// plot is one diagram of the timeline. Its curves share an axis.
type plot struct {
	title  string
	curves []curve
}

func plots() []plot {
	return []plot{
		{title: "requests to conference, all workers", curves: []curve{
			{name: "limit", color: "#999", dashed: true, value: func(p Point) float64 { return p.Limit }},
			{name: "in flight", color: "#3572a5", value: func(p Point) float64 { return p.InFlight }},
		}},
		{title: "requests that wait for capacity, all workers", curves: []curve{
			{name: "waiting", color: "#c0632b", value: func(p Point) float64 { return p.Waiting }},
		}},
		{title: "workers that send probes only", curves: []curve{
			{name: "paused", color: "#a33", value: func(p Point) float64 { return p.Paused }},
		}},
	}
}

// WriteSVG draws the timeline.
func (t Timeline) WriteSVG(w io.Writer) error {
	all := plots()
	height := plotTop + len(all)*(plotHeight+plotDistance)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" `+
		`font-family="sans-serif" font-size="12">`+"\n", chartWidth, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, height)
	fmt.Fprintf(&out, `<text x="12" y="24" font-weight="bold">%s</text>`+"\n", escape(fmt.Sprintf(
		"%d creates while conference takes %g s for an answer, then is frozen, then is back", t.Creates, t.SlowSeconds)))
	end := 1.0
	for _, p := range t.Points {
		end = max(end, p.Seconds)
	}
	for i, p := range all {
		t.draw(&out, p, end, plotTop+i*(plotHeight+plotDistance))
	}
	out.WriteString("</svg>\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// draw draws a plot whose upper edge is at top. The time axis goes to end.
func (t Timeline) draw(out *strings.Builder, p plot, end float64, top int) {
	bottom := float64(top + plotHeight)
	x := func(seconds float64) float64 { return plotLeft + seconds/end*(plotRight-plotLeft) }
	most := 1.0
	for _, c := range p.curves {
		for _, point := range t.Points {
			most = max(most, c.value(point))
		}
	}
	y := func(value float64) float64 { return bottom - value/most*plotHeight }
	fmt.Fprintf(out, `<text x="%d" y="%d">%s</text>`+"\n", plotLeft, top-22, escape(p.title))
	for _, value := range []float64{0, most} {
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n", plotLeft-6, y(value)+4, value)
		fmt.Fprintf(out, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", plotLeft, y(value), plotRight)
	}
	for seconds := 0.0; seconds <= end; seconds += 10 {
		fmt.Fprintf(out, `<text x="%.1f" y="%.1f" text-anchor="middle">%g s</text>`+"\n", x(seconds), bottom+16, seconds)
	}
	for _, m := range t.Marks {
		fmt.Fprintf(out, `<path d="M%.1f %dV%.1f" stroke="#bbb" stroke-dasharray="2 3"/>`+"\n", x(m.Seconds), top, bottom)
		fmt.Fprintf(out, `<text x="%.1f" y="%d" fill="#666">%s</text>`+"\n", x(m.Seconds)+3, top-6, escape(m.Text))
	}
	for i, c := range p.curves {
		dash := ""
		if c.dashed {
			dash = ` stroke-dasharray="5 3"`
		}
		fmt.Fprintf(out, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5"%s/>`+"\n",
			c.steps(t.Points, x, y), c.color, dash)
		if len(p.curves) > 1 {
			fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`+"\n",
				plotRight-i*70, top-22, c.color, escape(c.name))
		}
	}
}

// steps returns the path of a curve whose value stays until the next point.
func (c curve) steps(points []Point, x, y func(float64) float64) string {
	var path strings.Builder
	for i, p := range points {
		if i == 0 {
			fmt.Fprintf(&path, "M%.1f %.1f", x(p.Seconds), y(c.value(p)))
			continue
		}
		fmt.Fprintf(&path, "H%.1fV%.1f", x(p.Seconds), y(c.value(p)))
	}
	return path.String()
}
