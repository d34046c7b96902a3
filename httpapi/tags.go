package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"minigroups/minigroup"
)

// tags reads the tags in the form in which they are kept.
func (d *decoder) tags() json.RawMessage {
	raw := d.value("tags")
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		d.fail("tags", "must be an object")
		return nil
	}
	r := tagReader{raw: raw, json: json.NewDecoder(bytes.NewReader(raw)), path: []string{"tags"}, into: d}
	r.json.UseNumber()
	value, err := r.next()
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		d.fail("tags", "must be an object")
		return nil
	}
	canonical, mistakes := minigroup.CanonicalTags("tags", object)
	for _, mistake := range mistakes {
		d.fail(mistake.Field, mistake.Detail)
	}
	return canonical
}

// tagReader reads tags as encoding/json does, and tells of what encoding/json would silently replace or what is nested
// too deeply. Such a value reads as harmless, so that nothing is told of it twice.
type tagReader struct {
	raw  []byte // valid JSON
	json *json.Decoder
	path []string
	into *decoder
}

func (r *tagReader) next() (any, error) {
	token, raw, err := r.token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if len(r.path) > minigroup.MaxTagDepth {
			r.mistake(fmt.Sprintf("must not be nested deeper than %d levels", minigroup.MaxTagDepth))
			return nil, r.skip()
		}
		if token == '{' {
			return r.object()
		}
		return r.array()
	case string:
		r.check(raw)
	}
	return token, nil
}

func (r *tagReader) object() (map[string]any, error) {
	object := map[string]any{}
	for r.json.More() {
		token, raw, err := r.token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("a key must be a string")
		}
		r.path = append(r.path, "."+key)
		r.check(raw)
		if object[key], err = r.next(); err != nil {
			return nil, err
		}
		r.path = r.path[:len(r.path)-1]
	}
	_, _, err := r.token()
	return object, err
}

func (r *tagReader) array() ([]any, error) {
	array := []any{}
	for r.json.More() {
		r.path = append(r.path, "["+strconv.Itoa(len(array))+"]")
		value, err := r.next()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		r.path = r.path[:len(r.path)-1]
	}
	_, _, err := r.token()
	return array, err
}

// skip reads on to the end of the object or array that has just begun.
func (r *tagReader) skip() error {
	for open := 1; open > 0; {
		token, err := r.json.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
	return nil
}

// token returns the next token, and how it was written (with what parts it from the one before).
func (r *tagReader) token() (json.Token, []byte, error) {
	from := r.json.InputOffset()
	token, err := r.json.Token()
	if err != nil {
		return nil, nil, fmt.Errorf("read tags: %w", err)
	}
	return token, r.raw[from:r.json.InputOffset()], nil
}

func (r *tagReader) check(raw []byte) {
	if mistake := textMistake(raw); mistake != "" {
		r.mistake(mistake)
	}
}

func (r *tagReader) mistake(detail string) {
	if !r.into.full() { // the path of a mistake may be as long as the body
		r.into.fail(strings.Join(r.path, ""), detail)
	}
}
