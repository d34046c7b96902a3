package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Bounds are what the tags of a field allow: enum lists the values, min and max are the bounds of a number, inclusive.
// The checks at the start and the schema of the settings use the same tags.
type Bounds struct {
	Enum     []string
	Min, Max *float64
}

// BoundsOf returns the bounds of a field of a section.
func BoundsOf(field reflect.StructField) Bounds {
	var b Bounds
	if enum, ok := field.Tag.Lookup("enum"); ok {
		b.Enum = strings.Split(enum, ",")
	}
	number := func(tag string) *float64 {
		text, ok := field.Tag.Lookup(tag)
		if !ok {
			return nil
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(fmt.Sprintf("tag %s of %s: %v", tag, field.Name, err))
		}
		return &n
	}
	b.Min, b.Max = number("min"), number("max")
	return b
}

// checkBounds checks all fields of the section at path, and below it.
func (v *Violations) checkBounds(path string, section reflect.Value) {
	for field, value := range section.Fields() {
		if !field.IsExported() {
			continue
		}
		key := field.Tag.Get("koanf")
		if path != "" {
			key = path + "." + key
		}
		switch value.Kind() {
		case reflect.Struct:
			v.checkBounds(key, value)
		case reflect.Slice, reflect.Map:
			v.checkEntries(key, value)
		case reflect.Pointer:
			if !value.IsNil() {
				v.checkField(key, BoundsOf(field), value.Elem(), ", or null")
			}
		default:
			v.checkField(key, BoundsOf(field), value, "")
		}
	}
}

func (v *Violations) checkEntries(key string, entries reflect.Value) {
	if entries.Type().Elem().Kind() != reflect.Struct {
		return
	}
	for index, entry := range entries.Seq2() {
		v.checkBounds(fmt.Sprintf("%s[%v]", key, index), entry)
	}
}

// checkField checks the value of key. alternative ends the description of valid values.
func (v *Violations) checkField(key string, b Bounds, value reflect.Value, alternative string) {
	if b.Enum != nil && !slices.Contains(b.Enum, value.String()) {
		v.add(key, strconv.Quote(value.String()), strings.Join(b.Enum, " or "))
	}
	if b.Min == nil {
		return
	}
	n := value.Convert(reflect.TypeFor[float64]()).Float()
	switch {
	case b.Max == nil && n < *b.Min:
		v.add(key, fmt.Sprint(value), fmt.Sprintf("a number of %s or more%s", plain(*b.Min), alternative))
	case b.Max != nil && !(n >= *b.Min && n <= *b.Max): // also true for NaN
		v.add(key, fmt.Sprint(value), fmt.Sprintf("a number from %s to %s%s",
			plain(*b.Min), plain(*b.Max), alternative))
	}
}

// plain writes n without an exponent.
func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
