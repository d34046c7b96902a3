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

// The module, and the parts of its graph that have rules.
const (
	module      = "minigroups/"
	temporalSDK = "go.temporal.io"
	sdkClient   = "go.temporal.io/sdk/client"
	pgx         = "github.com/jackc/pgx"
	gin         = "github.com/gin-gonic"
	uuid        = "github.com/google/uuid"
)

// room is what a package, and every package below it, may import.
type room struct {
	path string
	// may are the packages of ours that it may import.
	may []string
	// never are packages of others (or below them) that it may not import.
	never []string
	// only, where there are some, are the only packages of others that it may
	// import beside the standard library.
	only []string
}

var everything = []string{""}

// rooms is the plan of the house: who may import whom. The longest path that
// fits a package holds.
var rooms = []room{
	{path: "minigroup", only: []string{uuid}},
	{path: "limiter", only: []string{}},
	{path: "batch", only: []string{}},
	{path: "workflows", may: []string{"activities", "minigroup"}, never: []string{pgx, gin, "net/http"}},
	{path: "activities", may: []string{"limiter", "minigroup"}, never: []string{pgx, gin, "net/http", sdkClient}},
	{path: "clients", may: []string{"clients/rest", "minigroup"}, never: []string{temporalSDK, pgx, gin}},
	{path: "clients/clientstest", may: []string{"clients/rest", "minigroup", "sandbox", "sandbox/sandboxclient"}, never: []string{temporalSDK, pgx, gin}},
	{path: "storage", may: []string{"batch", "minigroup"}, never: []string{temporalSDK, gin, "net/http"}},
	{path: "storage/storagetest", may: []string{"storage", "minigroup", "stack"}, never: []string{temporalSDK, gin}},
	{path: "httpapi", may: []string{"limiter", "minigroup", "auth", "telemetry"}, never: []string{temporalSDK, pgx}},
	{path: "httpapi/httpapitest", only: []string{"pgregory.net/rapid"}},
	{path: "mqtt", may: []string{"minigroup"}, never: []string{temporalSDK, pgx, gin}},
	{path: "auth", may: []string{"minigroup"}, never: []string{temporalSDK, pgx, gin}},
	// telemetry is below those that serve: what a request is called is said in one place. What needs Temporal's SDK is in runs.
	{path: "telemetry", may: []string{"minigroup"}, never: []string{temporalSDK, pgx, gin}},
	{path: "telemetry/runs", may: []string{"telemetry"}, never: []string{pgx, gin, "net/http"}},
	{path: "config", never: []string{temporalSDK, pgx, gin}},
	{path: "sandbox", never: []string{temporalSDK, pgx, gin}},
	{path: "sandbox/sandboxclient", may: []string{"sandbox"}, never: []string{temporalSDK, pgx, gin}},
	{path: "stack", may: []string{"deploy"}, never: []string{gin}},
	{path: "deploy", only: []string{}},
	{path: "cmd", may: everything},
	{path: "e2e", may: everything},
}

// product are the programs that run in production, and testOnly what must not
// be linked into them.
var (
	product  = []string{"cmd/api", "cmd/worker", "cmd/migrate", "cmd/ops"}
	testOnly = []string{"stack", "sandbox", "e2e", "storage/storagetest", "clients/clientstest", "httpapi/httpapitest"}
)

// environment are the functions that read it, and mayPass the packages that may
// hand all of it on, unread.
var (
	environment = []string{"Getenv", "LookupEnv", "ExpandEnv", "Environ"}
	mayPass     = []string{"cmd", "stack"}
)

// pkg is a package as go list -json describes it.
type pkg struct {
	ImportPath                         string
	Dir                                string
	GoFiles                            []string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

// path is the package's path within the module.
func (p pkg) path() string { return within(p.ImportPath) }

func within(importPath string) string { return strings.TrimPrefix(importPath, module) }

// below reports whether path is root or lies below it.
func below(path, root string) bool {
	return root == "" || path == root || strings.HasPrefix(path, root+"/")
}

func belowAny(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return below(path, root) })
}

func roomOf(path string) (found room, ok bool) {
	for _, r := range rooms {
		if below(path, r.path) && (!ok || len(r.path) > len(found.path)) {
			found, ok = r, true
		}
	}
	return found, ok
}

// forbidden lists what is wrong with the imports of one package.
func forbidden(p pkg) (wrong []string) {
	r, ok := roomOf(p.path())
	if !ok {
		return []string{p.path() + " has no room: say in house_test.go what it may import"}
	}
	for _, imported := range p.Imports {
		if reason := r.forbids(p.path(), imported); reason != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", p.path(), imported, reason))
		}
	}
	for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
		// Tests may use everything but programs and, like all, their settings.
		path := within(imported)
		if strings.HasPrefix(imported, module) && path != p.path() && (below(path, "cmd") && !isShared(p.path(), path) || path == "config" && !mayConfigure(p.path())) {
			wrong = append(wrong, fmt.Sprintf("a test of %s imports %s: it is for programs alone", p.path(), imported))
		}
	}
	if slices.Contains(product, p.path()) {
		for _, linked := range p.Deps {
			if strings.HasPrefix(linked, module) && belowAny(within(linked), testOnly) {
				wrong = append(wrong, fmt.Sprintf("%s links %s: it is for development and tests", p.path(), linked))
			}
		}
	}
	return wrong
}

// forbids says why the package at path, of this room, may not import another;
// empty if it may.
func (r room) forbids(path, imported string) string {
	if !strings.HasPrefix(imported, module) {
		isStandard := !strings.Contains(strings.Split(imported, "/")[0], ".")
		switch {
		case belowAny(imported, r.never):
			return "its room never does"
		case len(r.only) > 0 && !isStandard && !belowAny(imported, r.only):
			return "its room takes only the standard library and " + strings.Join(r.only, ", ")
		}
		return ""
	}
	target := within(imported)
	switch {
	case below(target, "cmd"):
		if !isShared(path, target) {
			return "nobody imports a program"
		}
	case target == "config":
		if !mayConfigure(path) {
			return "only programs do; the others are told what they need"
		}
	case slices.Contains(r.may, ""):
		if belowAny(target, testOnly) && below(path, "cmd") && path != "cmd/dev" && path != "cmd/sandbox" {
			return "it is for development and tests"
		}
	case !slices.Contains(r.may, target):
		return "its room may import only " + strings.Join(r.may, ", ")
	}
	return ""
}

// isShared reports whether target is what programs share and path is a program.
func isShared(path, target string) bool {
	return below(target, "cmd/internal") && below(path, "cmd")
}

func mayConfigure(path string) bool { return belowAny(path, []string{"cmd", "e2e", "config"}) }

// forbiddenInFile lists what is wrong in one source file of a package: who reads
// the environment, and where the Temporal client is.
func forbiddenInFile(path, name string, file *ast.File) (wrong []string) {
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		if path == "workflows" && name != "start.go" && name != "schedules.go" && imported == sdkClient {
			wrong = append(wrong, fmt.Sprintf("workflows/%s imports %s: only start.go and schedules.go do", name, imported))
		}
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
		if path != "config" && (selector.Sel.Name != "Environ" || !belowAny(path, mayPass)) {
			wrong = append(wrong, fmt.Sprintf("%s/%s reads the environment with %s.%s: only config does", path, name, from.Name, selector.Sel.Name))
		}
		return true
	})
	return wrong
}

func TestHouse(t *testing.T) {
	packages := list(t)
	if len(packages) < len(rooms) {
		t.Fatalf("only %d packages: the list is not whole", len(packages))
	}
	for _, p := range packages {
		if p.ImportPath+"/" == module {
			continue // this test
		}
		for _, wrong := range forbidden(p) {
			t.Error(wrong)
		}
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range forbiddenInFile(p.path(), name, file) {
				t.Error(wrong)
			}
		}
	}
}

func list(t *testing.T) (packages []pkg) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
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

// TestHouseNotices plants edges that must not be, and some that may.
func TestHouseNotices(t *testing.T) {
	for _, edge := range []struct{ from, to string }{
		{"minigroup", "minigroups/config"},
		{"minigroup", "minigroups/storage"},
		{"minigroup", "github.com/jackc/pgx/v5"},
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
		{"httpapi", "minigroups/cmd/internal/process"},
		{"cmd/api", "minigroups/stack"},
		{"cmd/internal/process", "minigroups/sandbox"},
		{"brandnew", "fmt"},
	} {
		if wrong := forbidden(pkg{ImportPath: module + edge.from, Imports: []string{edge.to}}); len(wrong) == 0 {
			t.Errorf("%s may import %s", edge.from, edge.to)
		}
	}
	for _, edge := range []struct{ from, to string }{
		{"minigroup", "github.com/google/uuid"},
		{"minigroup", "encoding/json"},
		{"workflows", "minigroups/activities"},
		{"clients/event", "minigroups/clients/rest"},
		{"cmd/api", "minigroups/cmd/internal/process"},
		{"cmd/dev", "minigroups/stack"},
		{"cmd/worker", "minigroups/config"},
		{"e2e", "minigroups/config"},
	} {
		if wrong := forbidden(pkg{ImportPath: module + edge.from, Imports: []string{edge.to}}); len(wrong) > 0 {
			t.Error(wrong)
		}
	}
	for name, p := range map[string]pkg{
		"a program that links a stand-in": {ImportPath: module + "cmd/worker", Deps: []string{"minigroups/sandbox/sandboxclient"}},
		"a test that imports config":      {ImportPath: module + "httpapi", TestImports: []string{"minigroups/config"}},
		"a test that imports a program":   {ImportPath: module + "httpapi", XTestImports: []string{"minigroups/cmd/api"}},
	} {
		if len(forbidden(p)) == 0 {
			t.Errorf("not noticed: %s", name)
		}
	}
	for source, places := range map[string]map[string]bool{ // path/file ─► is it wrong
		`package p; import "os"; var _ = os.Getenv("X")`:           {"storage/a.go": true, "cmd/api/main.go": true, "config/a.go": false},
		`package p; import "os"; var _ = os.Environ()`:             {"storage/a.go": true, "cmd/api/main.go": false, "stack/a.go": false},
		`package p; import "syscall"; var _, _ = syscall.Getenv()`: {"auth/a.go": true},
		`package p; import "go.temporal.io/sdk/client"`:            {"workflows/create.go": true, "workflows/start.go": false},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		for place, isWrong := range places {
			if wrong := forbiddenInFile(filepath.Dir(place), filepath.Base(place), file); (len(wrong) > 0) != isWrong {
				t.Errorf("%s in %s: %v", source, place, wrong)
			}
		}
	}
}
