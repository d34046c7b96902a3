package httpapi

import (
	"net/http"
	"slices"
	"testing"

	"minigroups/minigroup"
)

func TestAllowedOrigins(t *testing.T) {
	w := newWorld(t, func(d *Deps) { d.AllowedOrigins = []string{"https://a.example", "https://b.example:8443"} })
	preflight := func(t *testing.T, origin string) response {
		t.Helper()
		a := w.call(t, http.MethodOptions, minigroups, "",
			"Authorization", "", "Origin", origin, "Access-Control-Request-Method", "PUT")
		if a.status != http.StatusOK || a.text != "" {
			t.Fatalf("got %d %q", a.status, a.text)
		}
		return a
	}
	for _, origin := range []string{"https://a.example", "https://b.example:8443"} {
		t.Run(origin+" may read and write", func(t *testing.T) {
			preflight(t, origin).wantHeader("Access-Control-Allow-Origin", origin).
				wantHeader("Access-Control-Allow-Methods", "GET,PUT,POST,PATCH,DELETE")
			a := w.call(t, http.MethodGet, "/healthz", "", "Origin", origin).wantHeader("Access-Control-Allow-Origin", origin).
				wantHeader("Vary", "origin")
			if a.header.Get("Access-Control-Expose-Headers") == "" {
				t.Error("no header is exposed")
			}
		})
	}
	for _, origin := range []string{
		"", "https://c.example", "http://a.example", "https://a.example.evil", "https://b.example", "null",
	} {
		t.Run("a page of "+origin+" may not read or write", func(t *testing.T) {
			for _, a := range []response{
				preflight(t, origin), w.call(t, http.MethodGet, "/healthz", "", "Origin", origin).wantHeader("Vary", "origin"),
			} {
				for name := range a.header {
					if slices.Contains([]string{
						"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
						"Access-Control-Expose-Headers",
					}, name) {
						t.Errorf("%s is %s", name, a.header.Get(name))
					}
				}
			}
		})
	}
}

func TestOptionsListTheAllowedMethods(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string][]string{
		minigroups:           {"OPTIONS", "POST"},
		minigroups + "/x":    {"GET", "HEAD", "OPTIONS", "PUT"},
		"/healthz":           {"GET", "HEAD", "OPTIONS"},
		"/nowhere":           nil,
		minigroups + "/x/y/": nil,
	} {
		a := w.call(t, http.MethodOptions, path, "", "Authorization", "")
		if a.status != http.StatusOK || a.text != "" {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
		if got := allowedMethods(a); !slices.Equal(got, want) {
			t.Errorf("%s allows %v, want %v", path, got, want)
		}
	}
}

func TestEveryResponseHasSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	w.put(filled())
	for _, a := range []response{
		w.call(t, http.MethodGet, "/healthz", ""), w.call(t, http.MethodGet, "/nowhere", ""),
		w.call(t, http.MethodDelete, minigroups, ""),
		w.call(t, http.MethodPost, minigroups, lesson).wantStatus(http.StatusCreated),
		w.call(t, http.MethodPost, minigroups, ""),
		w.call(t, http.MethodGet, minigroups+"/x", "").wantProblem(http.StatusNotFound, minigroup.ClassNotFound),
	} {
		a.wantHeader("X-Content-Type-Options", "nosniff").wantHeader("Referrer-Policy", "no-referrer").
			wantHeader("Cache-Control", "no-store").
			wantHeader("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	}
}
