package report

import (
	"cmp"
	_ "embed" // for method
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// WriteDocument writes the Markdown page with the results, the machine and the method.
func (r Run) WriteDocument(w io.Writer) error {
	var out strings.Builder
	out.WriteString("# Benchmarks\n\nWritten by `make bench`; do not edit.\n\n")
	begun := r.Begun.UTC().Format("2 January 2006, 15:04 UTC")
	fmt.Fprintf(&out, "%s, commit %s, in %s.\n\n", begun, r.Revision, duration(r.Took))
	m := r.Machine
	machine := fmt.Sprintf("Machine: %d × %s, %.1f GB of memory, Linux %s, %s, PostgreSQL %s. "+
		"All processes share it: load, service, Temporal, Postgres and upstreams.",
		m.Cores, m.Processor, float64(m.MemoryMB)/1024, m.Kernel, m.Go, cmp.Or(m.Postgres, "of an unknown version"))
	out.WriteString(wrap(machine, "") + "\n\n")
	if r.Quick {
		out.WriteString("**This was a quick run with short windows. It shows that everything works; " +
			"its figures vary a lot.**\n\n")
	}
	out.WriteString("## Goals\n\n")
	tables := r.Tables()
	goals, others := tables[len(tables)-1], tables[:len(tables)-1]
	out.WriteString(wrap(goals.Note, "") + "\n\n")
	if err := goals.WriteMarkdown(&out); err != nil {
		return err
	}
	for _, v := range r.Verdicts() {
		if v.Measured && !v.Met && v.reason != "" {
			out.WriteString("\n" + wrap(fmt.Sprintf("*%s* is missed: %s.", v.Description, v.reason), "") + "\n")
		}
	}
	out.WriteString("\n![latency and throughput of every subject](benchmarks.svg)\n")
	for _, t := range others {
		fmt.Fprintf(&out, "\n## %s\n\n", t.Title)
		if t.Note != "" {
			out.WriteString(wrap(t.Note, "") + "\n\n")
		}
		if err := t.WriteMarkdown(&out); err != nil {
			return err
		}
	}
	out.WriteString("\n## Subjects\n\n")
	for _, s := range r.Subjects {
		text := fmt.Sprintf("- **%s**: %s.", s.Name, s.Description)
		if s.Weakness != "" {
			text += fmt.Sprintf(" *Weakness: %s.*", s.Weakness)
		}
		out.WriteString(wrap(text, "  ") + "\n")
	}
	fmt.Fprintf(&out, "\n## Method\n\n"+method, r.Rounds, r.Window, r.WarmUp, r.Seed, r.DefaultTemporal)
	_, err := io.WriteString(w, out.String())
	return err
}

// wrap breaks a text into lines of at most 118 characters. All but the first begin with indent.
func wrap(text, indent string) string {
	var out strings.Builder
	length := 0
	for i, word := range strings.Fields(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case length+1+size > 118:
			out.WriteString("\n" + indent)
			length = len(indent)
		default:
			out.WriteString(" ")
			length++
		}
		out.WriteString(word)
		length += size
	}
	return out.String()
}

func duration(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// method describes how the figures were measured. It is a format for rounds, window, warm-up, seed and Temporal server.
//
//go:embed method.md
var method string
