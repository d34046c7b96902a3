package minigroups_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modules are the folders of the Go modules whose imports these rules cover.
var modules = []string{".", "e2e"}

// The prefix of our own import paths, and the dependencies that the rules name.
const (
	module      = "minigroups/"
	temporalSDK = "go.temporal.io"
	sdkClient   = "go.temporal.io/sdk/client"
	sdkWorkflow = "go.temporal.io/sdk/workflow"
	pgx         = "github.com/jackc/pgx"
	gin         = "github.com/gin-gonic"
	uuid        = "github.com/google/uuid"
	norm        = "golang.org/x/text/unicode/norm"
)

// rule says what the package at path, and every package below it, may import.
type rule struct {
	path string
	// own are the packages of this repository that it may import. The empty string stands for all of them.
	own []string
	// never are packages of other modules that it may not import, with everything below them.
	never []string
	// only, unless nil, are the only packages of other modules that it may import beside the standard library.
	only []string
}

var everything = []string{""}

// rules hold the import rules. The rule with the longest matching path applies.
var rules = []rule{
	{path: "minigroup", only: []string{uuid, norm}},
	{path: "stored", own: []string{"minigroup"}, only: []string{uuid}},
	{path: "limiter", only: []string{}},
	{path: "batch", only: []string{}},
	{
		path: "workflows", own: []string{"activities", "limiter", "minigroup", "stored"},
		never: []string{pgx, gin, "net/http"},
	},
	{
		path: "activities", own: []string{"limiter", "minigroup", "stored"},
		never: []string{pgx, gin, "net/http", sdkClient},
	},
	{path: "codec", never: []string{pgx, gin, "net/http"}},
	{path: "clients", own: []string{"clients/rest", "minigroup"}, never: []string{temporalSDK, pgx, gin}},
	{
		path:  "clients/clientstest",
		own:   []string{"clients/rest", "minigroup", "sandbox", "sandbox/sandboxclient"},
		never: []string{temporalSDK, pgx, gin},
	},
	{path: "storage", own: []string{"batch", "minigroup", "stored"}, never: []string{temporalSDK, gin, "net/http"}},
	{path: "storage/storagetest", own: []string{"storage", "minigroup", "stack"}, never: []string{temporalSDK, gin}},
	{
		path: "httpapi", own: []string{"limiter", "minigroup", "auth", "telemetry", "httpapi/support"},
		never: []string{temporalSDK, pgx},
	},
	{path: "httpapi/support", only: []string{}},
	{path: "httpapi/httpapitest", only: []string{"pgregory.net/rapid", norm}},
	{path: "mqtt", own: []string{"minigroup", "mqtt/mqtt311"}, never: []string{temporalSDK, pgx, gin}},
	{path: "mqtt/mqtt311", only: []string{}},
	{path: "auth", own: []string{"minigroup"}, never: []string{temporalSDK, pgx, gin}},
	// httpapi and the programs import telemetry, so that they share the names of requests. What needs Temporal's SDK is
	// in telemetry/runs.
	{path: "telemetry", own: []string{"minigroup"}, never: []string{temporalSDK, pgx, gin}},
	{path: "telemetry/runs", own: []string{"telemetry"}, never: []string{pgx, gin, "net/http"}},
	{path: "config", never: []string{temporalSDK, pgx, gin}},
	{path: "sandbox", own: []string{"mqtt/mqtt311", "sandbox/pool"}, never: []string{temporalSDK, pgx, gin}},
	{path: "sandbox/pool", only: []string{}},
	{
		path: "sandbox/sandboxclient", own: []string{"sandbox", "sandbox/pool"},
		never: []string{temporalSDK, pgx, gin},
	},
	{path: "stack", own: []string{"deploy"}, never: []string{gin}},
	{path: "stack/stacktest", own: []string{"stack"}, never: []string{gin}},
	{path: "deploy", only: []string{}},
	{path: "docs", only: []string{}},
	{path: "cmd", own: everything},
	{path: "e2e", own: everything},
}

// product are the programs that run in production. testOnly are the packages that must not be linked into them.
var (
	product  = []string{"cmd/api", "cmd/worker", "cmd/migrate", "cmd/ops", "cmd/minigroups"}
	testOnly = []string{
		"stack", "sandbox", "e2e", "storage/storagetest", "clients/clientstest", "httpapi/httpapitest",
	}
)

// testRequirements are the modules that go.mod may require for tests alone.
var testRequirements = []string{"pgregory.net/rapid"}

// environment are the functions that read the environment. mayPass are the packages that may pass all of it on, unread.
var (
	environment = []string{"Getenv", "LookupEnv", "ExpandEnv", "Environ"}
	mayPass     = []string{"cmd", "stack", "e2e"}
)

// pkg is a package as go list -json describes it.
type pkg struct {
	ImportPath                         string
	Dir                                string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// path returns the package's path within the repository.
func (p pkg) path() string { return within(p.ImportPath) }

func within(importPath string) string { return strings.TrimPrefix(importPath, module) }

// below reports whether path is root or lies below it.
func below(path, root string) bool {
	return root == "" || path == root || strings.HasPrefix(path, root+"/")
}

func belowAny(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return below(path, root) })
}

func ruleFor(path string) (found rule, ok bool) {
	for _, r := range rules {
		if below(path, r.path) && (!ok || len(r.path) > len(found.path)) {
			found, ok = r, true
		}
	}
	return found, ok
}

// violations returns one message for each forbidden import of a package and of its tests.
func violations(p pkg) (wrong []string) {
	r, ok := ruleFor(p.path())
	if !ok {
		return []string{p.path() + " has no import rule: add one to imports_test.go"}
	}
	for _, imported := range p.Imports {
		if reason := r.forbids(p.path(), imported); reason != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", p.path(), imported, reason))
		}
	}
	for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
		if testMayNot(p.path(), imported) {
			wrong = append(wrong, fmt.Sprintf("a test of %s imports %s: only programs may", p.path(), imported))
		}
	}
	if slices.Contains(product, p.path()) {
		for _, linked := range p.Deps {
			if strings.HasPrefix(linked, module) && belowAny(within(linked), testOnly) {
				wrong = append(wrong, fmt.Sprintf("%s links %s, which is for development and tests", p.path(), linked))
			}
		}
	}
	return wrong
}

// testMayNot reports whether the tests of the package at path may not import another package. They may import
// everything but programs and config.
func testMayNot(path, imported string) bool {
	target := within(imported)
	if !strings.HasPrefix(imported, module) || target == path {
		return false
	}
	return below(target, "cmd") && !isShared(path, target) || target == "config" && !mayConfigure(path)
}

// forbids says why the package at path, to which this rule applies, may not import another package. It returns an empty
// string if the package may.
func (r rule) forbids(path, imported string) string {
	if !strings.HasPrefix(imported, module) {
		isStandard := !strings.Contains(strings.Split(imported, "/")[0], ".")
		switch {
		case belowAny(imported, r.never):
			return r.path + " must not"
		case r.only != nil && !isStandard && !belowAny(imported, r.only):
			return fmt.Sprintf("%s may import only the standard library and %q", r.path, r.only)
		}
		return ""
	}
	target := within(imported)
	switch {
	case below(target, "cmd"):
		if !isShared(path, target) {
			return "no package may import a program"
		}
	case target == "config":
		if !mayConfigure(path) {
			return "only programs may; other packages receive their settings as options"
		}
	case slices.Contains(r.own, ""):
		if belowAny(target, testOnly) && below(path, "cmd") && path != "cmd/dev" && path != "cmd/sandbox" {
			return "it is for development and tests"
		}
	case !slices.Contains(r.own, target):
		return fmt.Sprintf("%s may import only %q", r.path, r.own)
	}
	return ""
}

// isShared reports whether target is what programs share and path is a program. The code of a program, in cmd/internal,
// is shared only by its command and by cmd/minigroups.
func isShared(path, target string) bool {
	name, internal := strings.CutPrefix(target, "cmd/internal/")
	if command := "cmd/" + name; slices.Contains(product, command) {
		return path == command || path == "cmd/minigroups"
	}
	return internal && below(path, "cmd")
}

func mayConfigure(path string) bool { return belowAny(path, []string{"cmd", "e2e", "config"}) }

// fileViolations returns one message for each place in a source file that reads the environment where it may not, and
// for a file of package workflows that uses the Temporal client beside workflow code, which must be deterministic.
func fileViolations(path, name string, file *ast.File) (wrong []string) {
	imports := map[string]bool{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		imports[imported] = true
	}
	if path == "workflows" && imports[sdkClient] && imports[sdkWorkflow] {
		wrong = append(wrong, fmt.Sprintf("%s/%s imports both %s and %s", path, name, sdkClient, sdkWorkflow))
	}
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := selector.X.(*ast.Ident)
		if !ok || from.Name != "os" && from.Name != "syscall" || !slices.Contains(environment, selector.Sel.Name) {
			return true
		}
		// Test binaries learn from it which server they share: only some of them could have a flag for that.
		if path == "storage/storagetest" && selector.Sel.Name == "Getenv" {
			return true
		}
		if path != "config" && (selector.Sel.Name != "Environ" || !belowAny(path, mayPass)) {
			wrong = append(wrong, fmt.Sprintf("%s/%s reads the environment with %s.%s: only config may",
				path, name, from.Name, selector.Sel.Name))
		}
		return true
	})
	return wrong
}

func TestImportRules(t *testing.T) {
	var packages []pkg
	for _, folder := range modules {
		packages = append(packages, list(t, folder)...)
	}
	if len(packages) < len(rules) {
		t.Fatalf("go list returned only %d packages", len(packages))
	}
	for _, p := range packages {
		if p.ImportPath+"/" == module {
			continue // this test
		}
		for _, wrong := range violations(p) {
			t.Error(wrong)
		}
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range fileViolations(p.path(), name, file) {
				t.Error(wrong)
			}
		}
	}
}

// list returns the packages of the module in a folder.
func list(t *testing.T, folder string) (packages []pkg) {
	t.Helper()
	const fields = "ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports,Deps"
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-C", folder, "-json="+fields, "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list in %s: %v\n%s", folder, err, &stderr)
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// TestRequirements keeps what only tests and tools use out of the service's go.mod.
func TestRequirements(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Require) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	var linked []string
	for _, p := range list(t, ".") {
		if slices.Contains(product, p.path()) {
			linked = append(linked, p.Deps...)
		}
	}
	for _, module := range file.Require {
		isLinked := slices.ContainsFunc(linked, func(dep string) bool { return below(dep, module.Path) })
		if !module.Indirect && !isLinked && !slices.Contains(testRequirements, module.Path) {
			t.Errorf("go.mod requires %s, which no program links: move what uses it to another module", module.Path)
		}
	}
}

func TestImportRulesDetectViolations(t *testing.T) {
	for _, edge := range []struct{ from, to string }{
		{"minigroup", "minigroups/config"},
		{"minigroup", "minigroups/storage"},
		{"minigroup", "github.com/jackc/pgx/v5"},
		{"limiter", "github.com/google/uuid"},
		{"deploy", "minigroups/config"},
		{"workflows", "net/http"},
		{"workflows", "minigroups/clients/event"},
		{"workflows", "minigroups/storage"},
		{"workflows", "minigroups/config"},
		{"activities", "go.temporal.io/sdk/client"},
		{"activities", "minigroups/workflows"},
		{"httpapi", "go.temporal.io/sdk/temporal"},
		{"httpapi", "minigroups/storage"},
		{"storage", "go.temporal.io/sdk/temporal"},
		{"storage", "minigroups/stack"},
		{"clients/event", "minigroups/clients/conference"},
		{"clients/event", "minigroups/clients/clientstest"},
		{"clients/rest", "go.temporal.io/sdk/temporal"},
		{"cmd/worker", "minigroups/clients/clientstest"},
		{"stack", "minigroups/config"},
		{"sandbox", "minigroups/minigroup"},
		{"auth", "minigroups/cmd/api"},
		{"cmd/dev", "minigroups/cmd/api"},
		{"cmd/worker", "minigroups/cmd/internal/api"},
		{"httpapi", "minigroups/cmd/internal/process"},
		{"cmd/api", "minigroups/stack"},
		{"cmd/internal/process", "minigroups/sandbox"},
		{"brandnew", "fmt"},
	} {
		if wrong := violations(pkg{ImportPath: module + edge.from, Imports: []string{edge.to}}); len(wrong) == 0 {
			t.Errorf("%s may import %s", edge.from, edge.to)
		}
	}
	for _, edge := range []struct{ from, to string }{
		{"minigroup", "github.com/google/uuid"},
		{"minigroup", "encoding/json"},
		{"workflows", "minigroups/activities"},
		{"clients/event", "minigroups/clients/rest"},
		{"cmd/api", "minigroups/cmd/internal/api"},
		{"cmd/minigroups", "minigroups/cmd/internal/api"},
		{"cmd/internal/api", "minigroups/cmd/internal/process"},
		{"cmd/dev", "minigroups/stack"},
		{"cmd/worker", "minigroups/config"},
		{"e2e", "minigroups/config"},
	} {
		if wrong := violations(pkg{ImportPath: module + edge.from, Imports: []string{edge.to}}); len(wrong) > 0 {
			t.Error(wrong)
		}
	}
	for name, p := range map[string]pkg{
		"a program that links a stand-in": {
			ImportPath: module + "cmd/worker", Deps: []string{"minigroups/sandbox/sandboxclient"},
		},
		"a test that imports config":    {ImportPath: module + "httpapi", TestImports: []string{"minigroups/config"}},
		"a test that imports a program": {ImportPath: module + "httpapi", XTestImports: []string{"minigroups/cmd/api"}},
	} {
		if len(violations(p)) == 0 {
			t.Errorf("not detected: %s", name)
		}
	}
	for source, files := range map[string]map[string]bool{ // path/file ─► is it a violation
		`package p; import "os"; var _ = os.Getenv("X")`: {
			"storage/a.go": true, "cmd/api/main.go": true, "config/a.go": false,
		},
		`package p; import "os"; var _ = os.Environ()`: {
			"storage/a.go": true, "cmd/api/main.go": false, "stack/a.go": false,
		},
		`package p; import "syscall"; var _, _ = syscall.Getenv()`:                       {"auth/a.go": true},
		`package p; import "go.temporal.io/sdk/client"`:                                  {"workflows/starter.go": false},
		`package p; import ("go.temporal.io/sdk/client"; "go.temporal.io/sdk/workflow")`: {"workflows/create.go": true},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		for path, isWrong := range files {
			if wrong := fileViolations(filepath.Dir(path), filepath.Base(path), file); (len(wrong) > 0) != isWrong {
				t.Errorf("%s in %s: %v", source, path, wrong)
			}
		}
	}
}
