package process

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

const (
	// acceptedAfter is the age at which a poll that is not answered counts as accepted: Temporal lets a poll wait for a
	// task, and refuses one at once.
	acceptedAfter = 5 * time.Second
	// stuckAfter is how long no poll may end until the worker counts as stuck. The SDK bounds a poll by 70 s.
	stuckAfter = 5 * time.Minute
)

// pollRequests are the requests with which a worker polls.
var pollRequests = []string{"PollWorkflowTaskQueue", "PollActivityTaskQueue"}

// Polls knows whether the Temporal worker of a process polls for tasks. It watches the SDK's requests, because the SDK
// repeats a refused poll or stops the worker, and tells neither to the program. It is a prometheus.Collector.
type Polls struct {
	mu     sync.Mutex
	hosted bool // the process has a worker
	// notRunning is why no worker runs at present; nil while one runs.
	notRunning error
	kinds      map[string]*polls // by request
}

// polls are the polls of one kind.
type polls struct {
	// failure is the error of the poll that ended last; nil after a success.
	failure  error
	failedAt time.Time
	// endedAt is when the last poll ended, or when the worker started.
	endedAt time.Time
	// open has the time at which each poll began that has not ended.
	open map[*time.Time]struct{}
}

// NewPolls returns the Polls of a process that has no worker yet.
func NewPolls() *Polls {
	p := &Polls{kinds: map[string]*polls{}}
	for _, name := range pollRequests {
		p.kinds[name] = &polls{open: map[*time.Time]struct{}{}}
	}
	return p
}

// Stopped records that no worker runs, and why. The process counts as hosting a worker from the first call on.
func (p *Polls) Stopped(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosted, p.notRunning = true, why
}

// Started records that a worker runs. Polls that have failed before count until one succeeds, because the SDK does not
// ask Temporal for the namespace again when it starts a second worker.
func (p *Polls) Started() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosted, p.notRunning = true, nil
	for _, kind := range p.kinds {
		kind.endedAt = time.Now()
	}
}

// Polling returns nil if the worker of the process polls for workflow tasks and for activities, or if the process has
// no worker, and otherwise an error that says why it does not.
func (p *Polls) Polling() error {
	if err := p.Stuck(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.notRunning != nil {
		return p.notRunning
	}
	for _, name := range pollRequests {
		kind := p.kinds[name]
		if kind.failure != nil && !kind.isAccepted() {
			return fmt.Errorf("%s: %w", name, kind.failure)
		}
	}
	return nil
}

// isAccepted reports whether Temporal has accepted a poll since one has failed.
func (k *polls) isAccepted() bool {
	for begun := range k.open {
		if !begun.Before(k.failedAt) && time.Since(*begun) >= acceptedAfter {
			return true
		}
	}
	return false
}

// Stuck returns an error if a worker runs and no poll has ended for five minutes, with or without success. Only a new
// process helps then.
func (p *Polls) Stuck() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hosted || p.notRunning != nil {
		return nil
	}
	for _, name := range pollRequests {
		if since := time.Since(p.kinds[name].endedAt); since > stuckAfter {
			return fmt.Errorf("%s: no poll has ended for %s", name, since.Round(time.Second))
		}
	}
	return nil
}

// intercept watches one request to Temporal. It is a grpc.UnaryClientInterceptor.
func (p *Polls) intercept(
	ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	kind, ok := p.kinds[path.Base(method)]
	if !ok {
		return invoke(ctx, method, in, out, conn, options...)
	}
	begun := time.Now()
	p.mu.Lock()
	kind.open[&begun] = struct{}{}
	p.mu.Unlock()
	err := invoke(ctx, method, in, out, conn, options...)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(kind.open, &begun)
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // the worker stops
	}
	kind.endedAt = time.Now()
	if kind.failure = err; err != nil {
		kind.failedAt = kind.endedAt
	}
	return err
}

var workerPolling = newDesc("minigroups_worker_polling",
	"1 if this worker polls Temporal for workflow tasks and activities, otherwise 0.")

// Describe implements prometheus.Collector.
func (*Polls) Describe(descs chan<- *prometheus.Desc) { descs <- workerPolling }

// Collect implements prometheus.Collector.
func (p *Polls) Collect(metrics chan<- prometheus.Metric) {
	metrics <- prometheus.MustNewConstMetric(workerPolling, prometheus.GaugeValue, boolValue(p.Polling() == nil))
}
