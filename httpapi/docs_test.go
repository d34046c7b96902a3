package httpapi

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func TestDocs(t *testing.T) {
	w := newWorld(t)
	page := w.call(t, http.MethodGet, "/docs", "", "Authorization", "")
	if page.status != http.StatusOK || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, %v", page.status, page.header)
	}

	t.Run("the page may load and call only this service", func(t *testing.T) {
		for directive := range strings.SplitSeq(page.header.Get("Content-Security-Policy"), ";") {
			for _, source := range strings.Fields(directive)[1:] {
				if source != "'self'" && source != "'none'" && source != "data:" {
					t.Errorf("allowed: %s", directive)
				}
			}
		}
	})

	t.Run("every file that the page loads exists", func(t *testing.T) {
		loaded := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.text, -1)
		if len(loaded) != 4 {
			t.Fatalf("it loads %v", loaded)
		}
		for _, match := range loaded {
			file := w.call(t, http.MethodGet, "/"+match[1], "", "Authorization", "")
			if file.status != http.StatusOK || file.text == "" || file.header.Get("Content-Type") == "" {
				t.Errorf("%s: status %d, %d bytes, %v", match[1], file.status, len(file.text), file.header)
			}
		}
	})

	t.Run("other files are not served", func(t *testing.T) {
		for _, file := range []string{"oauth2-redirect.html", "swagger-ui.css.gz", "..%2Fopenapi.yaml", "%00"} {
			w.call(t, http.MethodGet, "/docs/"+file, "", "Authorization", "").
				wantProblem(http.StatusNotFound, minigroup.RouteNotFound)
		}
	})
}
