package openapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/schema_validation"

	"minigroups/httpapi/httpapitest"
)

// fewest is the least number of exchanges that the tests of httpapi are known to make.
const fewest = 1000

func TestEveryAnswerOfTheAPIIsAsDescribed(t *testing.T) {
	d := described(t)
	exchanges := record(t)
	if len(exchanges) < fewest {
		t.Errorf("only %d exchanges were recorded", len(exchanges))
	}
	seen := map[string]bool{}
	operations := documented(d)
	for _, exchange := range exchanges {
		d.check(t, exchange)
		for name, path := range operations {
			method, _, _ := strings.Cut(name, " ")
			if method == exchange.Request.Method && path.MatchString(request(t, exchange).URL.EscapedPath()) {
				seen[name] = true
			}
		}
	}
	for name := range operations {
		if !seen[name] {
			t.Errorf("no test of httpapi sends %s", name)
		}
	}
}

// record runs the tests of httpapi and returns their exchanges.
func record(t *testing.T) (exchanges []httpapitest.Exchange) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exchanges.jsonl")
	tests := exec.CommandContext(t.Context(), "go", "test", "-C", "../..", "-count=1", "./httpapi", "-exchanges", file)
	if out, err := tests.CombinedOutput(); err != nil {
		t.Errorf("the tests of httpapi: %v\n%s", err, out)
	}
	content, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	lines := bufio.NewScanner(content)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var exchange httpapitest.Exchange
		if err := json.Unmarshal(lines.Bytes(), &exchange); err != nil {
			t.Fatal(err)
		}
		exchanges = append(exchanges, exchange)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return exchanges
}

var parameter = regexp.MustCompile(`\\\{\w+\\\}`)

// documented returns every operation of the document, METHOD /path, with what matches its path.
func documented(d description) map[string]*regexp.Regexp {
	operations := map[string]*regexp.Regexp{}
	for path, item := range d.model.Paths.PathItems.FromOldest() {
		pattern := "^" + parameter.ReplaceAllString(regexp.QuoteMeta(path), "[^/]+") + "$"
		for method := range item.GetOperations().FromOldest() {
			operations[strings.ToUpper(method)+" "+path] = regexp.MustCompile(pattern)
		}
	}
	return operations
}

// check reports what openapi.yaml does not allow. An answer outside of its paths must be a problem as it describes
// them.
func (d description) check(t *testing.T, exchange httpapitest.Exchange) {
	t.Helper()
	req, body := request(t, exchange), exchange.Response.Body
	status := exchange.Response.Status
	switch {
	case req.Method == http.MethodOptions, req.Method == http.MethodHead:
		return
	case status == http.StatusMethodNotAllowed,
		status == http.StatusNotFound && bytes.Contains(body, []byte("route_not_found")):
		problem := d.model.Components.Schemas.GetOrZero("Problem").Schema()
		schema := schema_validation.NewSchemaValidator(config.WithFormatAssertions())
		_, errs := schema.ValidateSchemaBytesWithVersion(problem, body, 3.1)
		for _, e := range errs {
			t.Errorf("%s: no problem as openapi.yaml describes them: %v\n%s", exchange.Test, e, body)
		}
		return
	}
	v := d.strict
	if status == http.StatusOK && strings.Contains(req.URL.Path, "/properties/") {
		v = d.open
	}
	resp := &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: exchange.Response.Header, Body: io.NopCloser(bytes.NewReader(body)), Request: req,
	}
	_, errs := v.ValidateHttpResponse(req, resp)
	for _, e := range errs {
		t.Errorf("%s: openapi.yaml does not allow this answer to %s %s: %v\n%s", exchange.Test, req.Method, req.URL, e, body)
	}
}

func request(t *testing.T, exchange httpapitest.Exchange) *http.Request {
	t.Helper()
	body := bytes.NewReader(exchange.Request.Body)
	req, err := http.NewRequestWithContext(t.Context(), exchange.Request.Method, exchange.Request.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = exchange.Request.Header
	return req
}
