package batch_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"minigroups/batch"
)

// source is a Load that a test holds back and counts.
type source struct {
	mu sync.Mutex // held by the test to keep calls waiting

	calls atomic.Int64
	sizes sync.Map // number of keys of each call
	err   error
	value atomic.Int64
}

func (s *source) load(ctx context.Context, keys []string) ([]string, error) {
	s.sizes.Store(s.calls.Add(1), len(keys))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || ctx.Err() != nil {
		return nil, errors.Join(s.err, ctx.Err())
	}
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = fmt.Sprint(k, " is ", s.value.Load())
	}
	return values, nil
}

var options = batch.Options{Size: 16, Concurrency: 2, Slow: 5 * time.Millisecond, Timeout: 10 * time.Second}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// hold keeps all calls of the source waiting until the returned function is called, with as many calls under way as the
// reader allows.
func (s *source) hold(t *testing.T, r *batch.Batcher[string, string], readers *sync.WaitGroup) (release func()) {
	t.Helper()
	s.mu.Lock()
	for range options.Concurrency {
		calls := s.calls.Load()
		readers.Go(func() { _, _ = r.Do(t.Context(), "filler") })
		eventually(t, "a read is under way", func() bool { return s.calls.Load() > calls })
		time.Sleep(options.Slow + time.Millisecond) // from then on the next read starts another call
	}
	return s.mu.Unlock
}

func TestReadsThatArriveTogetherAreOneCall(t *testing.T) {
	s := new(source)
	r := batch.New(s.load, options)
	var readers sync.WaitGroup
	release := s.hold(t, r, &readers)
	before := s.calls.Load()
	n := 5 * options.Size
	for i := range n {
		readers.Go(func() {
			key := fmt.Sprint("key ", i%7)
			if got, err := r.Do(t.Context(), key); err != nil || got != key+" is 0" {
				t.Errorf("%s: got %q, %v", key, got, err)
			}
		})
	}
	eventually(t, "all reads wait", func() bool { return r.Waiting() == n })
	if calls := s.calls.Load(); calls != before {
		t.Errorf("%d calls are under way, more than %d", calls, options.Concurrency)
	}
	release()
	readers.Wait()
	if got, want := s.calls.Load()-before, int64(n/options.Size); got != want {
		t.Errorf("%d reads were %d calls, want %d", n, got, want)
	}
	s.sizes.Range(func(_, size any) bool {
		if size.(int) > options.Size {
			t.Errorf("a call had %d keys", size)
		}
		return true
	})
}

func TestALoneReadIsACallOfItsOwn(t *testing.T) {
	s := new(source)
	r := batch.New(s.load, options)
	for i := range int64(10) {
		if got, err := r.Do(t.Context(), "key"); err != nil || got != "key is 0" {
			t.Errorf("got %q, %v", got, err)
		}
		if calls := s.calls.Load(); calls != i+1 {
			t.Errorf("%d reads were %d calls", i+1, calls)
		}
	}
}

func TestAReadSeesWhatWasWrittenBeforeIt(t *testing.T) {
	s := new(source)
	r := batch.New(s.load, options)
	var readers sync.WaitGroup
	for range 32 {
		readers.Go(func() {
			for range 200 {
				least := s.value.Add(1)
				text, err := r.Do(t.Context(), "key")
				var got int64
				if _, scanErr := fmt.Sscanf(text, "key is %d", &got); err != nil || scanErr != nil || got < least {
					t.Errorf("got %q, %v, want at least %d", text, err, least)
				}
			}
		})
	}
	readers.Wait()
	if n := r.Waiting(); n != 0 {
		t.Errorf("%d reads are left", n)
	}
}

func TestAReaderThatLeavesIsInNoCall(t *testing.T) {
	s := new(source)
	r := batch.New(s.load, options)
	var stay, leave sync.WaitGroup
	release := s.hold(t, r, &stay)
	ctx, cancel := context.WithCancel(t.Context())
	stay.Go(func() {
		if _, err := r.Do(t.Context(), "stays"); err != nil {
			t.Error(err)
		}
	})
	leave.Go(func() {
		if _, err := r.Do(ctx, "leaves"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	eventually(t, "both wait", func() bool { return r.Waiting() == 2 })
	cancel()
	leave.Wait()
	if n := r.Waiting(); n != 1 {
		t.Errorf("%d wait, want the one that stays", n)
	}
	release()
	stay.Wait()
	calls := s.calls.Load()
	if _, err := r.Do(ctx, "never enters"); !errors.Is(err, context.Canceled) || s.calls.Load() != calls {
		t.Errorf("got %v after %d calls", err, s.calls.Load()-calls)
	}
}

func TestAnErrorReachesEveryReaderOfTheCall(t *testing.T) {
	s := &source{err: errors.New("no connection")}
	r := batch.New(s.load, options)
	var readers sync.WaitGroup
	release := s.hold(t, r, &readers)
	for range 10 {
		readers.Go(func() {
			if got, err := r.Do(t.Context(), "key"); !errors.Is(err, s.err) || got != "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	eventually(t, "all wait", func() bool { return r.Waiting() == 10 })
	release()
	readers.Wait()
}

func TestACallThatReturnsTooFewValuesFails(t *testing.T) {
	r := batch.New(func(context.Context, []string) ([]string, error) { return nil, nil }, options)
	if got, err := r.Do(t.Context(), "key"); err == nil || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestACallEndsAtItsTimeoutAndNotWithItsReader(t *testing.T) {
	type mark struct{}
	started, ended := make(chan any, 1), make(chan error, 1)
	o := options
	o.Timeout = 50 * time.Millisecond
	r := batch.New(func(ctx context.Context, _ []string) ([]string, error) {
		started <- ctx.Value(mark{})
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}, o)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), mark{}, "trace"))
	left := make(chan error)
	go func() {
		_, err := r.Do(ctx, "key")
		left <- err
	}()
	if got := <-started; got != "trace" {
		t.Errorf("the call has %v of its reader's context", got)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the reader got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call ended with %v", err)
	}
}
