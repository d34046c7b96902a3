package pool_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"minigroups/sandbox/pool"
)

func acquire(t *testing.T, p *pool.Pool, n int) {
	t.Helper()
	for range n {
		if err := p.Acquire(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestPool(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"an acquisition fails after the timeout": func(t *testing.T) {
			p := pool.New(2, 0)
			acquire(t, p, 2)
			begun := time.Now()
			if err := p.Acquire(t.Context()); !errors.Is(err, pool.ErrTimeout) || time.Since(begun) != 5*time.Second {
				t.Errorf("got %v after %s", err, time.Since(begun))
			}
			if got, want := p.State(), (pool.State{Connections: 2, InUse: 2, MaxInUse: 2, TimedOut: 1}); got != want {
				t.Errorf("got %+v", got)
			}
		},
		"connections are granted in the order of the requests": func(t *testing.T) {
			p := pool.New(1, time.Hour)
			acquire(t, p, 1)
			var order []int
			for i := range 5 {
				go func() {
					acquire(t, p, 1)
					order = append(order, i)
					p.Release()
				}()
				synctest.Wait()
			}
			if got := p.State().Waiting; got != 5 {
				t.Errorf("%d wait", got)
			}
			p.Release()
			synctest.Wait()
			if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
				t.Errorf("got %v", order)
			}
			if got, want := p.State(), (pool.State{Connections: 1, MaxInUse: 1}); got != want {
				t.Errorf("got %+v", got)
			}
		},
		"callers who wait for each other fail together": func(t *testing.T) {
			p := pool.New(2, 0)
			failed := make(chan error, 2)
			for range 2 {
				go func() {
					acquire(t, p, 1)
					time.Sleep(time.Second) // both have their first connection
					failed <- p.Acquire(t.Context())
					p.Release()
				}()
				time.Sleep(pool.DefaultTimeout / 10_000) // half a millisecond
			}
			for range 2 {
				if err := <-failed; !errors.Is(err, pool.ErrTimeout) {
					t.Errorf("got %v", err)
				}
			}
			if got, want := p.State(), (pool.State{Connections: 2, MaxInUse: 2, TimedOut: 2}); got != want {
				t.Errorf("got %+v", got)
			}
		},
		"a caller that leaves the queue lets the others pass": func(t *testing.T) {
			p := pool.New(1, time.Hour)
			acquire(t, p, 1)
			ctx, cancel := context.WithCancel(t.Context())
			left, granted := make(chan error, 1), make(chan error, 1)
			go func() { left <- p.Acquire(ctx) }()
			synctest.Wait()
			go func() { granted <- p.Acquire(t.Context()) }()
			synctest.Wait()
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			p.Release()
			if err := <-granted; err != nil {
				t.Errorf("got %v", err)
			}
			if got, want := p.State(), (pool.State{Connections: 1, InUse: 1, MaxInUse: 1}); got != want {
				t.Errorf("got %+v", got)
			}
		},
		"a larger pool serves those that wait": func(t *testing.T) {
			p := pool.New(1, time.Hour)
			acquire(t, p, 1)
			go acquire(t, p, 2)
			synctest.Wait()
			p.Resize(2)
			synctest.Wait()
			if got, want := p.State(), (pool.State{Connections: 2, InUse: 2, MaxInUse: 2, Waiting: 1}); got != want {
				t.Errorf("got %+v", got)
			}
			p.Resize(0)
			acquire(t, p, 100)
			synctest.Wait()
			if got, want := p.State(), (pool.State{InUse: 103, MaxInUse: 103}); got != want {
				t.Errorf("got %+v", got)
			}
		},
		"a caller whose context has ended gets no connection": func(t *testing.T) {
			p := pool.New(0, 0)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := p.Acquire(ctx); !errors.Is(err, context.Canceled) || p.State() != (pool.State{}) {
				t.Errorf("got %v, %+v", err, p.State())
			}
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}
