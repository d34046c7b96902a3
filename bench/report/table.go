package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is a table of texts.
type Table struct {
	Title string
	// Note explains how to read it.
	Note string
	Head []string
	Rows [][]string
	// TextColumns is the number of columns at the left that are aligned to the left. The others but the last are numbers,
	// aligned to the right.
	TextColumns int
}

// Tables returns all tables of the run.
func (r Run) Tables() []Table {
	var tables []Table
	for _, group := range Groups() {
		var cells []Cell
		for _, c := range r.Cells {
			if c.Group == group && r.measured(c) {
				cells = append(cells, c)
			}
		}
		if len(cells) == 0 {
			continue
		}
		title := strings.ToUpper(group[:1]) + group[1:]
		switch group {
		case Writes:
			tables = append(tables, r.windowTable("Creates and updates", cells, Direct))
		case Reads:
			tables = append(tables, r.readTables(title, cells)...)
		case Growth:
			tables = append(tables, r.windowTable(title, cells, ProductWithRows(Small)))
		case Service:
			tables = append(tables, r.serviceTables(cells)...)
		case Isolation:
			tables = append(tables, r.windowTable(title, cells, Product))
		default:
			tables = append(tables, r.valueTable(title, cells))
		}
	}
	return append(tables, r.goalTable())
}

func (r Run) measured(c Cell) bool {
	return slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.Cell == c })
}

// windowTable has a row for each cell and compares it with the cell of a reference subject.
func (r Run) windowTable(title string, cells []Cell, reference string) Table {
	t := Table{
		Title: title, TextColumns: 2,
		Note: "Medians of the rounds, minimum and maximum in brackets. The columns ÷ and − compare with " + reference +
			", with the same number of clients and the same delay, within each round.",
		Head: []string{
			"subject", "work", "clients", "delay", "requests/s", "p50 ms", "p99 ms", "÷ requests/s", "− p50 ms",
			"CPU ms per request", "failed",
		},
	}
	for _, c := range cells {
		base := r.reference(c, cells, reference)
		throughput := ratio(valueOf(c, Throughput), valueOf(base, Throughput))
		latency := difference(valueOf(c, P50), valueOf(base, P50))
		if base == c {
			throughput, latency = notComparable, notComparable
		}
		t.Rows = append(t.Rows, []string{
			c.Subject, c.Work, fmt.Sprint(c.Clients), fmt.Sprintf("%d ms", c.DelayMS),
			r.format(valueOf(c, Throughput)), r.format(valueOf(c, P50)), r.format(valueOf(c, P99)),
			r.format(throughput), r.format(latency), r.cpu(c), r.total(c, Failed),
		})
	}
	return t
}

func notComparable(round) (float64, bool) { return 0, false }

// reference returns the cell of the subject to compare c with: the one with the same work, or for reads the first one.
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

// cpu returns the CPU time per request of each part of the system.
func (r Run) cpu(c Cell) string {
	var parts []string
	for _, part := range Parts() {
		if s, ok := r.spreadOf(valueOf(c, CPUPerRequest+part)); ok && s.Median >= 0.005 {
			parts = append(parts, part+" "+formatNumber(s.Median))
		}
	}
	return strings.Join(parts, ", ")
}

// load is the part that sends the requests.
const load = "load"

// Parts returns the parts of the system whose CPU time is measured separately.
func Parts() []string { return []string{"service", "temporal", "postgres", "upstreams", load} }

// total returns the sum of a value over all rounds.
func (r Run) total(c Cell, name string) string {
	sum := 0.0
	for _, s := range r.Samples {
		if s.Cell == c {
			sum += s.Values[name]
		}
	}
	return fmt.Sprint(int(sum))
}

// readTables returns the tables of the group Reads. Reads that wait have no latency, so they have a table of their own.
func (r Run) readTables(title string, cells []Cell) (tables []Table) {
	var answered, waiting []Cell
	for _, c := range cells {
		if c.Work == WaitForChange {
			waiting = append(waiting, c)
		} else {
			answered = append(answered, c)
		}
	}
	if len(answered) > 0 {
		tables = append(tables, r.windowTable(title, answered, PGBench))
	}
	for _, c := range waiting {
		t := r.valueTable("Reads that wait for a change", []Cell{c})
		t.Note = fmt.Sprintf("%d clients wait, each for a change of another minigroup, which does not come.", c.Clients)
		tables = append(tables, t)
	}
	return tables
}

// valueTable has a row for each value of each cell.
func (r Run) valueTable(title string, cells []Cell) Table {
	t := Table{Title: title, Head: []string{"subject", "work", "measurement", "value"}, TextColumns: 3}
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
			t.Rows = append(t.Rows, []string{c.Subject, c.Work, name, r.format(valueOf(c, name))})
		}
	}
	return t
}

func (r Run) goalTable() Table {
	t := Table{
		Title: "Goals", Note: "Before is the run of " + runBefore + ".",
		Head: []string{"goal", "bound", "before", "measured", "result"}, TextColumns: 2,
	}
	for _, v := range r.Verdicts() {
		measured := "–"
		if v.Measured {
			measured = formatSpread(v.Spread) + v.Unit
		}
		t.Rows = append(t.Rows, []string{v.Description, v.BoundText(), cmp.Or(v.before, "–"), measured, v.Result()})
	}
	return t
}

func (r Run) format(m measure) string {
	s, ok := r.spreadOf(m)
	if !ok {
		return "–"
	}
	return formatSpread(s)
}

func formatSpread(s Spread) string {
	if s.Rounds == 1 {
		return formatNumber(s.Median)
	}
	return fmt.Sprintf("%s [%s–%s]", formatNumber(s.Median), formatNumber(s.Min), formatNumber(s.Max))
}

// formatNumber returns about three significant digits.
func formatNumber(v float64) string {
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
			if i < t.TextColumns || i == len(row)-1 {
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
		if i >= t.TextColumns && i < len(rule)-1 {
			rule[i] = "---:"
		}
	}
	for _, row := range append([][]string{t.Head, rule}, t.Rows...) {
		out.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
