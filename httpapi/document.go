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

// object reads a field that holds any object, in the form in which it is kept.
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

// properties reads an object whose keys can be asked for one by one.
func (d *decoder) properties() json.RawMessage {
	const field = "properties"
	properties := d.object(field)
	var byKey map[string]json.RawMessage
	_ = json.Unmarshal(properties, &byKey) // of what is no object the mistake is listed
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		for _, mistake := range minigroup.CheckName(field+"."+key, key) {
			d.fail(mistake.Field, mistake.Detail)
		}
	}
	return properties
}

// document reads any JSON in the form in which it is kept; raw is valid JSON without spaces before it.
func (d *decoder) document(field string, raw []byte) json.RawMessage {
	r := documentReader{raw: raw, json: json.NewDecoder(bytes.NewReader(raw)), path: []string{field}, into: d}
	r.json.UseNumber()
	value, err := r.next()
	if err != nil {
		d.fail(field, "must be JSON")
		return nil
	}
	canonical, mistakes := minigroup.CanonicalJSON(field, value)
	for _, mistake := range mistakes {
		d.fail(mistake.Field, mistake.Detail)
	}
	return canonical
}

// documentReader reads a document as encoding/json does, and tells of what encoding/json would silently replace or what
// is nested too deeply. Such a value reads as harmless, so that nothing is told of it twice.
type documentReader struct {
	raw  []byte // valid JSON
	json *json.Decoder
	path []string
	into *decoder
}

func (r *documentReader) next() (any, error) {
	token, raw, err := r.token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if len(r.path) > minigroup.MaxDepth {
			r.mistake(fmt.Sprintf("must not be nested deeper than %d levels", minigroup.MaxDepth))
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

// skip reads on to the end of the object or array that has just begun.
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

// token returns the next token, and how it was written (with what parts it from the one before).
func (r *documentReader) token() (json.Token, []byte, error) {
	from := r.json.InputOffset()
	token, err := r.json.Token()
	if err != nil {
		return nil, nil, fmt.Errorf("read document: %w", err)
	}
	return token, r.raw[from:r.json.InputOffset()], nil
}

func (r *documentReader) check(raw []byte) {
	if mistake := textMistake(raw); mistake != "" {
		r.mistake(mistake)
	}
}

func (r *documentReader) mistake(detail string) {
	if !r.into.full() { // the path of a mistake may be as long as the body
		r.into.fail(strings.Join(r.path, ""), detail)
	}
}
