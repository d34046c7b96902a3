package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kill kills the process of a service's first container while the load goes on, and waits until the container runs
// again, is healthy, and ten more creates are accepted. `docker kill` would be taken for a wish to stop it.
func (p *project) kill(ctx context.Context, service string) (string, error) {
	ids, err := p.compose(ctx, "ps", "-q", service)
	if err != nil {
		return "", err
	}
	id := lines(ids)[0]
	before, err := p.state(ctx, id)
	if err != nil {
		return "", err
	}
	begun := time.Now()
	if err := syscall.Kill(before.pid, syscall.SIGKILL); err != nil {
		return "", fmt.Errorf("kill process %d of %s: %w", before.pid, service, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	err = await(ctx, func() error {
		now, err := p.state(ctx, id)
		if err == nil && (now.restarts == before.restarts || !now.works) {
			err = fmt.Errorf("%s has not restarted", service)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	back := time.Since(begun)
	seen, err := p.moreCreates(ctx, 10)
	return fmt.Sprintf("runs again after %.1f s; %s", back.Seconds(), seen), err
}

// state is that of a container. It works if it runs and is not unhealthy.
type state struct {
	pid, restarts int
	works         bool
}

func (p *project) state(ctx context.Context, id string) (s state, err error) {
	const template = "{{.State.Pid}} {{.RestartCount}} {{.State.Status}} " +
		"{{if .State.Health}}{{.State.Health.Status}}{{end}}"
	found, err := p.inspect(ctx, template, id)
	if err != nil {
		return s, err
	}
	fields := strings.Fields(found[0])
	s.works = fields[2] == "running" && (len(fields) == 3 || fields[3] == "healthy")
	if s.pid, err = strconv.Atoi(fields[0]); err != nil {
		return s, err
	}
	s.restarts, err = strconv.Atoi(fields[1])
	return s, err
}
