package storage_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// statements records the statements that a Store issues, each with its first arguments.
type statements struct {
	mu     sync.Mutex
	issued map[string][]any
}

// controlsTransaction matches what is no statement that has a plan.
var controlsTransaction = regexp.MustCompile(`^(begin|commit|rollback|savepoint|release savepoint)\b|^-- ping`)

func (st *statements) add(sql string, args []any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, known := st.issued[sql]; !known && !controlsTransaction.MatchString(sql) {
		st.issued[sql] = args
	}
}

func (st *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	st.add(q.SQL, q.Args)
	return ctx
}

func (st *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, b pgx.TraceBatchStartData) context.Context {
	for _, q := range b.Batch.QueuedQueries {
		st.add(q.SQL, q.Arguments)
	}
	return ctx
}

func (st *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (st *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (st *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

var (
	// sqlWords distinguish SQL from other texts.
	sqlWords = regexp.MustCompile(`\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|WITH|JOIN|EXISTS|ORDER BY|LIMIT)\b|\$\d`)
	verbs    = regexp.MustCompile(`%(\[\d\])?[dsv]`)
	spaces   = regexp.MustCompile(`\s+`)
)

// missing lists the pieces of SQL in the sources of the package that no issued statement contains. Statements are
// assembled from pieces, so a new one is noticed by the pieces that it does not share.
func (st *statements) missing(t *testing.T) (missing []string) {
	t.Helper()
	all := spaces.ReplaceAllString(strings.Join(slices.Collect(maps.Keys(st.issued)), "\n"), " ")
	pieces := sqlPieces(t)
	for _, piece := range pieces {
		for _, part := range verbs.Split(spaces.ReplaceAllString(piece.text, " "), -1) {
			if !strings.Contains(all, part) {
				missing = append(missing, piece.file+": "+piece.text)
				break
			}
		}
	}
	if len(pieces) < 100 {
		t.Errorf("only %d pieces of SQL were found in the sources", len(pieces))
	}
	return missing
}

// sqlPiece is a string literal that contains SQL.
type sqlPiece struct{ file, text string }

func sqlPieces(t *testing.T) (pieces []sqlPiece) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "migrate.go" { // migrations do not use a Store
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if sqlWords.MatchString(text) {
				pieces = append(pieces, sqlPiece{file, text})
			}
			return true
		})
	}
	return pieces
}
