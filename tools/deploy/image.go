package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stages returns the stages of the Dockerfile.
func stages(dir string) ([]instructions.Stage, error) {
	file, err := os.Open(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tree, err := parser.Parse(file)
	if err != nil {
		return nil, err
	}
	stages, _, err := instructions.Parse(tree.AST, nil)
	return stages, err
}

// checkImage requires that the image is made from scratch and runs as a numeric user other than root.
func checkImage(dir string, wrong *mistakes) error {
	stages, err := stages(dir)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for i, stage := range stages {
		if namesRegistry(stage.BaseName) {
			wrong.add("Dockerfile: %s names a registry", stage.BaseName)
		}
		user := ""
		for _, command := range stage.Commands {
			switch command := command.(type) {
			case *instructions.CopyCommand:
				if command.From != "" && !known[command.From] {
					wrong.add("Dockerfile: no stage %s to copy from", command.From)
				}
			case *instructions.UserCommand:
				user, _, _ = strings.Cut(command.User, ":")
			}
		}
		if n, err := strconv.Atoi(user); stage.BaseName == "scratch" && (err != nil || n == 0) {
			wrong.add("Dockerfile: stage %d runs as %q, not as a number other than 0", i, user)
		}
		if i == len(stages)-1 && stage.BaseName != "scratch" {
			wrong.add("Dockerfile: the image is made from %s, not from scratch", stage.BaseName)
		}
		known[stage.Name], known[strconv.Itoa(i)] = true, true
	}
	return nil
}
