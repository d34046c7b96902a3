package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"minigroups/minigroup"
)

// object returns the canonical form of a field that is any JSON object.
func (d *decoder) object(field string) json.RawMessage {
	raw := d.value(field)
	if raw == nil {
		return nil
	}
	if raw[0] != '{' {
		d.fail(field, "must be an object")
		return nil
	}
	return d.document(field, raw)
}

// properties returns the canonical form of the field properties, an object whose keys must be valid names.
func (d *decoder) properties() json.RawMessage {
	const field = "properties"
	properties := d.object(field)
	var byKey map[string]json.RawMessage
	_ = json.Unmarshal(properties, &byKey) // object has added the error if it is not an object
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		for _, e := range minigroup.CheckName(field+"."+key, key) {
			d.fail(e.Field, e.Detail)
		}
	}
	return properties
}

// document returns the canonical form of any JSON. raw must be valid JSON without leading spaces.
func (d *decoder) document(field string, raw []byte) json.RawMessage {
	r := documentReader{raw: raw, json: json.NewDecoder(bytes.NewReader(raw)), path: []string{field}, decoder: d}
	r.json.UseNumber()
	value, err := r.next()
	if err != nil {
		d.fail(field, "must be JSON")
		return nil
	}
	canonical, errs := minigroup.CanonicalJSON(field, value)
	for _, e := range errs {
		d.fail(e.Field, e.Detail)
	}
	return canonical
}

// documentReader decodes a document as encoding/json does, and adds an error for each value that encoding/json would
// silently replace or that is nested too deeply. It returns such a value in a valid form, so that CanonicalJSON does
// not report it again.
type documentReader struct {
	raw     []byte // valid JSON
	json    *json.Decoder
	path    []string
	decoder *decoder // receives the errors
}

// next returns the next value.

func (r *documentReader) next() (any, error) {
	token, raw, err := r.token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if len(r.path) > minigroup.MaxDepth {
			r.fail(fmt.Sprintf("must not be nested deeper than %d levels", minigroup.MaxDepth))
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

func (r *documentReader) object() (map[string]any, error) {
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

func (r *documentReader) array() ([]any, error) {
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

// skip reads to the end of the object or array that has just begun.
func (r *documentReader) skip() error {
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

// token returns the next token and its raw text, including the separator before it.
func (r *documentReader) token() (json.Token, []byte, error) {
	from := r.json.InputOffset()
	token, err := r.json.Token()
	if err != nil {
		return nil, nil, fmt.Errorf("read document: %w", err)
	}
	return token, r.raw[from:r.json.InputOffset()], nil
}

func (r *documentReader) check(raw []byte) {
	if problem := checkString(raw); problem != "" {
		r.fail(problem)
	}
}

func (r *documentReader) fail(detail string) {
	if !r.decoder.full() { // joining is expensive: a path may be as long as the body
		r.decoder.fail(strings.Join(r.path, ""), detail)
	}
}
