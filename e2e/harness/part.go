package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Process is a child process, as package stack starts them.
type Process interface {
	Kill() error
	Freeze() error
	Thaw()
	Stop(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Tail() []string
}

// Part is one process of a system, which can be killed, restarted or frozen. These happen one at a time.
type Part struct {
	name   string
	faults *FaultLog
	launch func(context.Context) (Process, error)
	// Gentle makes Kill stop the process with SIGTERM.
	Gentle bool
	// Probe, if set, says whether the process answers. Then the part is supervised: see Supervise. Stop clears it.
	Probe func(context.Context) error

	mu      sync.Mutex // held while the process is started, stopped or frozen
	process Process
	thawed  []time.Time
}

// NewPart returns a part whose process launch starts, now and after each fault.
func NewPart(name string, faults *FaultLog, launch func(context.Context) (Process, error)) *Part {
	return &Part{name: name, faults: faults, launch: launch}
}

// Start starts the process.
func (p *Part) Start(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process, err = p.launch(ctx)
	return err
}

const (
	probeInterval = 500 * time.Millisecond
	probeTimeout  = time.Second
	// maxFailedProbes is after how many probes in a row a process is taken for one that hangs.
	maxFailedProbes = 4
)

// Supervise starts the process of a supervised part again whenever it ends by itself or hangs, until ctx ends or the
// part is stopped.
func (p *Part) Supervise(ctx context.Context) {
	probes := time.NewTicker(probeInterval)
	defer probes.Stop()
	for {
		select {
		case <-p.Running().Done():
		case <-probes.C:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		supervised, err := p.Probe != nil, p.revive(ctx)
		p.mu.Unlock()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if err != nil || !supervised {
			return
		}
	}
}

// revive starts a supervised process again that has ended by itself or hangs. The caller holds p.mu.
func (p *Part) revive(ctx context.Context) error {
	switch {
	case p.Probe == nil:
		return nil
	case p.hasEnded():
		defer p.faults.Begin(p.name, "ends by itself")()
		return p.launchAgain(ctx)
	case p.answers(ctx):
		return nil
	}
	defer p.faults.Begin(p.name, "does not answer")()
	for range maxFailedProbes - 1 {
		if p.answers(ctx) {
			return nil
		}
	}
	if err := p.process.Kill(); err != nil {
		return err
	}
	return p.launchAgain(ctx)
}

// answers sends a probe. It is true once ctx has ended.
func (p *Part) answers(ctx context.Context) bool {
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return p.Probe(probe) == nil || ctx.Err() != nil
}

// launchAgain starts the process that follows one that has ended. The caller holds p.mu.
func (p *Part) launchAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	process, err := p.launch(ctx)
	if err != nil {
		return fmt.Errorf("start %s again: %w", p.name, err)
	}
	p.process = process
	return nil
}

// Kill ends the process with SIGKILL, or stops it if it is gentle, and starts it again after a pause.
func (p *Part) Kill(ctx context.Context, pause time.Duration) error {
	if p.Gentle {
		return p.Restart(ctx, pause)
	}
	return p.replace(ctx, "kill", pause, func() error { return p.process.Kill() })
}

// Restart stops the process with SIGTERM and starts it again after a pause. It fails if the process ends with an error.
func (p *Part) Restart(ctx context.Context, pause time.Duration) error {
	return p.replace(ctx, "restart", pause, func() error {
		if err := p.process.Stop(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if err := p.process.Err(); err != nil {
			return fmt.Errorf("%s ended after SIGTERM: %w\n%s", p.name, err, strings.Join(p.process.Tail(), "\n"))
		}
		return nil
	})
}

// replace ends the process and starts another.
func (p *Part) replace(ctx context.Context, how string, pause time.Duration, end func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.revive(ctx); err != nil {
		return err
	}
	defer p.faults.Begin(p.name, how)()
	if err := end(); err != nil {
		return err
	}
	Pause(ctx, pause)
	return p.launchAgain(ctx)
}

// Replace replaces the process by the one that replace returns, as a fault of this name.
func (p *Part) Replace(
	ctx context.Context, how string, replace func(ctx context.Context, old Process) (Process, error),
) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.faults.Begin(p.name, how)()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	process, err := replace(ctx, p.process)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", how, p.name, err)
	}
	p.process = process
	return nil
}

// Freeze suspends the process for this long.
func (p *Part) Freeze(ctx context.Context, pause time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.revive(ctx); err != nil {
		return err
	}
	defer p.faults.Begin(p.name, "freeze")()
	if err := p.process.Freeze(); err != nil {
		return err
	}
	Pause(ctx, pause)
	p.thawed = append(p.thawed, time.Now()) // before the process may write to its log
	p.process.Thaw()
	return nil
}

// Thawed says when the process was thawed.
func (p *Part) Thawed() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.thawed)
}

// Name returns its name.
func (p *Part) Name() string { return p.name }

// Running returns the present process. A fault may end it at any time.
func (p *Part) Running() Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}

// Tail returns the last lines of its log.
func (p *Part) Tail() []string { return p.Running().Tail() }

// TryHold protects the part from faults until Release. It returns false if a fault is in progress.
func (p *Part) TryHold() bool { return p.mu.TryLock() }

// Release allows faults again after TryHold.
func (p *Part) Release() { p.mu.Unlock() }

// HasEnded reports whether the process has ended without a fault.
func (p *Part) HasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hasEnded()
}

func (p *Part) hasEnded() bool {
	select {
	case <-p.process.Done():
		return true
	default:
		return false
	}
}

// Stop stops the process. The part is not started again.
func (p *Part) Stop(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Probe = nil
	if p.process == nil {
		return
	}
	if err := p.process.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// Pause waits for this long, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
