package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"minigroups/config"
)

const reference = "../docs/configuration.md"

var rewrite = flag.Bool("write", false, "write "+reference+" anew")

// TestReference holds docs/configuration.md, which is made of the comments in config.go, against the code: a setting without a
// meaning or default, a default that is another one in Default, and a document of yesterday fail.
func TestReference(t *testing.T) {
	r := reader{docs: fieldDocs(t)}
	r.sections(reflect.ValueOf(config.Default()))
	for _, wrong := range r.wrong {
		t.Error(wrong)
	}
	if *rewrite {
		if err := os.WriteFile(reference, r.page(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, r.page()) {
		t.Errorf("%s says something else than config.go: make docs", reference)
	}
}

// ofEntries are the defaults within lists and maps, whose entries Default cannot hold.
var ofEntries = map[string]any{
	"authorization.*.timeout":      config.DefaultTimeout,
	"authorization.*.max_attempts": config.DefaultMaxAttempts,
}

// reader goes through the settings and collects the text about them.
type reader struct {
	docs  map[string]string // of types by name, of fields by Type.Field
	text  bytes.Buffer
	wrong []string
}

func (r *reader) page() []byte {
	const head = `<!-- Made of the comments in config/config.go by make docs. -->
# Configuration

One YAML file (` + "`-config FILE`, or `MINIGROUPS_CONFIG`" + `) and the environment, which goes first. A key is a path in the file,
` + "`api.listen`" + `, and a variable, ` + "`MINIGROUPS_API__LISTEN`" + `; where a key holds a list or keys of its own, the variable holds YAML.
In keys, ` + "`*`" + ` is a name of your choice and ` + "`[]`" + ` an entry of a list. A variable that is set to nothing counts as not set.
Every mistake is reported at once. Durations are written as in ` + "`1m30s`" + `.
`
	return append([]byte(head), r.text.Bytes()...)
}

// sections tells of everything, a section for each field of Config.
func (r *reader) sections(settings reflect.Value) {
	for field, value := range settings.Fields() {
		if !field.IsExported() {
			continue
		}
		typ := elem(field.Type)
		fmt.Fprintf(&r.text, "\n## %s\n\n%s\n\n| key | meaning | value | default | variable |\n|---|---|---|---|---|\n",
			field.Tag.Get("koanf"), about(typ.Name(), r.docs[typ.Name()]))
		if value.Kind() == reflect.Struct {
			r.rows(field.Tag.Get("koanf")+".", value)
		} else {
			r.row("", settings.Type(), field, value)
		}
	}
}

func (r *reader) rows(path string, section reflect.Value) {
	for field, value := range section.Fields() {
		if value.Kind() == reflect.Struct {
			r.rows(path+field.Tag.Get("koanf")+".", value)
		} else {
			r.row(path, section.Type(), field, value)
		}
	}
}

// row tells of one setting, and of those of each entry, where it is a list or a map of structs.
func (r *reader) row(path string, section reflect.Type, field reflect.StructField, value reflect.Value) {
	key := path + field.Tag.Get("koanf")
	meaning, standard, also, err := understand(r.docs[section.Name()+"."+field.Name], field.Name, initial(key, value))
	if err != nil {
		r.wrong = append(r.wrong, fmt.Sprintf("%s (%s.%s): %v", key, section.Name(), field.Name, err))
	}
	variable := ""
	if !strings.ContainsAny(key, "*[") {
		variable = "`" + config.Variable(key) + "`"
	}
	if also != "" {
		variable += " or `" + also + "`"
	}
	fmt.Fprintf(&r.text, "| `%s` | %s | %s | %s%s | %s |\n", key, meaning, kind(field.Type), standard, neededBy(key), variable)
	if entry := elem(field.Type); entry.Kind() == reflect.Struct {
		r.rows(key+map[reflect.Kind]string{reflect.Map: ".*.", reflect.Slice: "[]."}[field.Type.Kind()], reflect.New(entry).Elem())
	}
}

func initial(key string, value reflect.Value) any {
	if standard, ok := ofEntries[key]; ok {
		return standard
	}
	return value.Interface()
}

// neededBy names the programs that do not start without a value for key.
func neededBy(key string) string {
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
	return "; needed by " + strings.Join(programs, ", ")
}

// kind names what a setting holds.
func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[config.Secret](), reflect.TypeFor[config.DatabaseURL]():
		return "text, secret"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem()) + " or null"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "keys"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
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

// A comment on a field: its name, what it means, perhaps another variable, and at last the default, a value with a remark or
// (after a colon) only words, which then is the zero value.
var (
	comment  = regexp.MustCompile(`^(\w+) (.+?)\.(?: Also ([A-Z_]+)\.)? (?:(No default)|Default(:?) (.+))\.$`)
	remarked = regexp.MustCompile(`^(.+?)[,:] (.+)$`)
	verb     = regexp.MustCompile(`^(is|are) `)
)

// understand takes the comment on a field apart and compares the default that it tells of with the one there is.
func understand(doc, name string, value any) (meaning, standard, also string, err error) {
	parts := comment.FindStringSubmatch(doc)
	if parts == nil || parts[1] != name {
		return "", "", "", fmt.Errorf(`the comment should be "%s is …. Default ….", or "… No default.": %q`, name, doc)
	}
	meaning, also = strings.ReplaceAll(verb.ReplaceAllString(parts[2], ""), "|", `\|`), parts[3]
	if parts[4] != "" || parts[5] != "" {
		if v := reflect.ValueOf(value); !v.IsZero() {
			err = fmt.Errorf("the comment names no value as default, but there is one: %v", value)
		}
		if parts[4] != "" {
			return meaning, "none", also, err
		}
		return meaning, parts[6], also, err
	}
	told, remark := parts[6], ""
	if split := remarked.FindStringSubmatch(told); split != nil && !same(told, value) {
		told, remark = split[1], split[2]
	}
	if !same(told, value) {
		err = fmt.Errorf("the comment says that the default is %s, but it is %v", told, value)
	}
	switch {
	case told == `""`:
		standard = remark
	case remark == "":
		standard = "`" + strings.Trim(told, `"`) + "`"
	default:
		standard = "`" + strings.Trim(told, `"`) + "`, " + remark
	}
	return meaning, standard, also, err
}

// same reports whether a default is told of as it is; a text may stand in quotes.
func same(told string, value any) bool {
	told = strings.Trim(told, `"`)
	if d, ok := value.(time.Duration); ok {
		parsed, err := time.ParseDuration(told)
		return err == nil && parsed == d
	}
	if list, ok := value.([]string); ok {
		return told == strings.Join(list, ", ")
	}
	return told == fmt.Sprint(value)
}

// about makes the comment on a type the words under a headline.
func about(name, doc string) string {
	for _, verb := range []string{" is ", " says "} {
		if said, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(said[:1]) + said[1:]
		}
	}
	return doc
}

// fieldDocs reads the comments in config.go.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	docs := map[string]string{}
	oneLine := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, decl := range file.Decls {
		types, ok := decl.(*ast.GenDecl)
		if !ok || types.Tok != token.TYPE {
			continue
		}
		for _, spec := range types.Specs {
			declared := spec.(*ast.TypeSpec)
			docs[declared.Name.Name] = oneLine(types.Doc)
			fields, ok := declared.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					docs[declared.Name.Name+"."+name.Name] = oneLine(field.Doc)
				}
			}
		}
	}
	return docs
}
