package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"minigroups/config"
)

// schema is a JSON Schema of a value. The keywords are those that draft 7 shares with later ones.
type schema struct {
	Dialect     string   `json:"$schema,omitempty"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Type        any      `json:"type"`
	Enum        []string `json:"enum,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Minimum     *float64 `json:"minimum,omitempty"`
	Maximum     *float64 `json:"maximum,omitempty"`
	Default     any      `json:"default,omitempty"`
	// Properties are the settings of a section, and Additional the schema of the entries of a map, or false.
	Properties map[string]*schema `json:"properties,omitempty"`
	Required   []string           `json:"required,omitempty"`
	Additional any                `json:"additionalProperties,omitempty"`
	Items      *schema            `json:"items,omitempty"`
}

// duration matches what time.ParseDuration accepts, without a sign.
const duration = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`

// mandatory are the settings that every entry of a list or a map needs. The programs need others too, but a variable
// may set them.
var mandatory = []string{
	"authentication.*.audiences", "authentication.*.algorithm", "authorization.*.kind",
	"authorization.*.records[].subject_account_id", "authorization.*.records[].object",
	"authorization.*.records[].action",
	"janus.backends[].id", "janus.backends[].admin_url", "janus.backends[].janus_url",
}

// TestSchema generates docs/configuration.schema.json from config.go. It fails if the bounds in a comment are not those
// of the tags, or if the schema is not up to date.
func TestSchema(t *testing.T) {
	g := schemaGenerator{docs: fieldDocs(t)}
	root := g.section("", "Config", reflect.ValueOf(config.Default()))
	root.Dialect, root.Title, root.Type = "http://json-schema.org/draft-07/schema#", "Settings of minigroups", "object"
	root.Description = "One YAML file. Environment variables override it. Generated from config/config.go by make docs."
	for _, problem := range g.problems {
		t.Error(problem)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	compare(t, "../docs/configuration.schema.json", text.Bytes())
}

type schemaGenerator struct {
	docs     map[string]string
	problems []string
}

// section returns the schema of a struct. Sections may be empty.
func (g *schemaGenerator) section(path, name string, section reflect.Value) *schema {
	s := &schema{
		Description: sectionText(name, g.docs[name]), Type: []string{"object", "null"},
		Properties: map[string]*schema{}, Additional: false,
	}
	for field, value := range section.Fields() {
		if !field.IsExported() {
			continue
		}
		key := path + field.Tag.Get("koanf")
		if slices.Contains(mandatory, key) {
			s.Required = append(s.Required, field.Tag.Get("koanf"))
		}
		if value.Kind() == reflect.Struct {
			s.Properties[field.Tag.Get("koanf")] = g.section(key+".", field.Type.Name(), value)
		} else {
			s.Properties[field.Tag.Get("koanf")] = g.setting(key, section.Type().Name(), field, value)
		}
	}
	return s
}

// setting returns the schema of a field that is not a section.
func (g *schemaGenerator) setting(key, owner string, field reflect.StructField, value reflect.Value) *schema {
	doc, err := parseComment(g.docs[owner+"."+field.Name], field.Name, defaultOf(key, value))
	if err != nil {
		return &schema{} // TestReference reports it
	}
	s := g.value(key, field.Type)
	bounds := config.BoundsOf(field)
	s.Enum, s.Minimum, s.Maximum = bounds.Enum, bounds.Min, bounds.Max
	g.compareBounds(key, doc.meaning, bounds)
	s.Description = strings.ToUpper(doc.meaning[:1]) + doc.meaning[1:] + ". Default: " +
		strings.ReplaceAll(doc.initial, "`", "") + requiredBy(key) + "."
	if initial := reflect.ValueOf(defaultOf(key, value)); !initial.IsZero() || !slices.Contains([]reflect.Kind{
		reflect.Pointer, reflect.Slice, reflect.Map, reflect.String,
	}, initial.Kind()) {
		s.Default = initial.Interface()
	}
	if _, ok := s.Default.(time.Duration); ok {
		s.Default, _, _ = strings.Cut(strings.ReplaceAll(doc.initial, "`", ""), ",")
	}
	return s
}

// value returns the schema of a type.
func (g *schemaGenerator) value(key string, t reflect.Type) *schema {
	if t == reflect.TypeFor[time.Duration]() {
		return &schema{Type: "string", Pattern: duration}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return &schema{Type: []any{g.value(key, t.Elem()).Type, "null"}}
	case reflect.Struct:
		s := g.section(key+".", t.Name(), reflect.New(t).Elem())
		s.Type = "object"
		return s
	case reflect.Slice:
		return &schema{Type: []string{"array", "null"}, Items: g.value(key+"[]", t.Elem())}
	case reflect.Map:
		return &schema{Type: []string{"object", "null"}, Additional: g.value(key+".*", t.Elem())}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.String:
		return &schema{Type: "string"}
	case reflect.Float64:
		return &schema{Type: "number"}
	default:
		return &schema{Type: "integer"}
	}
}

var statedRange = regexp.MustCompile(`, (\d+) to (\d+)\b`)

// compareBounds compares the tags of a field with its comment.
func (g *schemaGenerator) compareBounds(key, meaning string, b config.Bounds) {
	for _, value := range b.Enum {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(meaning) {
			g.problems = append(g.problems, fmt.Sprintf("%s: the comment does not name the value %s", key, value))
		}
	}
	stated := statedRange.FindStringSubmatch(meaning)
	plain := func(n *float64) string {
		if n == nil {
			return "none"
		}
		return strconv.FormatFloat(*n, 'f', -1, 64)
	}
	if stated != nil && (plain(b.Min) != stated[1] || plain(b.Max) != stated[2]) {
		g.problems = append(g.problems, fmt.Sprintf("%s: the comment states the bounds %s to %s, the tags %s to %s",
			key, stated[1], stated[2], plain(b.Min), plain(b.Max)))
	}
}
