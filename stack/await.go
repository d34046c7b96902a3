package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// probeInterval is the pause between two probes of a starting process.
	probeInterval = 50 * time.Millisecond
	// probeTimeout bounds one request to a starting process.
	probeTimeout = 2 * time.Second
)

// Wait waits until the process has ended by itself. It returns an error with the end of the log if the process failed.
// If ctx ends first, Wait kills the process and returns an error.
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

// Await calls probe every 50 ms until it returns nil. It returns an error with the end of the log if the process ends
// first, or if limit or ctx ends first; then it kills the process.
func (p *Process) Await(ctx context.Context, limit time.Duration, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		// A probe that the deadline cut short says nothing about the process.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-p.done:
			how := cmp.Or(p.err, errors.New("exit status 0"))
			return p.withLog(fmt.Errorf("start %s: it ended while starting: %w", p.name, how))
		case <-ctx.Done():
			_ = p.Kill()
			return p.withLog(fmt.Errorf("start %s: it does not serve: %w", p.name, last))
		case <-tick.C:
		}
	}
}

// AwaitHTTP waits, as Await does, until a GET of every URL returns status 200.
func (p *Process) AwaitHTTP(ctx context.Context, limit time.Duration, urls ...string) error {
	return p.Await(ctx, limit, func(ctx context.Context) error {
		for _, url := range urls {
			if err := get(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
}

func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s returns %s: %s", url, response.Status, body)
	}
	return nil
}
