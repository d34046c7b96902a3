package config

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// conversionError is returned for a value of the wrong type.
type conversionError struct{ found, expected string }

func (e *conversionError) Error() string { return "found " + e.found + ", expected " + e.expected }

// convert is the decoder hook. It converts a value of the file or the environment to the type of the field, or returns
// a *conversionError. Variables are always strings, so it parses strings as numbers, lists and maps too.
func convert(from, to reflect.Value) (any, error) {
	text, isText := from.Interface().(string)
	switch to.Interface().(type) {
	case time.Duration:
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return nil, &conversionError{describe(from), "a duration such as 15s, 10m or 6h"}
		}
		return d, nil
	case Secret, DatabaseURL:
		if !isText {
			return nil, &conversionError{kindOf(from), "a string (in quotes, if it looks like a number)"}
		}
		return text, nil
	}
	switch to.Kind() {
	case reflect.String:
		if !isText {
			return nil, &conversionError{describe(from), "a string (in quotes, if it looks like a number)"}
		}
		return text, nil
	case reflect.Bool:
		return toBool(from)
	case reflect.Int, reflect.Int32:
		return toInt(from, to.Type().Bits())
	case reflect.Float64:
		return toFloat(from)
	case reflect.Slice, reflect.Map, reflect.Struct:
		return toCollection(from, to.Kind())
	default:
		return from.Interface(), nil
	}
}

func toBool(from reflect.Value) (any, error) {
	switch from.Interface() {
	case true, "true":
		return true, nil
	case false, "false":
		return false, nil
	}
	return nil, &conversionError{describe(from), "true or false"}
}

func toInt(from reflect.Value, bits int) (any, error) {
	n, err := strconv.ParseInt(fmt.Sprint(from.Interface()), 10, bits)
	if err != nil {
		return nil, &conversionError{describe(from), fmt.Sprintf("a whole number of at most %d bits", bits)}
	}
	return n, nil
}

func toFloat(from reflect.Value) (any, error) {
	n, err := strconv.ParseFloat(fmt.Sprint(from.Interface()), 64)
	if err != nil {
		return nil, &conversionError{describe(from), "a number"}
	}
	return n, nil
}

func toCollection(from reflect.Value, kind reflect.Kind) (any, error) {
	value := from.Interface()
	if text, ok := value.(string); ok {
		var parsed any
		// A string that is not YAML stays a string, and is rejected below.
		if yaml.Unmarshal([]byte(text), &parsed) == nil && parsed != nil {
			value = parsed
		}
	}
	found := reflect.ValueOf(value)
	switch {
	case kind == reflect.Slice && found.Kind() != reflect.Slice:
		return nil, &conversionError{kindOf(found), "a list"}
	case kind != reflect.Slice && found.Kind() != reflect.Map:
		return nil, &conversionError{kindOf(found), "a map"}
	}
	return value, nil
}

// describe returns a value that is not secret, for an error message.
func describe(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice, reflect.Map:
		return kindOf(v)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// kindOf describes the type of a value without the value itself.
func kindOf(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Map:
		return "a map"
	case reflect.Bool:
		return "a boolean"
	default:
		return "a number"
	}
}
