// Command deploy checks the folder deploy, which is its argument. It reads the files with the libraries of Docker,
// Compose, Helm and Kubernetes, and prints every reference and field that is wrong. It needs none of these installed.
// With -render VALUES it prints the objects of the chart instead, as "helm template" does. With -schema it copies the
// schema of the settings into that of the chart's values.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mistakes holds one line per mistake.
type mistakes []string

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Sprintf(format, args...)) }

func main() {
	values := flag.String("render", "", "print the objects of the chart with this file of values")
	schema := flag.Bool("schema", false, "copy the schema of the settings into that of the chart")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: deploy [-render VALUES] [-schema] FOLDER")
		os.Exit(2)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // Helm notes the symbolic links of the chart
	dir, err := filepath.Abs(flag.Arg(0))
	switch {
	case err != nil:
	case *values != "":
		err = printChart(dir, *values)
	case *schema:
		err = writeSchema(dir)
	default:
		err = check(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// check returns an error with all that is wrong.
func check(dir string) error {
	var wrong mistakes
	for name, check := range map[string]func(dir string, wrong *mistakes) error{
		"Dockerfile": checkImage, "compose.yaml": checkCompose, "helm": checkChart, "values.schema.json": checkSchema,
	} {
		if err := check(dir, &wrong); err != nil {
			wrong.add("%s: %v", name, err)
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}

// namesRegistry reports whether the name of an image contains a registry. Each installation chooses its own.
func namesRegistry(image string) bool {
	first, _, deeper := strings.Cut(image, "/")
	return deeper && strings.ContainsAny(first, ".:")
}
