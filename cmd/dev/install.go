package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"minigroups/stack"
)

// findPostgres installs a server where there is none and that is ours to do.
func (s *system) findPostgres(ctx context.Context) error {
	if !s.plan.needsPostgres() {
		return nil
	}
	_, err := stack.FindPostgres()
	if !errors.Is(err, stack.ErrNoPostgres) {
		return err
	}
	if canInstall() {
		return s.install(ctx, "postgresql")
	}
	return fmt.Errorf("%w.\nInstall it with\n\n\t%s\n\nor set DATABASE_URL to a database that runs already", err, howToInstall("postgresql"))
}

// findJanus installs the gateway where there is none and that is ours to do;
// where it is not to be had its stand-in does.
func (s *system) findJanus(ctx context.Context) error {
	if !s.plan.janus {
		return nil
	}
	if hasJanus() {
		return nil
	}
	if canInstall() {
		err := s.install(ctx, "janus")
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.say("%v", err)
		}
		if hasJanus() {
			return nil
		}
	}
	s.standIn = true
	s.say("Janus is not installed (%s): a stand-in takes its place", howToInstall("janus"))
	return nil
}

func hasJanus() bool {
	_, err := exec.LookPath("janus")
	return err == nil
}

// howToInstall says what to type.
func howToInstall(pkg string) string {
	switch {
	case debian():
		return "sudo apt-get install " + pkg
	case runtime.GOOS == "darwin" && pkg == "postgresql":
		return "brew install postgresql@17"
	default:
		return "your system's package " + pkg
	}
}

func canInstall() bool { return os.Geteuid() == 0 && debian() }

func debian() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && exists("/etc/debian_version")
}

// install installs a Debian package without letting it start anything: no
// service, and no database cluster of the system's own.
func (s *system) install(ctx context.Context, pkg string) error {
	s.say("installing the package %s", pkg)
	for path, text := range map[string]string{
		"/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
		"/etc/postgresql-common/createcluster.d/minigroups-dev.conf": "create_main_cluster = false\n",
	} {
		remove, err := lay(path, text)
		if err != nil {
			return fmt.Errorf("install %s: %w", pkg, err)
		}
		defer remove()
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = s.out, s.out
		// Asked to end, it leaves the package database whole.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("install %s: apt-get %s: %w", pkg, args[0], err)
		}
	}
	return nil
}

// lay puts a file where there is none and returns what removes it again.
func lay(path, text string) (remove func(), err error) {
	if exists(path) {
		return func() {}, nil
	}
	dir := filepath.Dir(path)
	made := !exists(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		return nil, err
	}
	return func() {
		_ = os.Remove(path)
		if made {
			_ = os.Remove(dir)
		}
	}, nil
}
