package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// process is what a part runs as.
type process interface {
	Kill() error
	Freeze()
	Thaw()
	Stop(ctx context.Context) error
	Done() <-chan struct{}
	Tail() []string
}

// part is one process of the world, which can be killed and started again, or frozen. One thing at a time happens to it.
type part struct {
	name   string
	faults *faultLog
	launch func(context.Context) (process, error)
	// gentle says that it is told to end rather than killed.
	gentle bool

	mu      sync.Mutex // held while something happens to the part
	process process
}

func newPart(name string, faults *faultLog, launch func(context.Context) (process, error)) *part {
	return &part{name: name, faults: faults, launch: launch}
}

func (p *part) start(ctx context.Context) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process, err = p.launch(ctx)
	return err
}

// kill ends the process, with SIGKILL unless it is gentle, and starts it again after a while.
func (p *part) kill(ctx context.Context, away time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	how, end := "kill", p.process.Kill
	if p.gentle {
		how, end = "restart", func() error { return p.process.Stop(context.WithoutCancel(ctx)) }
	}
	defer p.faults.begin(p.name, how)()
	if err := end(); err != nil {
		return err
	}
	pause(ctx, away)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	again, err := p.launch(ctx)
	if err != nil {
		return fmt.Errorf("start %s again: %w", p.name, err)
	}
	p.process = again
	return nil
}

// freeze stops the process in its tracks for a while.
func (p *part) freeze(ctx context.Context, away time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.faults.begin(p.name, "freeze")()
	p.process.Freeze()
	pause(ctx, away)
	p.process.Thaw()
}

// ended reports whether the process has ended although nobody ended it.
func (p *part) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.process.Done():
		return true
	default:
		return false
	}
}

func (p *part) stop(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return
	}
	if err := p.process.Stop(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// pause waits so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
