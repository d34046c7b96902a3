package config

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// unfitError says what stands where something else is expected.
type unfitError struct{ found, expected string }

func (e *unfitError) Error() string { return "found " + e.found + ", expected " + e.expected }

// convert is the decoder's hook: it turns what YAML and the environment can
// hold into the type of the field, and refuses everything else in words. The
// environment only has texts, so texts are taken for numbers, lists and maps.
func convert(from, to reflect.Value) (any, error) {
	text, isText := from.Interface().(string)
	switch to.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return nil, &unfitError{show(from), "a duration such as 15s, 10m or 6h"}
		}
		return d, nil
	case Secret, DatabaseURL:
		if !isText {
			return nil, &unfitError{kindOf(from), "a text (in quotes, if it looks like a number)"}
		}
		return text, nil
	}
	switch to.Kind() {
	case reflect.String:
		if !isText {
			return nil, &unfitError{show(from), "a text (in quotes, if it looks like a number)"}
		}
		return text, nil
	case reflect.Bool:
		return yesOrNo(from)
	case reflect.Int, reflect.Int32:
		return wholeNumber(from, to.Type().Bits())
	case reflect.Float64:
		return number(from)
	case reflect.Slice, reflect.Map, reflect.Struct:
		return structured(from, to.Kind())
	default:
		return from.Interface(), nil
	}
}

func yesOrNo(from reflect.Value) (any, error) {
	switch from.Interface() {
	case true, "true":
		return true, nil
	case false, "false":
		return false, nil
	}
	return nil, &unfitError{show(from), "true or false"}
}

func wholeNumber(from reflect.Value, bits int) (any, error) {
	n, err := strconv.ParseInt(fmt.Sprint(from.Interface()), 10, bits)
	if err != nil {
		return nil, &unfitError{show(from), fmt.Sprintf("a whole number of at most %d bits", bits)}
	}
	return n, nil
}

func number(from reflect.Value) (any, error) {
	n, err := strconv.ParseFloat(fmt.Sprint(from.Interface()), 64)
	if err != nil {
		return nil, &unfitError{show(from), "a number"}
	}
	return n, nil
}

func structured(from reflect.Value, kind reflect.Kind) (any, error) {
	value := from.Interface()
	if text, ok := value.(string); ok {
		var parsed any
		// A text that is no YAML stays one, and is refused below.
		if yaml.Unmarshal([]byte(text), &parsed) == nil && parsed != nil {
			value = parsed
		}
	}
	found := reflect.ValueOf(value)
	switch {
	case kind == reflect.Slice && found.Kind() != reflect.Slice:
		return nil, &unfitError{kindOf(found), "a list"}
	case kind != reflect.Slice && found.Kind() != reflect.Map:
		return nil, &unfitError{kindOf(found), "keys with values"}
	}
	return value, nil
}

// show names a value that is no secret.
func show(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice, reflect.Map:
		return kindOf(v)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// kindOf names what a value is without showing it.
func kindOf(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "keys with values"
	case reflect.Bool:
		return "true or false"
	default:
		return "a number"
	}
}
