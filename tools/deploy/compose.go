package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

var (
	passwords = regexp.MustCompile(`for name in (.+); do`)
	keys      = regexp.MustCompile(`(?:-out |>)(secrets/\S+)`)
)

// checkCompose loads compose.yaml with the secrets that secrets.sh creates, and checks that the files it names exist.
func checkCompose(dir string, wrong *mistakes) error {
	script, err := os.ReadFile(filepath.Join(dir, "compose", "secrets.sh"))
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, match := range keys.FindAllSubmatch(script, -1) {
		made[filepath.Join(dir, string(match[1]))] = true
	}
	names := passwords.FindSubmatch(script)
	if names == nil {
		return fmt.Errorf("compose/secrets.sh creates no passwords")
	}
	var environment []string
	for _, name := range strings.Fields(string(names[1])) {
		environment = append(environment, name+"=made")
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")},
		cli.WithWorkingDirectory(dir), cli.WithProfiles([]string{"*"}), cli.WithEnv(environment))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	exists := func(what, path string) {
		if _, err := os.Stat(path); err != nil && !made[path] {
			wrong.add("compose.yaml: %s: %v", what, err)
		}
	}
	for name, secret := range project.Secrets {
		exists("secret "+name, secret.File)
	}
	for name, config := range project.Configs {
		exists("config "+name, config.File)
	}
	images, err := stages(dir)
	if err != nil {
		return err
	}
	for name, service := range project.Services {
		checkService(name, service, images, exists, wrong)
	}
	return nil
}

func checkService(
	name string, service types.ServiceConfig, images []instructions.Stage,
	exists func(what, path string), wrong *mistakes,
) {
	if namesRegistry(service.Image) {
		wrong.add("compose.yaml: %s: %s names a registry", name, service.Image)
	}
	for _, volume := range service.Volumes {
		if volume.Type == types.VolumeTypeBind {
			exists(name, volume.Source)
		}
	}
	for _, port := range service.Ports {
		if port.HostIP != "127.0.0.1" {
			wrong.add("compose.yaml: %s: port %s is open to other machines", name, port.Published)
		}
	}
	if service.Build != nil {
		exists(name, filepath.Join(service.Build.Context, service.Build.Dockerfile))
		target := service.Build.Target
		isTarget := func(s instructions.Stage) bool { return s.Name == target }
		if target != "" && !slices.ContainsFunc(images, isTarget) {
			wrong.add("compose.yaml: %s: the Dockerfile has no stage %s", name, target)
		}
	}
}
