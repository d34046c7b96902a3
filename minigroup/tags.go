package minigroup

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxTagDepth is how many levels of objects and arrays tags may have, the tags object itself included.
const MaxTagDepth = 32

// CanonicalTags writes decoded tags (json.Decoder with UseNumber) in the one form that is stored, sent and
// compared: keys sorted, whole numbers within int64 as they are, every other number as the nearest float64.
// It lists every value that cannot be kept, by its path below field: numbers beyond float64, NUL characters,
// invalid UTF-8 and nesting deeper than MaxTagDepth.
func CanonicalTags(field string, tags map[string]any) (json.RawMessage, []FieldError) {
	c := canonicaliser{}
	value := c.value(field, tags, 1)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, []FieldError{{field, fmt.Sprintf("cannot be written as JSON: %v", err)}}
	}
	return text, nil
}

type canonicaliser struct{ errs []FieldError }

func (c *canonicaliser) fail(path, detail string) any {
	c.errs = append(c.errs, FieldError{path, detail})
	return nil
}

func (c *canonicaliser) value(path string, v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		return c.object(path, v, depth)
	case []any:
		if depth > MaxTagDepth {
			return c.fail(path, fmt.Sprintf("must not be nested deeper than %d levels", MaxTagDepth))
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = c.value(path+"["+strconv.Itoa(i)+"]", item, depth+1)
		}
		return out
	case string:
		c.text(path, v)
		return v
	case json.Number:
		return c.number(path, v)
	default:
		return v
	}
}

func (c *canonicaliser) object(path string, v map[string]any, depth int) any {
	if depth > MaxTagDepth {
		return c.fail(path, fmt.Sprintf("must not be nested deeper than %d levels", MaxTagDepth))
	}
	keys := make([]string, 0, len(v))
	for key := range v {
		keys = append(keys, key)
	}
	sort.Strings(keys) // mistakes are listed in the same order every time
	out := make(map[string]any, len(v))
	for _, key := range keys {
		c.text(path+"."+key, key)
		out[key] = c.value(path+"."+key, v[key], depth+1)
	}
	return out
}

func (c *canonicaliser) text(path, s string) {
	if strings.ContainsRune(s, 0) {
		c.fail(strings.ReplaceAll(path, "\x00", `\u0000`), "must not contain the character NUL (\\u0000)")
	}
	if !utf8.ValidString(s) {
		c.fail(strings.ToValidUTF8(path, "\uFFFD"), "must be valid UTF-8")
	}
}

func (c *canonicaliser) number(path string, n json.Number) any {
	if whole, err := n.Int64(); err == nil {
		return whole
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return c.fail(path, "must be a number that fits int64 or a finite float64")
	}
	if f == 0 {
		return 0 // -0.0 too: jsonb knows one zero
	}
	return f
}
