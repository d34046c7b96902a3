package stack

import "syscall"

// processAttributes gives a child a process group of its own and has the kernel send it parentDeath when we die.
func processAttributes(parentDeath syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: parentDeath}
}
