package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Process is what a part runs as.
type Process interface {
	Kill() error
	Freeze() error
	Thaw()
	Stop(ctx context.Context) error
	Done() <-chan struct{}
	Err() error
	Tail() []string
}

// Part is one process of the world, which can be killed and started again, or frozen. One thing at a time happens to it.
type Part struct {
	name   string
	faults *FaultLog
	launch func(context.Context) (Process, error)
	// Gentle says that it is told to end rather than killed.
	Gentle bool

	mu      sync.Mutex // held while something happens to the part
	process Process
}

// New is a part that launch starts, each time it is started.
func NewPart(name string, faults *FaultLog, launch func(context.Context) (Process, error)) *Part {
	return &Part{name: name, faults: faults, launch: launch}
}

// Start starts it.
func (p *Part) Start(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process, err = p.launch(ctx)
	return err
}

// Kill ends the process, with SIGKILL unless it is gentle, and starts it again after a while.
func (p *Part) Kill(ctx context.Context, away time.Duration) error {
	if p.Gentle {
		return p.Restart(ctx, away)
	}
	return p.replace(ctx, "kill", away, func() error { return p.process.Kill() })
}

// Restart tells the process to end, and starts it again a while after it has ended, which it is to do well.
func (p *Part) Restart(ctx context.Context, away time.Duration) error {
	return p.replace(ctx, "restart", away, func() error {
		if err := p.process.Stop(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if err := p.process.Err(); err != nil {
			return fmt.Errorf("%s was told to end: %w\n%s", p.name, err, strings.Join(p.process.Tail(), "\n"))
		}
		return nil
	})
}

func (p *Part) replace(ctx context.Context, how string, away time.Duration, end func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.faults.Begin(p.name, how)()
	if err := end(); err != nil {
		return err
	}
	Pause(ctx, away)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	again, err := p.launch(ctx)
	if err != nil {
		return fmt.Errorf("start %s again: %w", p.name, err)
	}
	p.process = again
	return nil
}

// Freeze stops the process in its tracks for a while.
func (p *Part) Freeze(ctx context.Context, away time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.faults.Begin(p.name, "freeze")()
	if err := p.process.Freeze(); err != nil {
		return err
	}
	Pause(ctx, away)
	p.process.Thaw()
	return nil
}

// Name is what it is called.
func (p *Part) Name() string { return p.name }

// Running is the process that the part runs as now; a fault may end it at any time.
func (p *Part) Running() Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}

// Tail is the end of its log.
func (p *Part) Tail() []string { return p.Running().Tail() }

// TryHold keeps everything from happening to the part until Release, unless something does now.
func (p *Part) TryHold() bool { return p.mu.TryLock() }

// Release ends what TryHold began.
func (p *Part) Release() { p.mu.Unlock() }

// Ended reports whether the process has ended although nobody ended it.
func (p *Part) HasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.process.Done():
		return true
	default:
		return false
	}
}

// Stop ends it for good.
func (p *Part) Stop(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return
	}
	if err := p.process.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// Pause waits so long, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
