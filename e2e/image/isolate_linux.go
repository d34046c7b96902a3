package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// isolate calls do in a copy of this process that has namespaces of its own for processes, mounts and the network, and
// returns its exit code. inside says that this process is the copy. When that copy ends, or this process, the kernel
// ends every process in the namespaces, and with them their mounts and networks.
func isolate(inside bool, do func() int) (code int, err error) {
	if inside && os.Getpid() == 1 { // the first process of its namespace, never of the machine's
		if err := mountAll(); err != nil {
			return 1, err
		}
		return do(), nil
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The signal of Pdeathsig is sent when the thread ends that has started the process.
	runtime.LockOSThread()
	args := append([]string{"-inside"}, os.Args[1:]...)
	cmd := exec.CommandContext(context.Background(), self, args...) //nolint:gosec // this program again
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
		Setpgid: true,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("make namespaces (needs root): %w", err)
	}
	go func() {
		for range signals {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// mountAll mounts what must be of the namespaces' own: /proc, and /run with the sockets of the engine.
func mountAll() error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{target: "/", flags: syscall.MS_REC | syscall.MS_PRIVATE}, // nothing below is seen outside
		{source: "proc", target: "/proc", kind: "proc"},
		{source: "tmpfs", target: "/run", kind: "tmpfs"},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}
