package stack

import "syscall"

// attributes gives a child its own process group and has the kernel send it
// orphaned when we die.
func attributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}
