package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// The mutants of a package are compiled into it together, each behind a switch: a == b becomes
// ((a == b) != mutantOn(7)). So a package is compiled once, and not once for each of its mutants.

// edit inserts text at an offset of a file, in place of the next drop bytes. Of the edits at one offset, those that
// close an expression come first, the innermost before the others, then those that open one, the outermost first.
type edit struct {
	at, drop, depth int
	closes          bool
	text            string
}

type rewriter struct {
	file    *token.File
	pkg     *types.Package
	info    *types.Info
	mutants map[token.Pos][]*mutant // by the position of the token
	edits   []edit
	stack   []ast.Node
}

// rewrite returns the source of a file with a switch for each mutant that can be compiled, and sets the ids of these.
func rewrite(p *packages.Package, f *ast.File, source []byte, mutants []*mutant, next *int) ([]byte, error) {
	file := p.Fset.File(f.Package)
	r := rewriter{file: file, pkg: p.Types, info: p.TypesInfo, mutants: map[token.Pos][]*mutant{}}
	for _, m := range mutants {
		pos := file.LineStart(m.Line) + token.Pos(m.Column-1)
		r.mutants[pos] = append(r.mutants[pos], m)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			r.stack = r.stack[:len(r.stack)-1]
			return true
		}
		r.node(n, func(m *mutant, node ast.Node) int {
			*next++
			m.ID, m.Func = *next, r.function()
			m.Expr = strings.Join(strings.Fields(string(source[file.Offset(node.Pos()):file.Offset(node.End())])), " ")
			return m.ID
		})
		r.stack = append(r.stack, n)
		return true
	})
	slices.SortStableFunc(r.edits, func(a, b edit) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.closes != b.closes:
			if a.closes {
				return -1
			}
			return 1
		case a.closes:
			return cmp.Compare(b.depth, a.depth)
		default:
			return cmp.Compare(a.depth, b.depth)
		}
	})
	var out strings.Builder
	from := 0
	for _, e := range r.edits {
		if e.at > from {
			out.Write(source[from:e.at])
			from = e.at
		}
		out.WriteString(e.text)
		from += e.drop
	}
	out.Write(source[from:])
	formatted, err := format.Source([]byte(out.String()))
	if err != nil {
		return nil, fmt.Errorf("the rewritten file does not parse: %w", err)
	}
	return formatted, nil
}

func (r *rewriter) open(pos token.Pos, text string) {
	r.edits = append(r.edits, edit{at: r.file.Offset(pos), depth: len(r.stack), text: text})
}

func (r *rewriter) close(pos token.Pos, text string) {
	r.edits = append(r.edits, edit{at: r.file.Offset(pos), depth: len(r.stack), text: text, closes: true})
}

func (r *rewriter) replace(pos token.Pos, drop int, text string) {
	r.edits = append(r.edits, edit{at: r.file.Offset(pos), drop: drop, text: text})
}

// find returns the mutant of a type whose token is at pos, or nil.
func (r *rewriter) find(pos token.Pos, kind string) *mutant {
	for _, m := range r.mutants[pos] {
		if m.Type == kind {
			return m
		}
	}
	return nil
}

func (r *rewriter) node(n ast.Node, id func(*mutant, ast.Node) int) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		r.binary(n, id)
	case *ast.UnaryExpr:
		if m := r.find(n.OpPos, "INVERT_NEGATIVES"); m != nil && n.Op == token.SUB && !r.inConstant() {
			r.replace(n.OpPos, 1, fmt.Sprintf("mutantNegative%s(%d, ", r.instance(n), id(m, n)))
			r.close(n.End(), ")")
		}
	case *ast.IncDecStmt:
		if m := r.find(n.TokPos, "INCREMENT_DECREMENT"); m != nil {
			r.replace(n.TokPos, 2, fmt.Sprintf(" %c= mutantOne[%s](%d)", n.Tok.String()[0], r.name(n.X), id(m, n)))
		}
	case *ast.AssignStmt:
		r.assignment(n, id)
	case *ast.BranchStmt:
		r.branch(n, id)
	case *ast.ValueSpec:
		r.constants(n)
	}
}

var comparisons = map[token.Token]string{
	token.LSS: "mutantLess", token.LEQ: "mutantLessOrEqual", token.GTR: "mutantGreater", token.GEQ: "mutantGreaterOrEqual",
}

var arithmetic = map[token.Token]string{
	token.ADD: "mutantAdd", token.SUB: "mutantSub", token.MUL: "mutantMul", token.QUO: "mutantQuo", token.REM: "mutantRem",
}

func (r *rewriter) binary(n *ast.BinaryExpr, id func(*mutant, ast.Node) int) {
	negation, boundary := r.find(n.OpPos, "CONDITIONALS_NEGATION"), r.find(n.OpPos, "CONDITIONALS_BOUNDARY")
	logical, base := r.find(n.OpPos, "INVERT_LOGICAL"), r.find(n.OpPos, "ARITHMETIC_BASE")
	switch {
	case negation != nil && !r.constant(n):
		r.open(n.Pos(), "((")
		if boundary != nil {
			r.open(n.Pos(), fmt.Sprintf("%s(%d, ", comparisons[n.Op], id(boundary, n)))
			r.replace(n.OpPos, len(n.Op.String()), ",")
			r.close(n.End(), ")")
		}
		r.close(n.End(), fmt.Sprintf(") != mutantOn(%d))", id(negation, n)))
	case logical != nil:
		// a || b is !(!a && !b), and with the switch both forms have one text.
		on := fmt.Sprintf(") != mutantOn(%d)", id(logical, n))
		r.open(n.Pos(), "((((")
		r.close(n.X.End(), on+")")
		r.open(n.Y.Pos(), "((")
		r.close(n.End(), on+")"+on+")")
	case base != nil && !r.inUntypedConstant(n) && r.isNumber(n):
		r.open(n.Pos(), fmt.Sprintf("%s%s(%d, ", arithmetic[n.Op], r.instance(n), id(base, n)))
		r.replace(n.OpPos, len(n.Op.String()), ",")
		r.close(n.End(), ")")
	}
}

func (r *rewriter) assignment(n *ast.AssignStmt, id func(*mutant, ast.Node) int) {
	invert, remove := r.find(n.TokPos, "INVERT_ASSIGNMENTS"), r.find(n.TokPos, "REMOVE_SELF_ASSIGNMENTS")
	if remove == nil || n.Tok != token.ADD_ASSIGN && n.Tok != token.SUB_ASSIGN {
		return
	}
	left := types.ExprString(n.Lhs[0])
	if n.Tok == token.SUB_ASSIGN {
		if invert != nil {
			r.replace(n.TokPos, 2, fmt.Sprintf("= mutantSubFrom(%d, %d, %s, ", id(remove, n), id(invert, n), left))
			r.close(n.End(), ")")
		}
		return
	}
	kept := fmt.Sprintf("mutantKept(%d, %s)", id(remove, n), left)
	if r.isNumber(n.Lhs[0]) && invert != nil {
		r.replace(n.TokPos, 2, fmt.Sprintf("= mutantAdd(%d, %s, ", id(invert, n), kept))
	} else {
		r.replace(n.TokPos, 2, "= "+kept+" + (")
	}
	r.close(n.End(), ")")
}

func (r *rewriter) branch(n *ast.BranchStmt, id func(*mutant, ast.Node) int) {
	m := r.find(n.TokPos, "INVERT_LOOPCTRL")
	if m == nil || !r.inLoop() {
		return
	}
	other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[n.Tok]
	if n.Label != nil {
		other += " " + n.Label.Name
	}
	r.open(n.Pos(), fmt.Sprintf("if mutantOn(%d) {\n%s\n}\n", id(m, n), other))
}

// inLoop reports whether continue may stand here.
func (r *rewriter) inLoop() bool {
	for _, n := range slices.Backward(r.stack) {
		switch n.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			return true
		case *ast.FuncLit, *ast.FuncDecl:
			return false
		}
	}
	return false
}

func (r *rewriter) constant(e ast.Expr) bool { return r.info.Types[e].Value != nil }

func (r *rewriter) isNumber(e ast.Expr) bool {
	basic, ok := r.info.TypeOf(e).Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsInteger|types.IsFloat) != 0
}

// inConstant reports whether the node is in a declaration of constants.
func (r *rewriter) inConstant() bool {
	return slices.ContainsFunc(r.stack, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		return ok && decl.Tok == token.CONST
	})
}

// inUntypedConstant reports whether the node is in a declaration of constants and has no type, so that a variable
// could not take its place.
func (r *rewriter) inUntypedConstant(e ast.Expr) bool {
	basic, ok := r.info.TypeOf(e).(*types.Basic)
	return r.inConstant() && ok && basic.Info()&types.IsUntyped != 0
}

// constants makes variables of constants with a mutant, in their block if they are in one.
func (r *rewriter) constants(n *ast.ValueSpec) {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		e, ok := n.(*ast.BinaryExpr)
		if ok && r.find(e.OpPos, "ARITHMETIC_BASE") != nil && !r.inUntypedConstant(e) && r.isNumber(e) {
			found = true
		}
		return true
	})
	if !found || !r.inConstant() {
		return
	}
	decl := r.stack[len(r.stack)-1].(*ast.GenDecl)
	if !decl.Lparen.IsValid() {
		r.replace(decl.TokPos, len("const"), "var")
		return
	}
	r.open(n.Pos(), ")\nvar ")
	r.close(n.End(), "\nconst (")
}

// instance returns the type argument for an expression of constants alone, from which none can be inferred.
func (r *rewriter) instance(e ast.Expr) string {
	if basic, ok := r.info.TypeOf(e).(*types.Basic); r.constant(e) && ok && basic.Info()&types.IsUntyped == 0 {
		return "[" + basic.Name() + "]"
	}
	return ""
}

func (r *rewriter) name(e ast.Expr) string {
	return types.TypeString(r.info.TypeOf(e), func(p *types.Package) string {
		if p == r.pkg {
			return ""
		}
		return p.Name()
	})
}

// function returns the name of the function around a node, with its receiver's type, or that of the declared value.
func (r *rewriter) function() string {
	for _, n := range r.stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv != nil {
				return strings.TrimPrefix(types.ExprString(n.Recv.List[0].Type), "*") + "." + n.Name.Name
			}
			return n.Name.Name
		case *ast.ValueSpec:
			return n.Names[0].Name
		}
	}
	return "-"
}
