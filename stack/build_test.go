package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramsAreBuiltAlikeEverywhere reads what builds them besides this package.
func TestProgramsAreBuiltAlikeEverywhere(t *testing.T) {
	quoted := strings.ReplaceAll(strings.Join(ourFlags, " "), "-s -w", `"-s -w`)
	for _, file := range []string{"Makefile", "deploy/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"go build " + quoted, "CGO_ENABLED=0"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not have %s", file, want)
			}
		}
	}
}
