package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minigroups"
	"minigroups/e2e/harness"
)

// step is a part of the test. It returns what was seen.
type step struct {
	name string
	do   func(context.Context) (seen string, err error)
	// ends: if the step fails, no other can pass.
	ends bool
}

func (p *project) steps() []step {
	steps := []step{
		{name: "remove what a killed run left", do: p.clean, ends: true},
		{name: "build stand-ins for base images", do: p.buildStandIns, ends: true},
		{name: "build without REVISION", do: p.buildUnnamed},
		{name: "build", do: p.build, ends: true},
		{name: "the programs name the build", do: p.checkVersions},
		{name: "up, cold", do: p.upCold, ends: true},
		{name: "containers are as declared", do: p.checkContainers},
		{name: "all answer", do: p.awaitAll, ends: true},
		{name: "create, read, update, recreate", do: p.session},
		{name: "begin a load through both APIs", do: p.beginLoad, ends: true},
	}
	for _, service := range []string{"worker-1", "api", "postgres", "temporal", "mosquitto"} {
		steps = append(steps, step{name: "kill " + service, do: func(ctx context.Context) (string, error) {
			return p.kill(ctx, service)
		}})
	}
	return append(steps, []step{
		{name: "end the load, count", do: p.endLoad},
		{name: "Prometheus: targets", do: p.checkTargets},
		{name: "Prometheus: alerts", do: p.checkAlerts},
		{name: "down, up", do: p.restart},
		{name: "an older class", do: p.checkOlder},
		{name: "down -v", do: p.down},
	}...)
}

func (p *project) clean(ctx context.Context) (string, error) {
	if _, err := p.command(ctx, "deploy/compose/secrets.sh"); err != nil {
		return "", err
	}
	if _, err := p.compose(ctx, "down", "-v", "--remove-orphans", "-t", "1"); err != nil {
		return "", err
	}
	token, err := p.command(ctx, "deploy/compose/token.sh")
	p.token = strings.TrimSpace(token)
	return "", err
}

func (p *project) buildStandIns(ctx context.Context) (string, error) {
	contexts := filepath.Join(p.cache, "contexts") // of tools/images/rootfs, which needs a network
	_, err := p.commandWith(ctx, []string{"CONTEXTS=" + contexts},
		"docker", "compose", "-f", "tools/images/compose.yaml", "build", "-q")
	if err != nil {
		return "", err
	}
	services, err := p.compose(ctx, "config", "--services")
	p.services = slices.DeleteFunc(lines(services), func(s string) bool { return s == "grafana" })
	return "there is none for Grafana", err
}

// buildUnnamed sees that an image without a commit is not built, because it would replace one that has.
func (p *project) buildUnnamed(ctx context.Context) (string, error) {
	_, err := p.composeWith(ctx, []string{"REVISION="}, "build")
	if err == nil || !strings.Contains(err.Error(), "name the commit") {
		return "", fmt.Errorf("it does not fail with a message that asks for REVISION: %w", err)
	}
	return "refused", nil
}

func (p *project) build(ctx context.Context) (string, error) {
	if _, err := p.composeWith(ctx, []string{"REVISION=" + revision}, "build"); err != nil {
		return "", err
	}
	var seen []string
	for _, image := range []string{"minigroups", "minigroups-sandbox"} {
		size, err := p.command(ctx, "docker", "images", "--format", "{{.Size}}", image)
		if err != nil {
			return "", err
		}
		seen = append(seen, image+" "+strings.TrimSpace(size))
	}
	return strings.Join(seen, ", "), nil
}

// checkVersions sees that the version and the commit are in the programs, and the commit in a label of the image.
func (p *project) checkVersions(ctx context.Context) (string, error) {
	for _, program := range []string{"api", "worker", "migrate", "ops"} {
		out, err := p.command(ctx, "docker", "run", "--rm", "--network", "none", "minigroups", program, "-version")
		if err != nil {
			return "", err
		}
		if !strings.Contains(out, minigroups.Version()) || !strings.Contains(out, revision) {
			return "", fmt.Errorf("%s -version prints %q, without version or revision", program, out)
		}
	}
	const template = `{{index .Config.Labels "org.opencontainers.image.revision"}}`
	labels, err := p.inspect(ctx, template, "minigroups")
	if err == nil && labels[0] != revision {
		err = fmt.Errorf("its labels are %q", labels)
	}
	return "version and revision in -version, revision in a label", err
}

// upLimit bounds a start.
const upLimit = 2 * time.Minute

func (p *project) upCold(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	if err := p.up(ctx, "--build"); err != nil {
		return "", err
	}
	return p.restarts(ctx)
}

// restarts fails if a container had to be started again.
func (p *project) restarts(ctx context.Context) (string, error) {
	ids, err := p.compose(ctx, "ps", "-a", "-q")
	if err != nil {
		return "", err
	}
	containers := lines(ids)
	all, err := p.inspect(ctx, "{{.RestartCount}} {{.Name}}", containers...)
	if err != nil {
		return "", err
	}
	again := slices.DeleteFunc(all, func(s string) bool { return strings.HasPrefix(s, "0 ") })
	if len(again) > 0 {
		return "", fmt.Errorf("restarted (number, name): %s", strings.Join(again, ", "))
	}
	return fmt.Sprintf("%d containers, none restarted", len(containers)), nil
}

// checkContainers sees that our programs have no rights, and that no container logs without bounds.
func (p *project) checkContainers(ctx context.Context) (string, error) {
	ids, err := p.compose(ctx, "ps", "-a", "-q")
	if err != nil {
		return "", err
	}
	all, err := p.inspect(ctx, `{{index .Config.Labels "com.docker.compose.service"}} {{.Config.User}} `+
		`{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{index .HostConfig.LogConfig.Config "max-size"}}`,
		lines(ids)...)
	if err != nil {
		return "", err
	}
	var wrong error
	hardened := 0
	for _, line := range all {
		service, rest, _ := strings.Cut(line, " ")
		if slices.Contains([]string{"api", "worker-1", "worker-2", "migrate", "sandbox"}, service) {
			hardened++
			if rest != "65532:65532 true [ALL] 20m" {
				wrong = errors.Join(wrong, fmt.Errorf("%s: %s", service, rest))
			}
		}
		if !strings.HasSuffix(rest, " 20m") {
			wrong = errors.Join(wrong, fmt.Errorf("%s logs without bounds", service))
		}
	}
	return fmt.Sprintf("%d read-only without capabilities or root", hardened), wrong
}

// pages are what a person opens, and what says that a part works.
var pages = []string{
	apis[0] + "/readyz", apis[1] + "/readyz", "http://127.0.0.1:8233/api/v1/namespaces",
	prometheus + "/-/ready", event + "/healthz", conference + "/healthz",
}

func (p *project) awaitAll(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, url := range pages {
		err := await(ctx, func() error {
			_, err := get(ctx, url)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return "both APIs, Temporal's UI, Prometheus, the stand-ins", nil
}

// await calls try until it returns nil. It returns the last error when ctx ends.
func await(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return err
		}
		harness.Pause(ctx, 250*time.Millisecond)
	}
}

// noKeepAlive is for servers that are killed.
var noKeepAlive = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
