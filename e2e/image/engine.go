package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"minigroups/e2e/harness"
)

const (
	engineStartTimeout = time.Minute
	engineStopTimeout  = 30 * time.Second
	// cgroup is the parent of the cgroups of all containers.
	cgroup = "minigroups-image-test"
	// bridge is the engine's address on its default network, where containers reach the resolver.
	bridge = "172.17.0.1"
)

// engine is a Docker engine in the namespaces of this process.
type engine struct {
	version string
	process *exec.Cmd
	ended   chan struct{}
}

// startEngine starts an engine whose data are in the folder cache, and returns when it answers.
func startEngine(ctx context.Context, cache string) (*engine, error) {
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("start loopback: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(cache, "dockerd.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	dockerd := exec.CommandContext(context.WithoutCancel(ctx), "dockerd",
		"--data-root", filepath.Join(cache, "docker"), "--cgroup-parent", "/"+cgroup, "--bip", bridge+"/16", "--dns", bridge)
	dockerd.Stdout, dockerd.Stderr = log, log
	if err := dockerd.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	e := &engine{process: dockerd, ended: make(chan struct{})}
	go func() {
		_ = dockerd.Wait()
		close(e.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, engineStartTimeout)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, "docker", "info", "-f", "{{.ServerVersion}}, {{.Driver}}").Output()
		if err == nil {
			e.version = "Docker " + strings.TrimSpace(string(out))
			return e, nil
		}
		harness.Pause(ctx, 200*time.Millisecond)
		select {
		case <-e.ended:
			return nil, fmt.Errorf("the engine ended, see %s", log.Name())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the engine does not answer, see %s: %w", log.Name(), err), e.stop())
		default:
		}
	}
}

// stop stops the engine and removes its cgroups, which are all that it leaves outside the namespaces.
func (e *engine) stop() error {
	_ = e.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.ended:
	case <-time.After(engineStopTimeout):
		_ = e.process.Process.Kill()
		<-e.ended
	}
	parents, err := filepath.Glob("/sys/fs/cgroup/*/" + cgroup)
	if err != nil {
		return err
	}
	for _, parent := range append(parents, "/sys/fs/cgroup/"+cgroup) {
		err = errors.Join(err, removeCgroup(parent))
	}
	return err
}

// removeCgroup removes a cgroup and those in it. Only their folders can be removed, the innermost first.
func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() {
			err = errors.Join(err, removeCgroup(filepath.Join(path, entry.Name())))
		}
	}
	return errors.Join(err, os.Remove(path))
}
