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
			http.MethodPost, minigroups, `{"scope":"` + nfd + `","audience":"example.org","host":"h"}`, "scope",
		},
		"scope in a body, escaped": {
			http.MethodPost, minigroups, `{"scope":"cafe\u0301","audience":"example.org","host":"h"}`, "scope",
		},
		"audience in a body": {
			http.MethodPost, minigroups, `{"scope":"s","audience":"` + nfd + `","host":"h"}`, "audience",
		},
		"host in a body": {
			http.MethodPost, minigroups, `{"scope":"s","audience":"example.org","host":"` + nfd + `"}`, "host",
		},
		"key of a property in a body": {
			http.MethodPost, minigroups,
			`{"scope":"s","audience":"example.org","host":"h","properties":{"` + nfd + `":1}}`, "properties." + nfd,
		},
		"host in an update":          {http.MethodPut, classPath(), `{"host":"` + nfd + `.b.c"}`, "host"},
		"scope in a path":            {http.MethodGet, byScope + nfdInPath, "", "scope"},
		"scope in a path, unescaped": {http.MethodGet, byScope + nfd, "", "scope"},
		"scope in a path of a PUT":   {http.MethodPut, byScope + nfdInPath, `{"reserve":1}`, "scope"},
		"audience in a path": {
			http.MethodGet, "/api/v1/audiences/" + nfdInPath + "/minigroups/s", "", "audience",
		},
		"key of a property": {http.MethodGet, classPath() + "/properties/" + nfdInPath, "", "property_id"},
		"key of a property in a PUT": {
			http.MethodPut, classPath() + "/properties/" + nfdInPath, "1", "property_id",
		},
		"key of a property of an account": {http.MethodGet, accountProperties + nfdInPath, "", "property_id"},
		"key of a class property in a query": {
			http.MethodGet, classPath() + "?class_keys[]=" + nfdInPath, "", "class_keys[0]",
		},
		"key of an account property in a query": {
			http.MethodGet, classPath() + "?account_keys[]=" + nfdInPath, "", "account_keys[0]",
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
