package stack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// freezeTimeout bounds how long Freeze waits until every thread has stopped.
	freezeTimeout = 10 * time.Second
	// freezeRound is how long Freeze waits before it continues all processes and stops them again.
	freezeRound = 100 * time.Millisecond
	// lookInterval is the pause between two looks at the states of processes.
	lookInterval = 2 * time.Millisecond
)

// Freeze stops the process, the members of its group and its children with SIGSTOP, as a machine without CPU would. It
// returns once every thread of them has stopped according to /proc: from then on nothing is answered until Thaw. It
// returns an error, and continues everything, if the process has ended or a thread still runs after 10 seconds. Calling
// it twice is harmless. On systems without /proc it sends the signal and does not wait.
func (p *Process) Freeze() error {
	if p.ended() {
		return fmt.Errorf("freeze %s: it has ended", p.name)
	}
	if err := Freeze(p.PID()); err != nil {
		return fmt.Errorf("freeze %s: %w", p.name, err)
	}
	return nil
}

// Thaw continues a frozen process, the members of its group and its children. The kernel has made them runnable when it
// returns. It does nothing if the process is not frozen or has ended.
func (p *Process) Thaw() {
	if !p.ended() {
		Thaw(p.PID())
	}
}

// Freeze is Process.Freeze for a process that was started without this package.
func Freeze(pid int) error {
	deadline := time.Now().Add(freezeTimeout)
	pause := lookInterval
	for {
		running, err := stop(pid, freezeRound)
		if err == nil && len(running) == 0 {
			return nil
		}
		// A thread that called vfork cannot stop before its child runs another program, which a stopped child never does.
		// So everything runs for a while, longer after each round, and is stopped again.
		Thaw(pid)
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v still run %v after SIGSTOP", running, freezeTimeout)
		}
		time.Sleep(pause)
		pause = min(2*pause, freezeRound)
	}
}

// Thaw is Process.Thaw for a process that was started without this package.
func Thaw(pid int) { _ = signalFamily(pid, syscall.SIGCONT) }

// stop sends SIGSTOP to the family of a process until every thread has stopped, for at most limit. It returns the ids
// of the processes that still run.
func stop(pid int, limit time.Duration) (running []int, err error) {
	deadline := time.Now().Add(limit)
	for stoppedBefore := false; ; {
		if err := signalFamily(pid, syscall.SIGSTOP); err != nil {
			return nil, err
		}
		if !hasProc() {
			return nil, nil
		}
		family := familyOf(pid)
		if !family[0].isAlive() {
			return nil, errors.New("it has ended")
		}
		running = pids(family, member.runs)
		// A process that ran during one look may have forked after its children were listed. Stopped processes cannot
		// fork, so the second look in a row has seen all of them.
		if len(running) == 0 && stoppedBefore {
			return nil, nil
		}
		stoppedBefore = len(running) == 0
		if time.Now().After(deadline) {
			return running, nil
		}
		if !stoppedBefore {
			time.Sleep(lookInterval)
		}
	}
}

// signalFamily sends a signal to a process, to the group that it leads, if it does, and to its children. The error is
// that of the process itself.
func signalFamily(pid int, s syscall.Signal) error {
	err := syscall.Kill(pid, s)
	_ = syscall.Kill(-pid, s)
	for _, m := range familyOf(pid)[1:] {
		_ = syscall.Kill(m.pid, s)
	}
	return err
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}
