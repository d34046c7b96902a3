package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// format is how results are printed: for people unless it says json.
type format string

// Set, String and Type make it a flag.
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

// Type names what the flag takes.
func (f *format) Type() string { return "table|json" }

// print writes one JSON document, or what the same is for people.
func (a *app) print(document any, people func(*table)) error {
	if a.format == "json" {
		encoder := json.NewEncoder(a.out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	}
	t := &table{tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)}
	people(t)
	return t.Flush()
}

// table aligns what is written into its columns.
type table struct{ *tabwriter.Writer }

// row writes a line of cells. Nothing is shown as a dash; what would break the line is shown as a space.
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

// say ends the columns before it and writes a line of its own.
func (t *table) say(format string, args ...any) {
	_ = t.Flush()
	fmt.Fprintf(t, format+"\n", args...)
	_ = t.Flush()
}

// moment is a time as it is shown: in UTC, nothing where it is zero.
func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
