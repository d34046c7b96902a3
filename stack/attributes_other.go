//go:build !linux

package stack

import "syscall"

// attributes gives a child its own process group. Other systems cannot tie its
// life to ours.
func attributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
