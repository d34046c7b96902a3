// Command minigroups is all programs of the service in one file, which the image holds instead of four with the same
// code. It is the program by whose name it is called, such as through a link, or the one that its first argument names:
//
//	minigroups worker -version
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minigroups/cmd/internal/api"
	"minigroups/cmd/internal/migrate"
	"minigroups/cmd/internal/ops"
	"minigroups/cmd/internal/worker"
)

var programs = map[string]func(args []string) int{
	"api": api.Main, "worker": worker.Main, "migrate": migrate.Main, "ops": ops.Main,
}

func main() { os.Exit(run(os.Args, os.Stderr)) }

// run runs the program that args name and returns its exit code: 2 if they name none.
func run(args []string, stderr io.Writer) int {
	for i, arg := range args[:min(2, len(args))] {
		if program, ok := programs[filepath.Base(arg)]; ok {
			return program(args[i+1:])
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(programs)), "|")
	fmt.Fprintf(stderr, "usage: minigroups %s [arguments]\n", names)
	return 2
}
