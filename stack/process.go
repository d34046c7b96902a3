package stack

import (
	"cmp"
	"context"
	"errors"
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
	// stopPatience bounds a gentle end where the caller's context does not.
	stopPatience = 30 * time.Second
	// killPatience bounds the wait for a process that was sent SIGKILL, and groupTimeout that for the rest of its group.
	killPatience, groupTimeout = 10 * time.Second, 5 * time.Second
	// probeEvery is how often a starting process is asked whether it serves.
	probeEvery = 50 * time.Millisecond
	// tailBytes and tailLines bound what an error shows of a log.
	tailBytes = 16 << 10
	tailLines = 15
)

// Process is a child process. Its methods may be called at any time and from
// any goroutine, also after it has ended.
type Process struct {
	name   string
	log    string
	gentle syscall.Signal
	cmd    *exec.Cmd
	done   chan struct{}
	err    error // how it ended; set before done is closed
}

// spec is what to start and how.
type spec struct {
	name string
	path string
	args []string
	// env is the whole environment of the child; nil is our own.
	env []string
	// log is the file that gets what it prints, appended; none if empty.
	log string
	// gentle asks it to end; SIGTERM if zero.
	gentle syscall.Signal
	// orphaned is what it gets when we die (Linux); SIGKILL if zero.
	orphaned syscall.Signal
	// credential is the account it runs as; nil is our own.
	credential *syscall.Credential
}

// StartBinary starts the program at path and returns without waiting for it to
// serve. The name is for messages, env is added to our own environment, and what
// the program prints is appended to the file log. It is told to end by SIGTERM.
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
	if s.gentle == 0 {
		s.gentle = syscall.SIGTERM
	}
	if s.orphaned == 0 {
		s.orphaned = syscall.SIGKILL
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
	// A child of another account may not be able to enter our folder.
	if s.credential != nil {
		cmd.Dir = "/"
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes(s.orphaned)
	cmd.SysProcAttr.Credential = s.credential

	p := &Process{name: s.name, log: s.log, gentle: s.gentle, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that forked for the parent's
		// end, so this thread stays until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		// What it started and left running in its group ends with it.
		group := cmd.Process.Pid
		_ = syscall.Kill(-group, syscall.SIGKILL)
		awaitEnd(groupTimeout, func() []member {
			return processes(func(m member) bool { return m.group == group })
		})
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

// Name returns what the process is called in messages.
func (p *Process) Name() string { return p.name }

// PID returns its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogPath returns the file that gets what it prints.
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

// Wait waits until the process has ended by itself and returns how, with the end of its log if it failed. When ctx ends
// first, the process is killed and the error says so.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s was killed before it had ended: %w", p.name, ctx.Err()), p.Kill())
	}
	if p.err != nil {
		return p.withLog(fmt.Errorf("%s: %w", p.name, p.err))
	}
	return nil
}

// Stop asks the process to end and waits. When ctx ends first, its whole group
// is killed, and the error says so; without a deadline of its own ctx gets one of
// half a minute. Once the process has ended Stop does nothing.
func (p *Process) Stop(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopPatience)
		defer cancel()
	}
	// The leader alone: one that ends gently ends its own children gently.
	_ = p.cmd.Process.Signal(p.gentle)
	p.Thaw() // a frozen process receives the signal only when it continues
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

// Kill ends the process and its group with SIGKILL and waits until they have ended.
func (p *Process) Kill() error {
	if p.ended() { // its id may belong to another process by now
		return nil
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	select {
	case <-p.done:
		return nil
	case <-time.After(killPatience):
		return fmt.Errorf("kill %s: process %d is still there", p.name, p.PID())
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

// Await asks probe until it is content. A process that ends before that is an
// error, one that needs longer than ctx or limit allow is killed; the last lines
// of its log are in the error.
func (p *Process) Await(ctx context.Context, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		// The try that the deadline cuts short says nothing of the process.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-p.done:
			return p.withLog(fmt.Errorf("start %s: it ended while starting: %w", p.name, cmp.Or(p.err, errors.New("exit status 0"))))
		case <-ctx.Done():
			_ = p.Kill()
			return p.withLog(fmt.Errorf("start %s: it does not serve: %w", p.name, last))
		case <-tick.C:
		}
	}
}

// withLog adds the end of the log to an error.
func (p *Process) withLog(err error) error {
	return fmt.Errorf("%w\n%s\n(log: %s)", err, strings.Join(p.Tail(), "\n"), p.log)
}
