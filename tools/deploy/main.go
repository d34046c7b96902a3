// Command deploy checks the folder deploy, which is its argument. It reads the files with the libraries of Docker,
// Compose, kustomize and Kubernetes, and prints every reference and field that is wrong. It needs none of these
// installed.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mistakes holds one line per mistake.
type mistakes []string

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Sprintf(format, args...)) }

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deploy FOLDER")
		os.Exit(2)
	}
	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wrong mistakes
	for name, check := range map[string]func(dir string, wrong *mistakes) error{
		"Dockerfile": checkImage, "compose.yaml": checkCompose, "kubernetes": checkKubernetes,
	} {
		if err := check(dir, &wrong); err != nil {
			wrong.add("%s: %v", name, err)
		}
	}
	slices.Sort(wrong)
	for _, line := range wrong {
		fmt.Fprintln(os.Stderr, line)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

// namesRegistry reports whether the name of an image contains a registry. Each installation chooses its own.
func namesRegistry(image string) bool {
	first, _, deeper := strings.Cut(image, "/")
	return deeper && strings.ContainsAny(first, ".:")
}
