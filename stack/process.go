package stack

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// stopTimeout bounds Stop if the caller's context has no deadline.
	stopTimeout = 30 * time.Second
	// killTimeout bounds the wait for a process that was sent SIGKILL.
	killTimeout = 10 * time.Second
	// groupTimeout bounds the wait for the rest of a group whose leader has ended.
	groupTimeout = 5 * time.Second
	// tailBytes and tailLines bound what an error shows of a log.
	tailBytes = 16 << 10
	tailLines = 15
)

// Process is a child process. Its methods may be called at any time and from any goroutine, also after it has ended.
type Process struct {
	name       string
	log        string
	stopSignal syscall.Signal
	cmd        *exec.Cmd
	done       chan struct{}
	err        error // how it ended; set before done is closed
}

// spec says what to start and how.
type spec struct {
	name string
	path string
	args []string
	// env is the whole environment of the child; nil inherits ours.
	env []string
	// log is the file to which its output is appended; empty discards the output.
	log string
	// stopSignal asks it to end; SIGTERM if zero.
	stopSignal syscall.Signal
	// parentDeathSignal is what the kernel sends it when we die (Linux); SIGKILL if zero.
	parentDeathSignal syscall.Signal
	// credential is the account it runs as; nil is ours.
	credential *syscall.Credential
}

// StartBinary starts the program at path and returns without waiting until it serves. The name is used in messages, env
// is added to our environment, and the output is appended to the file log. Stop sends it SIGTERM.
func StartBinary(ctx context.Context, name, path string, args, env []string, log string) (*Process, error) {
	s := spec{name: name, path: path, args: args, log: log}
	if len(env) > 0 {
		s.env = append(os.Environ(), env...)
	}
	return start(ctx, s)
}

func start(ctx context.Context, s spec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	if s.stopSignal == 0 {
		s.stopSignal = syscall.SIGTERM
	}
	if s.parentDeathSignal == 0 {
		s.parentDeathSignal = syscall.SIGKILL
	}
	if s.log == "" {
		s.log = os.DevNull
	}
	out, err := os.OpenFile(s.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", s.name, err)
	}
	defer out.Close()

	cmd := exec.Command(s.path, s.args...) //nolint:noctx // the child outlives the context of its start
	cmd.Env = s.env
	if s.credential != nil {
		cmd.Dir = "/" // another account may not be able to enter our directory
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processAttributes(s.parentDeathSignal)
	cmd.SysProcAttr.Credential = s.credential

	p := &Process{name: s.name, log: s.log, stopSignal: s.stopSignal, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.supervise(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

// supervise starts the process, sends the result to started and waits until the process and its group have ended.
func (p *Process) supervise(started chan<- error) {
	// The kernel sends the parent death signal when the thread that forked ends, so this goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // what it left running in its group
	awaitEnd(groupTimeout, func() []member {
		return processes(func(m member) bool { return m.group == p.PID() })
	})
	close(p.done)
}

// Name returns the name of the process in messages.
func (p *Process) Name() string { return p.name }

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogPath returns the file that holds its output.
func (p *Process) LogPath() string { return p.log }

// Done is closed when the process and its group have ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended: nil while it runs and after exit status 0.
func (p *Process) Err() error {
	if p.ended() {
		return p.err
	}
	return nil
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Stop asks the process to end and waits until it has. If ctx ends first, Stop kills its group and returns an error. A
// ctx without a deadline gets one of 30 seconds. Stop returns nil if the process has ended already.
func (p *Process) Stop(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTimeout)
		defer cancel()
	}
	_ = p.cmd.Process.Signal(p.stopSignal) // not to its group: it ends its own children
	p.Thaw()                               // a frozen process receives the signal only when it continues
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("stop %s: it did not end by itself and was killed", p.name)
}

// Kill ends the process and its group with SIGKILL and waits until they have ended. It returns an error if they still
// run after 10 seconds, and nil if they have ended already.
func (p *Process) Kill() error {
	if p.ended() { // its id may belong to another process by now
		return nil
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	select {
	case <-p.done:
		return nil
	case <-time.After(killTimeout):
		return fmt.Errorf("kill %s: process %d still runs", p.name, p.PID())
	}
}

// Tail returns the last lines of the log, at most 15.
func (p *Process) Tail() []string {
	f, err := os.Open(p.log)
	if err != nil {
		return nil
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tailBytes), io.SeekStart)
	}
	text, _ := io.ReadAll(io.LimitReader(f, tailBytes))
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-tailLines):]
}

// withLog adds the end of the log to an error.
func (p *Process) withLog(err error) error {
	return fmt.Errorf("%w\n%s\n(log: %s)", err, strings.Join(p.Tail(), "\n"), p.log)
}
