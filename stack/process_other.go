//go:build !linux

package stack

import "syscall"

// processAttributes gives a child a process group of its own. Only Linux has a parent death signal.
func processAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
