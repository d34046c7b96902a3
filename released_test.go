package minigroups_test

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"minigroups"
)

var freeze = flag.Bool("freeze", false, "record what the version in VERSION promises, in released")

// promised are the lists of a released version, by their file. Later versions may only add to them: to the names that
// others use, and to the files that databases were migrated with and runs were begun with.
var promised = map[string]func(t *testing.T) []string{
	"metrics":    func(t *testing.T) []string { return matches(t, "docs/signals.md", "`(minigroups_[a-z_]+)`") },
	"alerts":     func(t *testing.T) []string { return matches(t, "deploy/prometheus/alerts.yml", `- alert: (\w+)`) },
	"routes":     routes,
	"settings":   settings,
	"migrations": func(t *testing.T) []string { return sums(t, "storage/migrations/*.sql") },
	"histories":  func(t *testing.T) []string { return sums(t, "released/*/histories/*.json") },
}

// TestReleasedVersionsAreKept compares the promises of released versions with what is there. Histories are replayed by
// a test of package workflows.
func TestReleasedVersionsAreKept(t *testing.T) {
	if *freeze {
		freezeVersion(t, filepath.Join("released", minigroups.Version()))
	}
	for name, list := range promised {
		now := list(t)
		if len(now) == 0 && name != "histories" {
			t.Errorf("there are no %s", name)
		}
		for _, file := range glob(t, "released/*/"+name+".txt") {
			for line := range strings.Lines(read(t, file)) {
				if !slices.Contains(now, strings.TrimSuffix(line, "\n")) {
					t.Errorf("%s has %s, which was changed or removed since", file, line)
				}
			}
		}
	}
}

// freezeVersion records the promises of a version in a folder, with the recorded histories.
func freezeVersion(t *testing.T, folder string) {
	t.Helper()
	if !regexp.MustCompile(`^released/\d+\.\d+\.\d+$`).MatchString(folder) {
		t.Fatalf("VERSION is %s, which is no version to release", minigroups.Version())
	}
	histories := filepath.Join(folder, "histories")
	if err := os.MkdirAll(filepath.Dir(histories), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(histories, os.DirFS("workflows/testdata/histories")); err != nil { // fails if a file exists
		t.Fatal(err)
	}
	for name, list := range promised {
		text := strings.Join(list(t), "\n") + "\n"
		if err := os.WriteFile(filepath.Join(folder, name+".txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// routes lists the methods and paths of the API.
func routes(t *testing.T) (list []string) {
	t.Helper()
	var document struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal([]byte(read(t, "httpapi/openapi.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method := range methods {
			if method != "parameters" {
				list = append(list, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(list)
	return list
}

// settings lists the keys of the configuration.
func settings(t *testing.T) (list []string) {
	t.Helper()
	type object struct {
		Properties map[string]json.RawMessage
	}
	var add func(prefix string, schema []byte)
	add = func(prefix string, schema []byte) {
		var o object
		if err := json.Unmarshal(schema, &o); err != nil {
			t.Fatal(err)
		}
		for _, key := range slices.Sorted(maps.Keys(o.Properties)) {
			list = append(list, prefix+key)
			add(prefix+key+".", o.Properties[key])
		}
	}
	add("", []byte(read(t, "docs/configuration.schema.json")))
	return list
}

// matches lists what the first group of the expression matches in a file, each once.
func matches(t *testing.T, file, expression string) (list []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(expression).FindAllStringSubmatch(read(t, file), -1) {
		list = append(list, match[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sums lists files with the SHA-256 of each.
func sums(t *testing.T, pattern string) (list []string) {
	t.Helper()
	for _, file := range glob(t, pattern) {
		list = append(list, fmt.Sprintf("%x  %s", sha256.Sum256([]byte(read(t, file))), file))
	}
	return list
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
