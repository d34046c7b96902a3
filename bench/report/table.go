package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is rows of text under a head.
type Table struct {
	Title string
	// Note says how to read it.
	Note string
	Head []string
	Rows [][]string
	// Words is how many of the first columns are words; the others are figures, to the right.
	Words int
}

// Tables are all that the run has to show.
func (r Run) Tables() []Table {
	var tables []Table
	for _, group := range Groups() {
		var cells []Cell
		for _, c := range r.Cells {
			if c.Group == group && r.has(c) {
				cells = append(cells, c)
			}
		}
		if len(cells) == 0 {
			continue
		}
		switch group {
		case Writes:
			tables = append(tables, r.windows("Creates and updates", cells, Direct))
		case Reads:
			tables = append(tables, r.windows("Reads", cells, PGBench))
		case Growth:
			tables = append(tables, r.windows("Growth", cells, Sized(Small)))
		case Bulkheads:
			tables = append(tables, r.windows("Bulkheads", cells, Product))
		default:
			tables = append(tables, r.figures(strings.ToUpper(group[:1])+group[1:], cells))
		}
	}
	return append(tables, r.goalTable())
}

func (r Run) has(c Cell) bool {
	return slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.Cell == c })
}

// windows shows windows beside those of a reference, by ratios within their round.
func (r Run) windows(title string, cells []Cell, reference string) Table {
	t := Table{
		Title: title, Words: 2,
		Note: "Medians of the rounds, in brackets the least and the most. ÷ and − compare with " + reference +
			", under the same number of clients and the same delay, within each round.",
		Head: []string{"subject", "work", "clients", "delay", "per second", "p50 ms", "p99 ms", "÷ per second", "− p50 ms", "CPU ms each", "failed"},
	}
	for _, c := range cells {
		base := r.reference(c, cells, reference)
		ratio, difference := over(value(c, PerSecond), value(base, PerSecond)), minus(value(c, P50), value(base, P50))
		if base == c {
			ratio, difference = none, none
		}
		t.Rows = append(t.Rows, []string{
			c.Subject, c.Work, fmt.Sprint(c.Clients), fmt.Sprintf("%d ms", c.DelayMS),
			r.show(value(c, PerSecond)), r.show(value(c, P50)), r.show(value(c, P99)),
			r.show(ratio), r.show(difference), r.cpu(c), r.failed(c),
		})
	}
	return t
}

func none(round) (float64, bool) { return 0, false }

// reference is the cell that another is compared with: of the reference subject, doing the same if it does that at all.
func (r Run) reference(c Cell, cells []Cell, subject string) Cell {
	var found Cell
	for _, other := range cells {
		if other.Subject == subject && other.Clients == c.Clients && other.DelayMS == c.DelayMS {
			if other.Work == c.Work {
				return other
			}
			if found == (Cell{}) && c.Group == Reads {
				found = other
			}
		}
	}
	return found
}

// cpu tells where the time goes: what each part took for an answer.
func (r Run) cpu(c Cell) string {
	var parts []string
	for _, part := range Parts() {
		if s, ok := r.of(value(c, CPU+part)); ok && s.Median >= 0.005 {
			parts = append(parts, part+" "+figure(s.Median))
		}
	}
	return strings.Join(parts, ", ")
}

// Parts are the parts of the system whose CPU time is told apart.
func Parts() []string { return []string{"service", "temporal", "postgres", "upstreams", "load"} }

func (r Run) failed(c Cell) string {
	sum := 0.0
	for _, s := range r.Samples {
		if s.Cell == c {
			sum += s.Values[Failed]
		}
	}
	return fmt.Sprint(int(sum))
}

// figures shows whatever was measured, a line each.
func (r Run) figures(title string, cells []Cell) Table {
	t := Table{Title: title, Head: []string{"subject", "work", "figure", "value"}, Words: 3}
	for _, c := range cells {
		var names []string
		for _, s := range r.Samples {
			if s.Cell != c {
				continue
			}
			for name := range s.Values {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		slices.Sort(names)
		for _, name := range names {
			t.Rows = append(t.Rows, []string{c.Subject, c.Work, name, r.show(value(c, name))})
		}
	}
	return t
}

func (r Run) goalTable() Table {
	t := Table{Title: "Goals", Head: []string{"goal", "bound", "measured", ""}, Words: 2}
	for _, v := range r.Verdicts() {
		measured := "–"
		if v.Measured {
			measured = showSpread(v.Spread) + v.Unit
		}
		t.Rows = append(t.Rows, []string{v.Says, v.Bar(), measured, v.Word()})
	}
	return t
}

func (r Run) show(m measure) string {
	s, ok := r.of(m)
	if !ok {
		return "–"
	}
	return showSpread(s)
}

func showSpread(s Spread) string {
	if s.Rounds == 1 {
		return figure(s.Median)
	}
	return fmt.Sprintf("%s [%s–%s]", figure(s.Median), figure(s.Min), figure(s.Max))
}

// figure shows three digits that count.
func figure(v float64) string {
	switch size := math.Abs(v); {
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// WriteText writes the table in aligned columns.
func (t Table) WriteText(w io.Writer) error {
	widths := make([]int, len(t.Head))
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s\n", t.Title)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		var line strings.Builder
		for i, text := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i < t.Words || i == len(row)-1 {
				line.WriteString("  " + text + gap)
			} else {
				line.WriteString("  " + gap + text)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// WriteMarkdown writes the table as Markdown, without its title.
func (t Table) WriteMarkdown(w io.Writer) error {
	var out strings.Builder
	rule := make([]string, len(t.Head))
	for i := range rule {
		rule[i] = "---"
		if i >= t.Words && i < len(rule)-1 {
			rule[i] = "---:"
		}
	}
	for _, row := range append([][]string{t.Head, rule}, t.Rows...) {
		out.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
