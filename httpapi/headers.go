package httpapi

import "strings"

// splitOutsideQuotes cuts a header at each separator that is not within a quoted string (RFC 9110, 5.6.4).
func splitOutsideQuotes(header string, separator byte) []string {
	var parts []string
	from, quoted := 0, false
	for i := 0; i < len(header); i++ {
		switch {
		case quoted && header[i] == '\\':
			i++ // what is escaped ends nothing
		case header[i] == '"':
			quoted = !quoted
		case !quoted && header[i] == separator:
			parts = append(parts, header[from:i])
			from = i + 1
		}
	}
	return append(parts, header[from:])
}

// elements lists what is in a header that is a list, however many lines it takes.
func elements(lines []string) []string { return splitOutsideQuotes(strings.Join(lines, ","), ',') }
