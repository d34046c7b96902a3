package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"minigroups/config"
)

var update = flag.Bool("write", false, "write docs/configuration.md and docs/configuration.schema.json")

// TestReference generates docs/configuration.md from the comments in config.go. It fails if a comment states no meaning
// or no default, if a default differs from Default, or if the document is not up to date.
func TestReference(t *testing.T) {
	g := generator{docs: fieldDocs(t)}
	g.sections(reflect.ValueOf(config.Default()))
	for _, problem := range g.problems {
		t.Error(problem)
	}
	compare(t, "../docs/configuration.md", g.page())
}

// compare demands that a file is what was generated, or writes it.
func compare(t *testing.T, file string, generated []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, generated, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, generated) {
		t.Errorf("%s is not up to date with config.go, run make docs", file)
	}
}

// entryDefaults are the defaults of settings within lists and maps, which Default does not contain.
var entryDefaults = map[string]any{
	"authorization.*.timeout":      config.DefaultTimeout,
	"authorization.*.max_attempts": config.DefaultMaxAttempts,
}

// generator writes the reference of the settings.
type generator struct {
	docs     map[string]string // of types by name, of fields by Type.Field
	text     bytes.Buffer
	problems []string
}

func (g *generator) page() []byte {
	head := strings.ReplaceAll(`<!-- Generated from the comments in config/config.go by make docs. -->
# Configuration

Settings come from one YAML file (´-config FILE´, or the variable ´MINIGROUPS_CONFIG´) and from environment variables,
which override the file. ´api.listen´ is a key in the file; its variable is ´MINIGROUPS_API__LISTEN´. Variables contain
lists and maps as YAML. In keys, ´*´ is a name of your choice and ´[]´ an entry of a list. An empty variable counts as
unset. Durations are written as in ´1m30s´.

Programs report all invalid settings at once when they start. They log a warning for what is valid but rarely meant: a
default that suits one machine only, or a connection to another machine without TLS. To keep such a default, set it.

Editors that know JSON Schema check and complete the file if its first line names the
[schema](configuration.schema.json), by path or URL:

    # yaml-language-server: $schema=docs/configuration.schema.json
`, "´", "`")
	return append([]byte(head), g.text.Bytes()...)
}

// sections writes a section for each field of Config.
func (g *generator) sections(settings reflect.Value) {
	for field, value := range settings.Fields() {
		if !field.IsExported() {
			continue
		}
		typ := elem(field.Type)
		fmt.Fprintf(&g.text, "\n## %s\n\n%s\n\n| key | meaning | value | default | variable |\n|---|---|---|---|---|\n",
			field.Tag.Get("koanf"), wrap(sectionText(typ.Name(), g.docs[typ.Name()])))
		if value.Kind() == reflect.Struct {
			g.rows(field.Tag.Get("koanf")+".", value)
		} else {
			g.row("", settings.Type(), field, value)
		}
	}
}

func (g *generator) rows(path string, section reflect.Value) {
	for field, value := range section.Fields() {
		if value.Kind() == reflect.Struct {
			g.rows(path+field.Tag.Get("koanf")+".", value)
		} else {
			g.row(path, section.Type(), field, value)
		}
	}
}

// row writes the row of a setting and, for a list or a map of structs, the rows of its entries.
func (g *generator) row(path string, section reflect.Type, field reflect.StructField, value reflect.Value) {
	key := path + field.Tag.Get("koanf")
	doc, err := parseComment(g.docs[section.Name()+"."+field.Name], field.Name, defaultOf(key, value))
	if err != nil {
		g.problems = append(g.problems, fmt.Sprintf("%s (%s.%s): %v", key, section.Name(), field.Name, err))
	}
	variable := ""
	if !strings.ContainsAny(key, "*[") {
		variable = "`" + config.Variable(key) + "`"
	}
	if doc.variable != "" {
		variable += " or `" + doc.variable + "`"
	}
	fmt.Fprintf(&g.text, "| `%s` | %s | %s | %s%s | %s |\n",
		key, strings.ReplaceAll(doc.meaning, "|", `\|`), kind(field.Type), doc.initial, requiredBy(key), variable)
	if entry := elem(field.Type); entry.Kind() == reflect.Struct {
		separator := map[reflect.Kind]string{reflect.Map: ".*.", reflect.Slice: "[]."}[field.Type.Kind()]
		g.rows(key+separator, reflect.New(entry).Elem())
	}
}

func defaultOf(key string, value reflect.Value) any {
	if initial, ok := entryDefaults[key]; ok {
		return initial
	}
	return value.Interface()
}

// requiredBy lists the programs that do not start without a value for key.
func requiredBy(key string) string {
	var programs []string
	for _, program := range []struct {
		name string
		keys []string
	}{{"api", config.ForAPI}, {"worker", config.ForWorker}, {"migrate", config.ForMigrate}, {"ops", config.ForOps}} {
		if slices.Contains(program.keys, key) {
			programs = append(programs, program.name)
		}
	}
	if len(programs) == 0 {
		return ""
	}
	return "; required by " + strings.Join(programs, ", ")
}

// kind returns the type of a setting as the document names it.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[config.Secret](), reflect.TypeFor[config.DatabaseURL]():
		return "string, secret"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem()) + " or null"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "map"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	default:
		return "number"
	}
}

func elem(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		return t.Elem()
	}
	return t
}

// sectionText turns the comment of a type into the text below a heading.
func sectionText(name, doc string) string {
	for _, verb := range []string{" is ", " holds "} {
		if text, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return doc
}

// wrap breaks text into lines of at most 120 characters.
func wrap(text string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > 120:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
