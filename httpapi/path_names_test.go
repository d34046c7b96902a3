package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"minigroups/minigroup"
)

// TestANameThatIsNotNFCIsRefusedEverywhere sends a name in NFD: e with an accent instead of é.
func TestANameThatIsNotNFCIsRefusedEverywhere(t *testing.T) {
	const (
		nfd = "cafe\u0301"
		// nfdInPath is nfd in UTF-8, percent-encoded.
		nfdInPath = "cafe%CC%81"
		byScope   = "/api/v1/audiences/example.org/minigroups/"
	)
	w := newWorld(t)
	w.put(filled())
	for name, c := range map[string]struct{ method, path, body, field string }{
		"scope in a body": {
			method: http.MethodPost, path: minigroups, field: "scope",
			body: `{"scope":"` + nfd + `","audience":"example.org","host":"h"}`,
		},
		"scope in a body, escaped": {
			method: http.MethodPost, path: minigroups, field: "scope",
			body: `{"scope":"cafe\u0301","audience":"example.org","host":"h"}`,
		},
		"audience in a body": {
			method: http.MethodPost, path: minigroups, field: "audience",
			body: `{"scope":"s","audience":"` + nfd + `","host":"h"}`,
		},
		"host in a body": {
			method: http.MethodPost, path: minigroups, field: "host",
			body: `{"scope":"s","audience":"example.org","host":"` + nfd + `"}`,
		},
		"key of a property in a body": {
			method: http.MethodPost, path: minigroups, field: "properties." + nfd,
			body: `{"scope":"s","audience":"example.org","host":"h","properties":{"` + nfd + `":1}}`,
		},
		"host in an update": {
			method: http.MethodPut, path: classPath(), field: "host", body: `{"host":"` + nfd + `.b.c"}`,
		},
		"scope in a path": {method: http.MethodGet, path: byScope + nfdInPath, field: "scope"},
		"scope in a path of a PUT": {
			method: http.MethodPut, path: byScope + nfdInPath, field: "scope", body: `{"reserve":1}`,
		},
		"audience in a path": {
			method: http.MethodGet, path: "/api/v1/audiences/" + nfdInPath + "/minigroups/s", field: "audience",
		},
		"key of a property": {
			method: http.MethodGet, path: classPath() + "/properties/" + nfdInPath, field: "property_id",
		},
		"key of a property in a PUT": {
			method: http.MethodPut, path: classPath() + "/properties/" + nfdInPath, field: "property_id", body: "1",
		},
		"key of a property of an account": {
			method: http.MethodGet, path: accountProperties + nfdInPath, field: "property_id",
		},
		"key of a class property in a query": {
			method: http.MethodGet, path: classPath() + "?class_keys[]=" + nfdInPath, field: "class_keys[0]",
		},
		"key of an account property in a query": {
			method: http.MethodGet, path: classPath() + "?account_keys[]=" + nfdInPath, field: "account_keys[0]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.call(t, c.method, c.path, c.body).wantProblem(http.StatusBadRequest, minigroup.InvalidPayload)
			if fields := fieldsIn(a); !slices.Equal(fields, []string{c.field}) || !strings.Contains(a.text, "NFC") {
				t.Errorf("got %v: %s", fields, a.text)
			}
		})
	}
	t.Run("but NFC is accepted, and texts that are no names may have any form", func(t *testing.T) {
		w.call(t, http.MethodPost, minigroups,
			`{"scope":"caf\u00e9","audience":"example.org","host":"h","tags":{"`+nfd+`":"`+nfd+`"}}`).
			wantStatus(http.StatusCreated)
		w.call(t, http.MethodGet, byScope+"caf%C3%A9", "").wantStatus(http.StatusOK)
		w.call(t, http.MethodPut, classPath()+"/properties/caf%C3%A9", `"`+nfd+`"`).wantStatus(http.StatusOK)
	})
}
