package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// mutant is one change of one operator. Without an ID it cannot be compiled, and does not count.
type mutant struct {
	ID           int
	File         string // in the folder of the package
	Line, Column int
	Type         string
	Func, Expr   string
	nth          int // of those that are equal but for their place
}

// key names a mutant by what does not move when lines are added elsewhere.
func (m *mutant) key() string {
	key := fmt.Sprintf("%s %s %s %s", m.File, m.Func, m.Type, m.Expr)
	if m.nth > 1 {
		key += fmt.Sprintf(" #%d", m.nth)
	}
	return key
}

// operators are those of gremlins without INVERT_BITWISE, which takes &x for a bitwise operator.
var operators = []string{
	"--invert-logical", "--invert-loopctrl", "--invert-assignments", "--remove-self-assignments",
}

// hidden keeps the compiler from the files that gremlins reads, in the two lines before each.
const hidden = "//go:build mutants\n\n"

// list returns the mutants that gremlins finds in a package. It is given the files alone, hidden from the compiler:
// otherwise it would compile and run all tests for its own measure of coverage, which is by package.
func list(ctx context.Context, gremlins, tree, pkg string) ([]*mutant, error) {
	dir := tree + ".list"
	defer func() { _ = os.RemoveAll(dir) }()
	files := map[string]string{"go.mod": "module listed\n\ngo 1.26.0\n", "zz_listed.go": "package listed\n"}
	paths, err := filepath.Glob(filepath.Join(tree, pkg, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
		}
		files[filepath.Base(path)] = hidden + string(text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
		}
	}
	out := filepath.Join(dir, "gremlins.json")
	args := append([]string{"unleash", "--dry-run", "--silent", "--output", out}, operators...)
	cmd := exec.CommandContext(ctx, gremlins, append(args, ".")...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("list the mutants of %s: %w: %s", pkg, err, text)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
	}
	var report struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type         string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("list the mutants of %s: %w", pkg, err)
	}
	var all []*mutant
	for _, f := range report.Files {
		for _, m := range f.Mutations {
			all = append(all, &mutant{File: f.Name, Line: m.Line - strings.Count(hidden, "\n"), Column: m.Column, Type: m.Type})
		}
	}
	slices.SortFunc(all, func(a, b *mutant) int { // gremlins' workers list them in any order
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Type, b.Type))
	})
	return all, nil
}

//go:embed runtime.go.txt
var runtime string

// compileIn rewrites a package in the tree so that each of its mutants has a switch, and returns those that have one.
func compileIn(ctx context.Context, tree, pkg string, mutants []*mutant) ([]*mutant, error) {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
		packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile
	loaded, err := packages.Load(&packages.Config{Context: ctx, Mode: mode, Dir: tree}, "./"+pkg)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", pkg, err)
	}
	p := loaded[0]
	if len(p.Errors) > 0 {
		return nil, fmt.Errorf("load %s: %w", pkg, p.Errors[0])
	}
	next := 0
	for _, f := range p.Syntax {
		path := p.Fset.File(f.Package).Name()
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a file of %s: %w", pkg, err)
		}
		var inFile []*mutant
		for _, m := range mutants {
			if m.File == filepath.Base(path) {
				inFile = append(inFile, m)
			}
		}
		source, err = rewrite(p, f, source, inFile, &next)
		if err != nil {
			return nil, fmt.Errorf("rewrite %s: %w", path, err)
		}
		if err := os.WriteFile(path, source, 0o644); err != nil {
			return nil, fmt.Errorf("rewrite %s: %w", path, err)
		}
	}
	path := filepath.Join(tree, pkg, "zz_mutants.go")
	if err := os.WriteFile(path, []byte(strings.Replace(runtime, "PACKAGE", p.Name, 1)), 0o644); err != nil {
		return nil, fmt.Errorf("rewrite %s: %w", path, err)
	}
	var compiled []*mutant
	seen := map[string]int{}
	for _, m := range mutants {
		if m.ID != 0 {
			seen[m.key()]++
			m.nth = seen[m.key()]
			compiled = append(compiled, m)
		}
	}
	return compiled, nil
}
