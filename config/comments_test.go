package config_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The comment of a field consists of its name, its meaning, optionally another variable ("Also …."), and its default: a
// value, optionally with a remark after a comma, or ("Default: …") only a remark, which describes the zero value.
var (
	comment  = regexp.MustCompile(`^(\w+) (.+?)\.(?: Also ([A-Z_]+)\.)? (?:(No default)|Default(:?) (.+))\.$`)
	remarked = regexp.MustCompile(`^(.+?)[,:] (.+)$`)
	verb     = regexp.MustCompile(`^(is|are|lists) `)
)

// fieldDoc is a parsed comment. initial is Markdown.
type fieldDoc struct{ meaning, initial, variable string }

// parseComment parses the comment of a field and compares its default with value.
func parseComment(text, name string, value any) (doc fieldDoc, err error) {
	parts := comment.FindStringSubmatch(text)
	if parts == nil || parts[1] != name {
		return fieldDoc{}, fmt.Errorf(`the comment must be "%s is …. Default ….", or "… No default.": %q`, name, text)
	}
	doc.meaning, doc.variable = verb.ReplaceAllString(parts[2], ""), parts[3]
	if parts[4] != "" || parts[5] != "" {
		if v := reflect.ValueOf(value); !v.IsZero() {
			err = fmt.Errorf("the comment states no default value, but the default is %v", value)
		}
		doc.initial = parts[6]
		if parts[4] != "" {
			doc.initial = "none"
		}
		return doc, err
	}
	stated, remark := parts[6], ""
	if split := remarked.FindStringSubmatch(stated); split != nil && !equal(stated, value) {
		stated, remark = split[1], split[2]
	}
	if !equal(stated, value) {
		err = fmt.Errorf("the comment states the default %s, but the default is %v", stated, value)
	}
	switch {
	case stated == `""`:
		doc.initial = remark
	case remark == "":
		doc.initial = "`" + strings.Trim(stated, `"`) + "`"
	default:
		doc.initial = "`" + strings.Trim(stated, `"`) + "`, " + remark
	}
	return doc, err
}

// equal reports whether a default, as stated in a comment, is value. Strings may be quoted.
func equal(stated string, value any) bool {
	stated = strings.Trim(stated, `"`)
	if d, ok := value.(time.Duration); ok {
		parsed, err := time.ParseDuration(stated)
		return err == nil && parsed == d
	}
	if list, ok := value.([]string); ok {
		return stated == strings.Join(list, ", ")
	}
	return stated == fmt.Sprint(value)
}

// fieldDocs returns the comments in config.go.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	mode := parser.ParseComments | parser.SkipObjectResolution
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, mode)
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
