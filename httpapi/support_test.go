package httpapi

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func TestTheSupportPage(t *testing.T) {
	w := newWorld(t)
	get := func(path string) response { return w.call(t, http.MethodGet, path, "", "Authorization", "") }
	page := get("/support").wantHeader("Content-Type", "text/html; charset=utf-8")

	t.Run("it may load and call only this service, and nothing inline", func(t *testing.T) {
		for directive := range strings.SplitSeq(page.header.Get("Content-Security-Policy"), ";") {
			for _, source := range strings.Fields(directive)[1:] {
				if source != "'self'" && source != "'none'" && source != "'script'" {
					t.Errorf("allowed: %s", directive)
				}
			}
		}
		if found := regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\sstyle=|\son\w+=`).FindString(page.text); found != "" {
			t.Errorf("the page has %s", found)
		}
	})
	t.Run("it makes no HTML of text", func(t *testing.T) {
		files, err := os.ReadDir("support")
		noError(t, err)
		for _, f := range files {
			text, err := os.ReadFile("support/" + f.Name())
			noError(t, err)
			found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|Storage\b`).Find(text)
			if strings.HasSuffix(f.Name(), ".js") && found != nil {
				t.Errorf("%s uses %s", f.Name(), found)
			}
		}
	})
	t.Run("every file that it loads exists, by an address that a prefix does not break", func(t *testing.T) {
		loaded := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.text, -1)
		script := get("/support/support.js")
		for _, module := range regexp.MustCompile(`from '\./([^']*)'`).FindAllStringSubmatch(script.text, -1) {
			loaded = append(loaded, []string{"", "support/" + module[1]})
		}
		if len(loaded) != 5 {
			t.Errorf("it loads %v", loaded)
		}
		for _, match := range loaded {
			file := get("/" + match[1])
			if file.status != http.StatusOK || file.text == "" || file.header.Get("Content-Type") == "" {
				t.Errorf("%s: status %d, %d bytes, %v", match[1], file.status, len(file.text), file.header)
			}
		}
	})
	t.Run("other files are not served", func(_ *testing.T) {
		for _, file := range []string{"support.go", "..%2Fopenapi.yaml", ".", "%00", "x.js"} {
			get("/support/"+file).wantProblem(http.StatusNotFound, minigroup.RouteNotFound)
		}
	})
	t.Run("it can be switched off", func(t *testing.T) {
		off := newWorld(t, func(d *Deps) { d.SupportPage = false })
		for _, path := range []string{"/support", "/support/support.js"} {
			off.call(t, http.MethodGet, path, "", "Authorization", "").
				wantProblem(http.StatusNotFound, minigroup.RouteNotFound)
		}
	})
}
