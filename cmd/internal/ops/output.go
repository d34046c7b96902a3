package ops

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// format is the output format: table, which is the default, or json.
type format string

// Set implements pflag.Value.
func (f *format) Set(text string) error {
	if text != "table" && text != "json" {
		return errors.New("must be table or json")
	}
	*f = format(text)
	return nil
}

func (f *format) String() string {
	if *f == "" {
		return "table"
	}
	return string(*f)
}

// Type names the accepted values in help texts.
func (f *format) Type() string { return "table|json" }

// print writes document as JSON, or calls writeTable if the format is table.
func (a *app) print(document any, writeTable func(*table)) error {
	if a.format == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	}
	t := &table{tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)}
	writeTable(t)
	return t.Flush()
}

// table aligns rows into columns. A line written by line ends a table; the rows after it are aligned anew.
type table struct{ *tabwriter.Writer }

// row writes one row. An empty cell is shown as a dash. Line breaks and control characters are shown as spaces,
// because callers of the API choose some of the values.
func (t *table) row(cells ...any) {
	for i, cell := range cells {
		text := strings.Join(strings.Fields(strings.Map(printable, fmt.Sprint(cell))), " ")
		if text == "" {
			text = "-"
		}
		if i > 0 {
			_, _ = io.WriteString(t, "\t")
		}
		_, _ = io.WriteString(t, text)
	}
	_, _ = io.WriteString(t, "\n")
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return ' '
	}
	return r
}

// line writes text that belongs to no column.
func (t *table) line(format string, args ...any) {
	_ = t.Flush()
	fmt.Fprintf(t, format+"\n", args...)
	_ = t.Flush()
}

// formatTime formats a time in UTC, to the second. The zero time is empty.
func formatTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
