package httpapi

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	service "minigroups"
)

// document is the part of openapi.yaml that these tests read. Package e2e/openapi validates the whole document, and
// every response against it.
type document struct {
	Info       struct{ Version string }
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas struct {
			HistoryKind struct{ Enum []string } `yaml:"HistoryKind"`
			ProblemType struct{ Enum []string } `yaml:"ProblemType"`
		}
	}
}

func readDocument(t *testing.T) (d document) {
	t.Helper()
	noError(t, yaml.Unmarshal(openAPIDocument, &d))
	return d
}

var documentedMethods = []string{
	http.MethodGet, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodHead,
	http.MethodOptions, http.MethodTrace,
}

func TestRoutesAndDocumentedPathsAreEqual(t *testing.T) {
	documented := map[string]bool{}
	for path, item := range readDocument(t).Paths {
		for key := range item {
			// Other keys, such as parameters, apply to all methods.
			if method := strings.ToUpper(key); slices.Contains(documentedMethods, method) {
				documented[method+" "+path] = true
			}
		}
	}
	served, heads := map[string]bool{}, map[string]bool{}
	for _, route := range newEngine(Deps{Log: zap.NewNop(), SupportPage: true}).Routes() {
		path := regexp.MustCompile(`:(\w+)`).ReplaceAllString(route.Path, "{$1}")
		if route.Method == http.MethodHead {
			heads["GET "+path] = true
		} else {
			served[route.Method+" "+path] = true
		}
	}
	for route := range served {
		if strings.HasPrefix(route, "GET ") != heads[route] {
			t.Errorf("%s allows HEAD: %v", route, heads[route])
		}
	}
	if len(served) == 0 || !maps.Equal(served, documented) {
		t.Errorf("served:\n%s\n\ndocumented:\n%s",
			strings.Join(slices.Sorted(maps.Keys(served)), "\n"), strings.Join(slices.Sorted(maps.Keys(documented)), "\n"))
	}
}

func TestTheDocumentHasTheVersionOfTheService(t *testing.T) {
	if got := readDocument(t).Info.Version; got != service.Version() {
		t.Errorf("openapi.yaml has version %s, and the file VERSION %s", got, service.Version())
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	a := newWorld(t).call(t, http.MethodGet, "/openapi.yaml", "", "Authorization", "")
	if a.status != http.StatusOK || a.text != string(openAPIDocument) {
		t.Fatalf("status %d, %d bytes", a.status, len(a.text))
	}
}
