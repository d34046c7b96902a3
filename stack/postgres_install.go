package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoPostgres is the error of FindPostgres and StartPostgres if no PostgreSQL server is installed.
var ErrNoPostgres = errors.New("no PostgreSQL server is installed (looked for initdb and postgres in PATH, " +
	"/usr/lib/postgresql, Homebrew's directories and Postgres.app)")

// FindPostgres returns the directories that hold both initdb and postgres: that in PATH first, then those where
// packages install them, the newest version first. It returns ErrNoPostgres if there is none.
func FindPostgres() ([]string, error) {
	var found []string
	add := func(dir string) {
		if dir = serverDir(dir); dir != "" && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
	}
	if initdb, err := exec.LookPath("initdb"); err == nil {
		add(filepath.Dir(initdb))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(dirs, func(a, b string) int { return versionIn(b) - versionIn(a) })
		for _, dir := range dirs {
			add(dir)
		}
	}
	if len(found) == 0 {
		return nil, ErrNoPostgres
	}
	return found, nil
}

// serverDir returns the directory of the initdb and postgres to which those in dir link, or "" if one is missing or
// they belong to different installations, as wrapper scripts may.
func serverDir(dir string) string {
	var dirs []string
	for _, name := range []string{"initdb", "postgres"} {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	if dirs[0] != dirs[1] {
		return ""
	}
	return dirs[0]
}

// versionIn returns the first number in a path such as /usr/lib/postgresql/15/bin, 0 if there is none.
func versionIn(path string) int {
	digits := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	version, err := strconv.Atoi(digits[0])
	if err != nil {
		return 0
	}
	return version
}

// installationFor returns the directory of the programs for a cluster: those of its version if it exists, else the
// first that FindPostgres returns.
func installationFor(ctx context.Context, data string) (string, error) {
	installed, err := FindPostgres()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return installed[0], nil
	}
	if err != nil {
		return "", err
	}
	wanted := strings.TrimSpace(string(text))
	for _, bin := range installed {
		out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
		if err != nil {
			return "", fmt.Errorf("read the version of %s: %w", filepath.Join(bin, "postgres"), err)
		}
		isWanted := func(word string) bool { return strings.HasPrefix(word, wanted+".") }
		if slices.ContainsFunc(strings.Fields(string(out)), isWanted) {
			return bin, nil
		}
	}
	return "", fmt.Errorf("the data in %s is of PostgreSQL %s, but only %s is installed: "+
		"install version %s, or remove the data", data, wanted, strings.Join(installed, ", "), wanted)
}
