package httpapi

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// checkString returns what is wrong with a raw JSON string, or "". encoding/json would replace invalid UTF-8 and lone
// surrogates by U+FFFD.
func checkString(raw []byte) string {
	if !utf8.Valid(raw) {
		return "must be valid UTF-8"
	}
	for {
		escape := bytes.IndexByte(raw, '\\')
		if escape < 0 {
			return ""
		}
		raw = raw[escape:]
		first, ok := utf16Escape(raw)
		switch {
		case !ok:
			raw = raw[len(`\n`):]
			continue
		case !utf16.IsSurrogate(first):
			raw = raw[len(`\u0000`):]
			continue
		}
		second, _ := utf16Escape(raw[len(`\u0000`):])
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return "must not contain half of a surrogate pair (\\ud800 to \\udfff)"
		}
		raw = raw[len(`\u0000\u0000`):]
	}
}

// utf16Escape returns the code unit of the \uXXXX that raw begins with. ok is false if raw begins with anything else.
func utf16Escape(raw []byte) (unit rune, ok bool) {
	if len(raw) < len(`\u0000`) || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}
