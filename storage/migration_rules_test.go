package storage_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"minigroups/storage"
)

// statementRule forbids statements on tables that are in use. A statement on a table that the same file creates is
// exempt.
type statementRule struct {
	forbids *regexp.Regexp
	unless  *regexp.Regexp // nil: no exception
	why     string
}

// statementRules are applied to statements without comments and function bodies, in upper case and on one line.
var statementRules = []statementRule{
	{
		forbids: regexp.MustCompile(`^(CREATE (UNIQUE )?INDEX|DROP INDEX|REINDEX)\b`),
		unless:  regexp.MustCompile(`\bCONCURRENTLY\b`),
		why:     "stops writes while it builds or waits: use CONCURRENTLY",
	},
	{
		forbids: regexp.MustCompile(`\bADD (CONSTRAINT \S+ )?(CHECK|FOREIGN KEY)\b`),
		unless:  regexp.MustCompile(`\bNOT VALID$`),
		why:     "reads the whole table under its lock: add it NOT VALID, and validate it in a file of its own",
	},
	{
		forbids: regexp.MustCompile(`\bADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b`),
		unless:  regexp.MustCompile(`\bUSING INDEX\b`),
		why:     "builds an index under the lock of the table: create the index concurrently and use it",
	},
	{
		forbids: regexp.MustCompile(`\bADD COLUMN\b.*\b(CHECK|REFERENCES|UNIQUE|PRIMARY KEY|STORED|\w*SERIAL|IDENTITY)\b`),
		why:     "reads or rewrites the whole table under its lock: add the column alone",
	},
	{
		forbids: regexp.MustCompile(`\bADD COLUMN\b.*\bDEFAULT\b.*\(`),
		unless:  regexp.MustCompile(`\bDEFAULT NOW\(\)`), // evaluated once
		why:     "a default that is evaluated for each row rewrites the table under its lock",
	},
	{
		forbids: regexp.MustCompile(`\bALTER (COLUMN )?\S+ ((SET DATA )?TYPE|SET NOT NULL)\b`),
		why:     "rewrites or reads the whole table under its lock: add a column, or a CHECK that is NOT VALID",
	},
	{
		forbids: regexp.MustCompile(`^(CLUSTER|LOCK|REFRESH|TRUNCATE|VACUUM)\b`),
		why:     "locks a whole table for long",
	},
}

var (
	noTransaction  = regexp.MustCompile(`(?m)^-- \+goose NO TRANSACTION`)
	upSection      = regexp.MustCompile(`(?s)-- \+goose Up\n(.*?)(?:-- \+goose Down|$)`)
	comments       = regexp.MustCompile(`(?m)--.*$`)
	bodies         = regexp.MustCompile(`(?s)\$(\w*)\$.*?\$\w*\$|'(?:[^']|'')*'`)
	newTable       = regexp.MustCompile(`^CREATE TABLE (?:IF NOT EXISTS )?([^\s(]+)`)
	theTable       = regexp.MustCompile(`^(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?|CREATE .*?\bON (?:ONLY )?)([^\s(]+)`)
	newIndex       = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\S+) ON `)
	changesData    = regexp.MustCompile(`^(INSERT|UPDATE|DELETE|MERGE|COPY|WITH|SELECT|DO|CALL)\b`)
	changesSchema  = regexp.MustCompile(`^(CREATE|ALTER|DROP)\b`)
	ofASession     = regexp.MustCompile(`^(SET LOCK_TIMEOUT = 0|RESET LOCK_TIMEOUT)$`)
	validatesTable = regexp.MustCompile(`\bVALIDATE CONSTRAINT\b`)
)

// sqlOf returns the statements that apply a migration, in the form that the rules expect.
func sqlOf(migration string) (statements []string) {
	section := upSection.FindStringSubmatch(migration)
	if section == nil {
		return nil
	}
	text := bodies.ReplaceAllString(comments.ReplaceAllString(section[1], ""), "''")
	for _, statement := range strings.Split(text, ";") {
		if statement = strings.ToUpper(strings.Join(strings.Fields(statement), " ")); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// brokenRules returns what is wrong with a migration.
func brokenRules(migration string) (wrong []string) {
	statements := sqlOf(migration)
	if len(statements) == 0 {
		return []string{"it has no statements"}
	}
	var created []string
	for _, s := range statements {
		if table := newTable.FindStringSubmatch(s); table != nil {
			created = append(created, table[1])
		}
	}
	for _, s := range statements {
		if table := theTable.FindStringSubmatch(s); table != nil && slices.Contains(created, table[1]) {
			continue
		}
		for _, r := range statementRules {
			if r.forbids.MatchString(s) && (r.unless == nil || !r.unless.MatchString(s)) {
				wrong = append(wrong, s+": "+r.why)
			}
		}
	}
	all := func(pattern *regexp.Regexp) bool {
		return !slices.ContainsFunc(statements, func(s string) bool { return !pattern.MatchString(s) })
	}
	some := func(pattern *regexp.Regexp) bool { return slices.ContainsFunc(statements, pattern.MatchString) }
	if some(changesData) && some(changesSchema) {
		wrong = append(wrong, "it changes the schema and data: the lock of the table would last as long as the data")
	}
	if some(validatesTable) && !all(validatesTable) {
		wrong = append(wrong, "it validates a constraint and does more: the other locks would last as long")
	}
	return append(wrong, brokenIndexRules(migration, statements)...)
}

// brokenIndexRules returns what is wrong with a migration that does not run in a transaction. It may be interrupted
// half-way and is repeated then, and an index that was not finished stays, invalid. Its locks stop neither reads nor
// writes, and to wait for a long reader is part of the work, so it has no lock timeout.
func brokenIndexRules(migration string, statements []string) (wrong []string) {
	outside := noTransaction.MatchString(migration)
	indexes := slices.ContainsFunc(statements, func(s string) bool { return strings.Contains(s, " CONCURRENTLY ") })
	if outside != indexes {
		return []string{"a file has NO TRANSACTION if, and only if, it creates or drops indexes concurrently"}
	}
	if !indexes {
		return nil
	}
	for i, s := range statements {
		if !strings.Contains(s, " CONCURRENTLY ") && !ofASession.MatchString(s) {
			wrong = append(wrong, s+": a file with indexes has nothing else")
		}
		index := newIndex.FindStringSubmatch(s)
		if index != nil && (i == 0 || statements[i-1] != "DROP INDEX CONCURRENTLY IF EXISTS "+index[1]) {
			wrong = append(wrong, s+": without DROP INDEX CONCURRENTLY IF EXISTS before it, it cannot be repeated")
		}
	}
	if statements[0] != "SET LOCK_TIMEOUT = 0" || statements[len(statements)-1] != "RESET LOCK_TIMEOUT" {
		wrong = append(wrong, "it does not begin with SET lock_timeout = 0 and end with RESET lock_timeout")
	}
	return wrong
}

// indexConcurrently creates an index as the rules ask for.
const indexConcurrently = `SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS test_index;
CREATE INDEX CONCURRENTLY test_index ON minigroup (host);
RESET lock_timeout;
`

func TestMigrationsKeepTheRules(t *testing.T) {
	files, err := fs.Glob(storage.MigrationFiles, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %q, %v", files, err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(storage.MigrationFiles, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range brokenRules(string(text)) {
			t.Errorf("%s: %s", file, wrong)
		}
	}
}

func TestTheRulesForMigrations(t *testing.T) {
	without := func(statement string) string { return strings.Replace(indexConcurrently, statement, "", 1) }
	for name, c := range map[string]struct {
		sql     string
		outside bool // of a transaction
		broken  bool
	}{
		"a column": {sql: `ALTER TABLE minigroup ADD COLUMN c text NOT NULL DEFAULT 'a;b (c)';`},
		"a default of each row": {
			sql: `ALTER TABLE minigroup ADD COLUMN c uuid DEFAULT gen_random_uuid();`, broken: true,
		},
		"a column with a check":          {sql: `ALTER TABLE minigroup ADD COLUMN c int CHECK (c > 0);`, broken: true},
		"a constraint":                   {sql: `ALTER TABLE minigroup ADD CONSTRAINT c CHECK (host <> '');`, broken: true},
		"a constraint that is not valid": {sql: `ALTER TABLE minigroup ADD CONSTRAINT c CHECK (host <> '') NOT VALID;`},
		"a constraint that is validated": {sql: `ALTER TABLE minigroup VALIDATE CONSTRAINT c;`},
		"both at once": {
			sql: `ALTER TABLE minigroup ADD CONSTRAINT c CHECK (host <> '') NOT VALID;
				ALTER TABLE minigroup VALIDATE CONSTRAINT c;`, broken: true,
		},
		"a type":            {sql: `ALTER TABLE minigroup ALTER COLUMN host TYPE varchar(9);`, broken: true},
		"not null":          {sql: `ALTER TABLE minigroup ALTER host SET NOT NULL;`, broken: true},
		"a key":             {sql: `ALTER TABLE minigroup ADD UNIQUE (host);`, broken: true},
		"an index":          {sql: `CREATE INDEX i ON minigroup (host);`, broken: true},
		"a unique index":    {sql: "CREATE UNIQUE INDEX i\n ON minigroup (host);", broken: true},
		"a dropped index":   {sql: `DROP INDEX i;`, broken: true},
		"a lock":            {sql: `LOCK TABLE minigroup;`, broken: true},
		"a new table":       {sql: `CREATE TABLE t (i int PRIMARY KEY CHECK (i > 0)); CREATE INDEX ON t (i);`},
		"only data":         {sql: `UPDATE minigroup SET host = 'CREATE INDEX';`},
		"a function":        {sql: "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; UPDATE minigroup SET host = ''; END $$;"},
		"schema and data":   {sql: `ALTER TABLE minigroup ADD COLUMN c int; UPDATE minigroup SET c = 1;`, broken: true},
		"a table and data":  {sql: `CREATE TABLE t (i int); INSERT INTO t SELECT 1 FROM minigroup;`, broken: true},
		"an index apart":    {sql: indexConcurrently, outside: true},
		"in a transaction":  {sql: indexConcurrently, broken: true},
		"not repeatable":    {sql: without("DROP INDEX CONCURRENTLY IF EXISTS test_index;"), outside: true, broken: true},
		"with lock_timeout": {sql: without("SET lock_timeout = 0;"), outside: true, broken: true},
		"an index and more": {sql: indexConcurrently + addColumn, outside: true, broken: true},
		"other, outside":    {sql: addColumn, outside: true, broken: true},
		"nothing":           {sql: "", broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			migration := "-- +goose Up\n-- a comment: CREATE INDEX i ON minigroup (host);\n" + c.sql +
				"-- +goose Down\nDROP TABLE minigroup;\n"
			if c.outside {
				migration = "-- +goose NO TRANSACTION\n" + migration
			}
			if wrong := brokenRules(migration); (len(wrong) > 0) != c.broken {
				t.Errorf("got %q", wrong)
			}
		})
	}
}
