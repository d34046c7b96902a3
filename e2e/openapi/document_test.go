package openapi

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
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

func TestEveryJSONAnswerHasAnExampleThatItsSchemaAllows(t *testing.T) {
	seen := 0
	for path, item := range described(t).model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			for code, response := range operation.Responses.Codes.FromOldest() {
				for mediaType, content := range response.Content.FromOldest() {
					if !strings.Contains(mediaType, "json") {
						continue
					}
					seen++
					name := method + " " + path + " " + code
					if err := checkExample(content, mediaType, code); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d answers were seen", seen)
	}
}

func checkExample(content *v3.MediaType, mediaType, code string) error {
	if content.Example == nil {
		return fmt.Errorf("it has no example")
	}
	var example any
	if err := content.Example.Decode(&example); err != nil {
		return err
	}
	schema := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
	if ok, errs := schema.ValidateSchemaObjectWithVersion(content.Schema.Schema(), example, 3.1); !ok {
		return fmt.Errorf("its schema does not allow its example: %v", errs)
	}
	problem, ok := example.(map[string]any)
	if ok && strings.HasPrefix(mediaType, "application/problem") && fmt.Sprint(problem["status"]) != code {
		return fmt.Errorf("its example has status %v", problem["status"])
	}
	return nil
}
