package minigroup

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is the maximum depth of nested objects and arrays, including the outermost.
const MaxDepth = 32

// CanonicalJSON writes a decoded document (json.Decoder with UseNumber), such as tags or a property, in the form that
// is stored, sent and compared: keys sorted, whole numbers within int64 unchanged, every other number as the nearest
// float64. If the document has values that cannot be stored, it returns nil and lists them, each by its path below
// field: numbers beyond float64, NUL characters, invalid UTF-8 and nesting deeper than MaxDepth.
func CanonicalJSON(field string, document any) (json.RawMessage, []FieldError) {
	c := canonicaliser{}
	value := c.value(&path{key: field}, document, 1)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, []FieldError{{field, fmt.Sprintf("cannot be written as JSON: %v", err)}}
	}
	return text, nil
}

// maxMistakes bounds the list that CanonicalJSON returns.
const maxMistakes = 100

type canonicaliser struct{ errs []FieldError }

// path is the path of a value. Its text is made only for mistakes, because keys may be as long as the document.
type path struct {
	parent *path
	key    string
	index  int // of an element of an array; -1 for a member of an object
}

func (p *path) String() string {
	var steps []string
	for ; p.parent != nil; p = p.parent {
		if p.index >= 0 {
			steps = append(steps, "["+strconv.Itoa(p.index)+"]")
		} else {
			steps = append(steps, "."+strings.ReplaceAll(strings.ToValidUTF8(p.key, "\uFFFD"), "\x00", `\u0000`))
		}
	}
	slices.Reverse(steps)
	return p.key + strings.Join(steps, "")
}

func (c *canonicaliser) fail(at *path, detail string) any {
	if len(c.errs) < maxMistakes {
		c.errs = append(c.errs, FieldError{at.String(), detail})
	}
	return nil
}

func (c *canonicaliser) value(at *path, v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		return c.object(at, v, depth)
	case []any:
		if depth > MaxDepth {
			return c.fail(at, fmt.Sprintf("must not be nested deeper than %d levels", MaxDepth))
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = c.value(&path{parent: at, index: i}, item, depth+1)
		}
		return out
	case string:
		c.text(at, v)
		return v
	case json.Number:
		return c.number(at, v)
	default:
		return v
	}
}

func (c *canonicaliser) object(at *path, v map[string]any, depth int) any {
	if depth > MaxDepth {
		return c.fail(at, fmt.Sprintf("must not be nested deeper than %d levels", MaxDepth))
	}
	out := make(map[string]any, len(v))
	for _, key := range slices.Sorted(maps.Keys(v)) { // so that mistakes are always listed in the same order
		member := &path{parent: at, key: key, index: -1}
		c.text(member, key)
		out[key] = c.value(member, v[key], depth+1)
	}
	return out
}

func (c *canonicaliser) text(at *path, s string) {
	if strings.ContainsRune(s, 0) {
		c.fail(at, "must not contain the character NUL (\\u0000)")
	}
	if !utf8.ValidString(s) {
		c.fail(at, "must be valid UTF-8")
	}
}

func (c *canonicaliser) number(at *path, n json.Number) any {
	if whole, err := n.Int64(); err == nil {
		return whole
	}
	f, err := n.Float64()
	if err != nil {
		return c.fail(at, "must be a number that fits int64 or a finite float64")
	}
	if f == 0 {
		return 0 // also for -0.0: jsonb has one zero
	}
	return f
}
