package httpapi

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"minigroups/minigroup"
	"minigroups/telemetry"
)

func TestEveryKindHasAProblem(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../minigroup/errors.go", nil, 0)
	noError(t, err)
	var kinds []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Kind" {
			return true
		}
		kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		noError(t, err)
		kinds = append(kinds, kind)
		return true
	})
	if len(kinds) < 20 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	for _, kind := range kinds {
		p, ok := problems[minigroup.Kind(kind)]
		if !ok || p.status < 400 || p.title == "" || p.transient != (p.retryAfter > 0) {
			t.Errorf("%s: its entry is %+v (exists: %v)", kind, p, ok)
		}
	}
	if len(problems) != len(kinds) {
		t.Errorf("there are %d entries for %d kinds", len(problems), len(kinds))
	}

	documented := readDocument(t).Components.Schemas.ProblemType.Enum
	slices.Sort(kinds)
	slices.Sort(documented)
	if !slices.Equal(kinds, documented) {
		t.Errorf("the kinds are  %v\ndocumented are %v", kinds, documented)
	}
}

func TestUnknownRoutes(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/", "/api/v1", "/api/v1/minigroups/", "/api/v1/minigroups/a/b", "/api/v1/audiences/a/minigroups/b/c",
		"/api/v1/audiences/a/minigroups/",
		"/api/v1/audiences/a", "/healthz/", "/HEALTHZ", "/api/v1/Minigroups", "//healthz",
		"/api/v1//minigroups/x", "/api/v1/./minigroups", "/api/v1/../healthz", "/api/v1/minigroups//", "/%2e%2e/healthz",
		"/healthz%2F", "/api%2Fv1%2Fminigroups",
	} {
		t.Run(path+" is not found and not redirected", func(t *testing.T) {
			a := w.call(t, http.MethodGet, path, "").wantProblem(http.StatusNotFound, minigroup.RouteNotFound)
			if a.body["instance"] != path {
				t.Errorf("instance is %v", a.body["instance"])
			}
		})
	}
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodGet, minigroups, "POST, OPTIONS"},
		{http.MethodPatch, minigroups + "/x", "GET, HEAD, PUT, OPTIONS"},
		{http.MethodDelete, "/api/v1/audiences/a/minigroups/b%2Fc", "GET, HEAD, PUT, OPTIONS"},
		{http.MethodPost, "/healthz", "GET, HEAD, OPTIONS"},
	} {
		t.Run(c.method+" "+c.path+" lists the allowed methods", func(t *testing.T) {
			a := w.call(t, c.method, c.path, "", "Authorization", "").
				wantProblem(http.StatusMethodNotAllowed, minigroup.MethodNotAllowed)
			want := strings.Split(c.allow, ", ")
			slices.Sort(want)
			if allowed := allowedMethods(a); !slices.Equal(allowed, want) {
				t.Errorf("Allow is %v, want %v", allowed, want)
			}
		})
	}
}

// allowedMethods returns the sorted methods in the Allow header.
func allowedMethods(a response) []string {
	if a.header.Get("Allow") == "" {
		return nil
	}
	allowed := strings.Split(a.header.Get("Allow"), ", ")
	slices.Sort(allowed)
	return allowed
}

func TestPreflights(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		minigroups, minigroups + "/x", "/api/v1/audiences/a/minigroups/b", "/healthz", "/openapi.yaml", "/nowhere",
	} {
		t.Run(path, func(t *testing.T) {
			a := w.call(t, http.MethodOptions, path, "",
				"Authorization", "", "Content-Type", "",
				"Origin", "https://page.example", "Access-Control-Request-Method", "PUT")
			if a.status != http.StatusOK || a.text != "" {
				t.Fatalf("got %d %q", a.status, a.text)
			}
			a.wantHeader("Access-Control-Allow-Origin", "*").wantHeader("Access-Control-Max-Age", "3600").
				wantHeader("Access-Control-Allow-Methods", "GET,PUT,POST,PATCH,DELETE")
			allowed := strings.Split(a.header.Get("Access-Control-Allow-Headers"), ", ")
			for _, name := range []string{
				"authorization", "content-type", "ulms-app-audience", "ulms-scope", "ulms-app-version", "ulms-app-label",
				"x-agent-label",
				"prefer", "idempotency-key", "if-match", "if-none-match", "x-request-id",
			} {
				if !slices.Contains(allowed, name) {
					t.Errorf("%s is not allowed", name)
				}
			}
			exposed := strings.Split(a.header.Get("Access-Control-Expose-Headers"), ", ")
			for _, name := range []string{"etag", "location", "retry-after", "preference-applied", "x-request-id"} {
				if !slices.Contains(exposed, name) {
					t.Errorf("%s is not exposed", name)
				}
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	w := newWorld(t)
	t.Run("a valid id is kept", func(t *testing.T) {
		for _, id := range []string{"a", "trace/1:2~!", strings.Repeat("x", 128)} {
			w.call(t, http.MethodGet, "/nowhere", "", "X-Request-Id", id).
				wantProblem(http.StatusNotFound, minigroup.RouteNotFound).wantHeader("X-Request-Id", id)
		}
	})
	t.Run("any other id is replaced", func(t *testing.T) {
		for _, id := range []string{"", "a b", "é", strings.Repeat("x", 129)} {
			a := w.call(t, http.MethodGet, "/nowhere", "", "X-Request-Id", id)
			if got := a.header.Get("X-Request-Id"); got == id || len(got) != 36 {
				t.Errorf("%q became %q", id, got)
			}
		}
	})
}

func TestAccessLog(t *testing.T) {
	w := newWorld(t)
	w.call(t, http.MethodPost, minigroups+"?access_token=s3cr3t", lesson, "X-Request-Id", "r1").
		wantStatus(http.StatusCreated)
	w.call(t, http.MethodGet, "/api/v1/audiences/example.org/minigroups/personal", "").wantStatus(http.StatusNotFound)
	lines := w.logs.FilterMessage("request").All()
	if len(lines) != 2 {
		t.Fatalf("there are %d lines", len(lines))
	}
	created, missing := lines[0].ContextMap(), lines[1].ContextMap()
	for name, want := range map[string]any{
		"method": "POST", "route": minigroups, "status": int64(201), "request_id": "r1", "account": "teacher.example.org",
	} {
		if created[name] != want {
			t.Errorf("%s is %v, want %v", name, created[name], want)
		}
	}
	if _, ok := created["duration"]; !ok {
		t.Error("the duration is missing")
	}
	if missing["route"] != "/api/v1/audiences/:audience/minigroups/:scope" || missing["problem"] != "class_not_found" {
		t.Errorf("got %v", missing)
	}
	text := fmt.Sprint(created, missing)
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, w.token) || strings.Contains(text, "personal") {
		t.Errorf("the log contains a secret or a name: %s", text)
	}
}

func TestAPanicIsAProblemAndIsLoggedOnce(t *testing.T) {
	w := newWorld(t)
	w.create = func(
		context.Context, minigroup.CreateRequest, time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		panic("s3cr3t")
	}
	a := w.call(t, http.MethodPost, minigroups, lesson).
		wantProblem(http.StatusServiceUnavailable, minigroup.ServiceUnavailable)
	if strings.Contains(a.text, "s3cr3t") || strings.Contains(a.text, "goroutine") {
		t.Error(a.text)
	}
	var errs []map[string]any
	for _, entry := range w.logs.All() {
		if entry.Level >= zapcore.ErrorLevel {
			errs = append(errs, entry.ContextMap())
		}
	}
	if len(errs) != 1 || !strings.Contains(fmt.Sprint(errs[0]["stack"]), "TestAPanic") {
		t.Errorf("logged: %v", errs)
	}
	if len(w.logs.FilterMessage("request").All()) != 1 {
		t.Error("it is not in the access log")
	}
}

func TestAPanicAfterTheResponseAddsNothingToIt(t *testing.T) {
	engine := newEngine(Deps{Requests: telemetry.NewRequests(nil), Log: zap.NewNop()})
	engine.GET("/late", func(c *gin.Context) {
		c.String(http.StatusOK, "whole")
		panic("late")
	})
	recorder := httptest.NewRecorder()
	engine.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/late", nil))
	if recorder.Body.String() != "whole" {
		t.Errorf("got %q", recorder.Body)
	}
}

func TestACancelledRequestIsNotLoggedAsAnError(t *testing.T) {
	w := newWorld(t)
	started := make(chan struct{})
	w.create = func(
		ctx context.Context, _ minigroup.CreateRequest, _ time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error) {
		close(started)
		<-ctx.Done()
		return minigroup.Minigroup{}, minigroup.OutcomeDone, ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+minigroups, strings.NewReader(lesson))
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	result := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		result <- err
	}()
	<-started
	cancel()
	if err := <-result; err == nil {
		t.Fatal("it received a response")
	}
	w.server.Close() // waits for the handler
	for _, entry := range w.logs.All() {
		if entry.Level > zapcore.InfoLevel {
			t.Errorf("logged as %s: %s", entry.Level, entry.Message)
		}
	}
	if len(w.logs.FilterMessage("request failed").All()) != 1 {
		t.Errorf("logs are %v", w.logs.All())
	}
}
