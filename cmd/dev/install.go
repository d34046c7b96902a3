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

// findPostgres installs Postgres if it is needed, not installed, and we are root on Debian.
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
	return fmt.Errorf("%w.\nInstall it with\n\n\t%s\n\nor set DATABASE_URL to a running database", err,
		installCommand("postgresql"))
}

// findJanus installs Janus if it is needed, not installed, and we are root on Debian. If Janus is not installed in the
// end, the system has the stand-in.
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
			s.printf("%v", err)
		}
		if hasJanus() {
			return nil
		}
	}
	s.janusStandIn = true
	s.printf("Janus is not installed (to install it: %s); using a stand-in instead", installCommand("janus"))
	return nil
}

func hasJanus() bool {
	_, err := exec.LookPath("janus")
	return err == nil
}

// installCommand returns the command that installs a package.
func installCommand(pkg string) string {
	switch {
	case isDebian():
		return "sudo apt-get install " + pkg
	case runtime.GOOS == "darwin" && pkg == "postgresql":
		return "brew install postgresql@17"
	default:
		return "your system's package " + pkg
	}
}

func canInstall() bool { return os.Geteuid() == 0 && isDebian() }

func isDebian() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && exists("/etc/debian_version")
}

// install installs a Debian package and keeps it from starting services and from creating a database cluster.
func (s *system) install(ctx context.Context, pkg string) error {
	s.printf("installing package %s", pkg)
	for path, text := range map[string]string{
		"/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
		"/etc/postgresql-common/createcluster.d/minigroups-dev.conf": "create_main_cluster = false\n",
	} {
		remove, err := createFile(path, text)
		if err != nil {
			return fmt.Errorf("install %s: %w", pkg, err)
		}
		defer remove()
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = s.out, s.out
		// apt-get handles an interrupt, so that the package database stays consistent.
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("install %s: apt-get %s: %w", pkg, args[0], err)
		}
	}
	return nil
}

// createFile writes a file unless it exists, and returns a function that removes what it has created.
func createFile(path, text string) (remove func(), err error) {
	if exists(path) {
		return func() {}, nil
	}
	dir := filepath.Dir(path)
	newDir := !exists(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		return nil, err
	}
	return func() {
		_ = os.Remove(path)
		if newDir {
			_ = os.Remove(dir)
		}
	}, nil
}
