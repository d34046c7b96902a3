// Command deploy reads what is in the folder deploy as Docker, Compose, kustomize and Kubernetes would, without any of them, and
// says what does not fit together. Its argument is that folder.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mistakes are what is wrong, a line each.
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

// namesRegistry reports whether the name of an image says where it is to be had, which is for each installation to say.
func namesRegistry(image string) bool {
	first, _, deeper := strings.Cut(image, "/")
	return deeper && strings.ContainsAny(first, ".:")
}
