package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakefileAndDockerfileUseTheSameBuildFlags reads the other files that build the programs.
func TestMakefileAndDockerfileUseTheSameBuildFlags(t *testing.T) {
	quoted := strings.ReplaceAll(strings.Join(buildFlags, " "), "-s -w", `"-s -w`)
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
