package openapi

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
)

// description is openapi.yaml with its validators.
type description struct {
	document libopenapi.Document
	model    *v3.Document
	// strict reports members and headers that the document does not name.
	strict validator.Validator
	// open is for bodies whose members callers choose, so that the document cannot name them.
	open validator.Validator
}

// describe reads openapi.yaml once for all tests.
var describe = sync.OnceValues(func() (description, error) {
	text, err := os.ReadFile("../../httpapi/openapi.yaml")
	if err != nil {
		return description{}, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return description{}, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return description{}, err
	}
	strict := validator.NewValidatorFromV3Model(&model.Model,
		config.WithFormatAssertions(), config.WithStrictMode(),
		config.WithStrictIgnorePaths("$.body.tags**", "$.body.properties**", "$.body.account_properties**",
			"$.body.entries[*].details**", "$.body.minigroups[*].tags**"),
		config.WithStrictIgnoredHeadersExtra("Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
			"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"))
	open := validator.NewValidatorFromV3Model(&model.Model, config.WithFormatAssertions())
	return description{document: document, model: &model.Model, strict: strict, open: open}, nil
})

func described(t *testing.T) description {
	t.Helper()
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDocumentIsValid(t *testing.T) {
	document := described(t).document
	v, errs := validator.NewValidator(document)
	for _, err := range errs {
		t.Error(err)
	}
	if document.GetSpecInfo().Version != "3.1.0" {
		t.Errorf("it is of version %s", document.GetSpecInfo().Version)
	}
	if _, errs := v.ValidateDocument(); len(errs) > 0 {
		for _, e := range errs {
			t.Error(e)
		}
	}
}

// TestEverythingHasAnExampleThatItsSchemaAllows looks at the parameters, the request bodies and the JSON answers of
// every operation. An operation without any of them must have another example.
func TestEverythingHasAnExampleThatItsSchemaAllows(t *testing.T) {
	seen := 0
	for path, item := range described(t).model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			examples := examplesOf(item, operation)
			some := false
			for _, e := range examples {
				some = some || len(e.values) > 0
				if err := e.check(); err != nil {
					t.Errorf("%s %s, %s: %v", method, path, e.of, err)
				}
			}
			if !some && operation.Responses.Codes.GetOrZero("204") == nil {
				t.Errorf("%s %s has no example", method, path)
			}
			seen += len(examples)
		}
	}
	if seen < 200 {
		t.Errorf("only %d parameters, bodies and answers were seen", seen)
	}
}

// exemplified is a part of an operation: a parameter, a body or an answer.
type exemplified struct {
	of     string
	schema *base.SchemaProxy
	values []*yaml.Node
	// status is that of a problem, or empty.
	status string
}

func examplesOf(item *v3.PathItem, operation *v3.Operation) (all []exemplified) {
	for _, p := range slices.Concat(item.Parameters, operation.Parameters) {
		all = append(all, exemplified{
			of: "parameter " + p.Name, schema: p.Schema, values: examplesIn(p.Example, p.Examples),
		})
	}
	if operation.RequestBody != nil {
		for mediaType, content := range operation.RequestBody.Content.FromOldest() {
			all = append(all, exemplified{
				of: "body " + mediaType, schema: content.Schema, values: examplesIn(content.Example, content.Examples),
			})
		}
	}
	for code, response := range operation.Responses.Codes.FromOldest() {
		for mediaType, content := range response.Content.FromOldest() {
			e := exemplified{
				of: code + " " + mediaType, schema: content.Schema, values: examplesIn(content.Example, content.Examples),
			}
			if strings.HasPrefix(mediaType, "application/problem") {
				e.status = code
			}
			// An example of a script or a picture would tell nothing.
			if strings.Contains(mediaType, "json") || len(e.values) > 0 {
				all = append(all, e)
			}
		}
	}
	return all
}

func examplesIn(one *yaml.Node, several *orderedmap.Map[string, *base.Example]) (values []*yaml.Node) {
	if one != nil {
		values = append(values, one)
	}
	for example := range several.ValuesFromOldest() {
		values = append(values, example.Value)
	}
	return values
}

func (e exemplified) check() error {
	if len(e.values) == 0 {
		return fmt.Errorf("it has no example")
	}
	validator := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
	for _, value := range e.values {
		var example any
		if err := value.Decode(&example); err != nil {
			return err
		}
		if ok, errs := validator.ValidateSchemaObjectWithVersion(e.schema.Schema(), example, 3.1); !ok {
			return fmt.Errorf("its schema does not allow its example: %v", errs)
		}
		problem, isObject := example.(map[string]any)
		if isObject && e.status != "" && fmt.Sprint(problem["status"]) != e.status {
			return fmt.Errorf("its example has status %v", problem["status"])
		}
	}
	return nil
}
