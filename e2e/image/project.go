package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// project is deploy/compose.yaml on the engine.
type project struct {
	root, cache string
	// token is for the APIs.
	token string
	// services are all services for whose images there are stand-ins.
	services []string
	// made are the secrets that did not exist before.
	made []string
	load runningLoad
}

// revision is the commit that the image of the test is said to be built from.
const revision = "0123456789012345678901234567890123456789"

// prepare creates the folders, and the configuration by which the docker command finds Compose.
func (p *project) prepare() error {
	plugins := filepath.Join(p.cache, "config", "cli-plugins")
	if err := os.MkdirAll(plugins, 0o755); err != nil {
		return err
	}
	plugin := filepath.Join(plugins, "docker-compose")
	if err := os.Remove(plugin); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, secret := range []string{".env", "secrets"} {
		if _, err := os.Stat(p.path("deploy", secret)); errors.Is(err, fs.ErrNotExist) {
			p.made = append(p.made, p.path("deploy", secret))
		}
	}
	return os.Symlink(p.path(".tools", "docker-compose"), plugin)
}

func (p *project) path(parts ...string) string {
	return filepath.Join(append([]string{p.root}, parts...)...)
}

// command runs a command in the root of the source and returns its output. The error has the end of what it wrote to
// standard error.
func (p *project) command(ctx context.Context, name string, args ...string) (string, error) {
	return p.commandWith(ctx, nil, name, args...)
}

func (p *project) commandWith(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.root
	cmd.Env = append(cmd.Environ(), "DOCKER_CONFIG="+filepath.Join(p.cache, "config"), "DOCKER_BUILDKIT=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 5 * time.Second // for processes that it has started and that outlive it
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(errOut.String(), 15))
	}
	return out.String(), nil
}

// compose runs a command of Compose as deploy/README.md has it.
func (p *project) compose(ctx context.Context, args ...string) (string, error) {
	return p.composeWith(ctx, nil, args...)
}

func (p *project) composeWith(ctx context.Context, env []string, args ...string) (string, error) {
	args = append([]string{"compose", "-f", "deploy/compose.yaml", "--profile", "stand-ins"}, args...)
	return p.commandWith(ctx, env, "docker", args...)
}

// up starts all services for whose images there are stand-ins.
func (p *project) up(ctx context.Context, args ...string) error {
	_, err := p.composeWith(ctx, []string{"REVISION=" + revision},
		append(append([]string{"up", "-d"}, args...), p.services...)...)
	return err
}

// container returns the id of the only container of a service.
func (p *project) container(ctx context.Context, service string) (string, error) {
	out, err := p.compose(ctx, "ps", "-a", "-q", service)
	return strings.TrimSpace(out), err
}

// inspect returns what a template makes of the containers, or other objects, one line each.
func (p *project) inspect(ctx context.Context, template string, ids ...string) ([]string, error) {
	out, err := p.command(ctx, "docker", append([]string{"inspect", "-f", template}, ids...)...)
	return lines(out), err
}

// remove removes all containers, networks and volumes of the project, and the secrets that did not exist before.
func (p *project) remove(ctx context.Context) error {
	if _, err := os.Stat(p.path("deploy", ".env")); err == nil {
		p.saveLogs(ctx, "end")
		if _, err := p.compose(ctx, "down", "-v", "--remove-orphans", "-t", "1"); err != nil {
			return err
		}
	}
	_, err := p.command(ctx, "docker", "image", "prune", "-f")
	for _, path := range p.made {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// saveLogs writes the logs of all containers, if there are any, to a file in the cache, before they are removed.
func (p *project) saveLogs(ctx context.Context, when string) {
	states, _ := p.compose(ctx, "ps", "-a")
	logs, _ := p.compose(ctx, "logs", "--no-color", "--timestamps")
	if logs != "" {
		_ = os.WriteFile(filepath.Join(p.cache, "before-"+when+".log"), []byte(states+logs), 0o600)
	}
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

func tail(text string, n int) string {
	all := lines(text)
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
