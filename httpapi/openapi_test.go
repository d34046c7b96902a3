package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
	"go.uber.org/zap"
)

type description struct {
	model     *v3.Document
	validator validator.Validator
	// anything is for bodies that hold whatever callers keep, of which no member can be named.
	anything validator.Validator
}

// described reads openapi.yaml once for all tests.
var described = sync.OnceValues(func() (description, error) {
	document, err := libopenapi.NewDocument(openAPIDocument)
	if err != nil {
		return description{}, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return description{}, err
	}
	// Strict: a member or header that the document does not name is a mistake, or nobody would notice its absence there.
	v := validator.NewValidatorFromV3Model(&model.Model,
		config.WithFormatAssertions(), config.WithStrictMode(), config.WithStrictIgnorePaths("$.body.tags**", "$.body.properties**", "$.body.account_properties**"),
		config.WithStrictIgnoredHeadersExtra("Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
			"X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"))
	return description{&model.Model, v, validator.NewValidatorFromV3Model(&model.Model, config.WithFormatAssertions())}, nil
})

// matchesDocument fails the test where openapi.yaml does not allow this answer. What is answered outside of its paths
// has to be a problem as it describes them.
func matchesDocument(t *testing.T, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	d, err := described()
	mustNot(t, err)
	switch {
	case req.Method == http.MethodOptions, req.Method == http.MethodHead:
		return
	case resp.StatusCode == http.StatusMethodNotAllowed, resp.StatusCode == http.StatusNotFound && strings.Contains(string(body), "route_not_found"):
		problem := d.model.Components.Schemas.GetOrZero("Problem").Schema()
		_, errs := schema_validation.NewSchemaValidator(config.WithFormatAssertions()).ValidateSchemaBytesWithVersion(problem, body, 3.1)
		for _, e := range errs {
			t.Errorf("no problem as openapi.yaml describes them: %v\n%s", e, body)
		}
		return
	}
	v := d.validator
	if resp.StatusCode == http.StatusOK && strings.Contains(req.URL.Path, "/properties/") {
		v = d.anything
	}
	_, errs := v.ValidateHttpResponse(req, resp)
	for _, e := range errs {
		t.Errorf("openapi.yaml does not allow this answer to %s %s: %v\n%s", req.Method, req.URL, e, body)
	}
}

func TestTheDocumentIsValid(t *testing.T) {
	document, err := libopenapi.NewDocument(openAPIDocument)
	mustNot(t, err)
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
	d, err := described()
	mustNot(t, err)
	seen := 0
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			for code, response := range operation.Responses.Codes.FromOldest() {
				for mediaType, content := range response.Content.FromOldest() {
					if !strings.Contains(mediaType, "json") {
						continue
					}
					seen++
					name := method + " " + path + " " + code
					if content.Example == nil {
						t.Errorf("%s has no example", name)
						continue
					}
					var example any
					mustNot(t, content.Example.Decode(&example))
					_, errs := schema_validation.NewSchemaValidator(config.WithFormatAssertions()).ValidateSchemaObjectWithVersion(content.Schema.Schema(), example, 3.1)
					for _, e := range errs {
						t.Errorf("%s: %v", name, e)
					}
					if problem, ok := example.(map[string]any); ok && strings.HasPrefix(mediaType, "application/problem") && fmt.Sprint(problem["status"]) != code {
						t.Errorf("%s: its example has status %v", name, problem["status"])
					}
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d answers were seen", seen)
	}
}

func TestEveryRouteHasAPathAndTheReverse(t *testing.T) {
	d, err := described()
	mustNot(t, err)
	documented := map[string]bool{}
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			documented[strings.ToUpper(method)+" "+path] = true
		}
	}
	served, heads := map[string]bool{}, map[string]bool{}
	for _, route := range newEngine(Deps{Log: zap.NewNop()}).Routes() {
		path := regexp.MustCompile(`:(\w+)`).ReplaceAllString(route.Path, "{$1}")
		if route.Method == http.MethodHead {
			heads["GET "+path] = true
		} else {
			served[route.Method+" "+path] = true
		}
	}
	for route := range served {
		if strings.HasPrefix(route, "GET ") != heads[route] {
			t.Errorf("%s takes HEAD: %v", route, heads[route])
		}
	}
	if len(served) == 0 || !maps.Equal(served, documented) {
		t.Errorf("served:\n%s\n\ndocumented:\n%s",
			strings.Join(slices.Sorted(maps.Keys(served)), "\n"), strings.Join(slices.Sorted(maps.Keys(documented)), "\n"))
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	a := newWorld(t).call(t, http.MethodGet, "/openapi.yaml", "", "Authorization", "")
	if a.status != http.StatusOK || a.text != string(openAPIDocument) {
		t.Fatalf("status %d, %d bytes", a.status, len(a.text))
	}
}
