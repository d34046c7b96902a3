// Command literals reports struct literals that set more than three fields by position: a reader cannot tell which
// value is for which field. go vet runs it, with -vettool.
package main

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

// most is how many fields a literal may set by position.
const most = 3

func main() {
	unitchecker.Main(&analysis.Analyzer{
		Name: "literals", Doc: "report struct literals that set more than three fields by position", Run: run,
	})
}

func run(pass *analysis.Pass) (any, error) {
	for _, file := range pass.Files {
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.CompositeLit)
			if ok && isPositional(literal) && isStruct(pass.TypesInfo.TypeOf(literal)) {
				pass.Reportf(literal.Pos(), "%d fields are set by position: name them", len(literal.Elts))
			}
			return true
		})
	}
	return nil, nil
}

func isPositional(literal *ast.CompositeLit) bool {
	if len(literal.Elts) <= most {
		return false
	}
	_, isKeyed := literal.Elts[0].(*ast.KeyValueExpr)
	return !isKeyed
}

// isStruct is true for a pointer to a struct too, the type of {…} within []*T{…}.
func isStruct(t types.Type) bool {
	if pointer, ok := t.Underlying().(*types.Pointer); ok {
		t = pointer.Elem()
	}
	_, ok := t.Underlying().(*types.Struct)
	return ok
}
