package httpapi

import "strings"

// splitOutsideQuotes splits a header at each separator that is outside a quoted string (RFC 9110, 5.6.4).
func splitOutsideQuotes(header string, separator byte) []string {
	var parts []string
	from, quoted := 0, false
	for i := 0; i < len(header); i++ {
		switch {
		case quoted && header[i] == '\\':
			i++ // an escaped quote does not end the string
		case header[i] == '"':
			quoted = !quoted
		case !quoted && header[i] == separator:
			parts = append(parts, header[from:i])
			from = i + 1
		}
	}
	return append(parts, header[from:])
}

// elements returns the elements of a list header, which may have several lines.
func elements(lines []string) []string { return splitOutsideQuotes(strings.Join(lines, ","), ',') }
