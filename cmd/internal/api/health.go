package api

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"minigroups/cmd/internal/process"
	"minigroups/workflows"
)

// The states of Temporal, the worker and the broker that /readyz shows.
const (
	stateOK          = "ok"
	stateUnreachable = "unreachable"
	stateRefused     = "refuses the requests of this service, which the log explains"
)

const (
	// stateTimeout bounds each check, so that a probe of /readyz is answered in time.
	stateTimeout = time.Second
	// namespaceCheckedFor is how long the state of Temporal is remembered, because a check takes several requests.
	namespaceCheckedFor = 5 * time.Second
)

// namespaceState checks whether Temporal answers and its namespace has what migrate has added. Concurrent calls share a
// check, and so do those of the next five seconds.
type namespaceState struct {
	check func(context.Context) error
	log   *zap.Logger

	mu      sync.Mutex // held during a check
	checked time.Time
	state   string
}

// newNamespaceState returns the state of a Temporal namespace.
func newNamespaceState(temporal client.Client, namespace string, log *zap.Logger) *namespaceState {
	return &namespaceState{log: log, check: func(ctx context.Context) error {
		return workflows.CheckNamespace(ctx, temporal, namespace)
	}}
}

// describe returns the state in a few words, within a second.
func (n *namespaceState) describe(ctx context.Context) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.checked) < namespaceCheckedFor {
		return n.state
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stateTimeout) // other callers share the result
	defer cancel()
	err := n.check(ctx)
	state := describeNamespace(err)
	if state != n.state && err != nil {
		n.log.Warn("Temporal is not ready", zap.Error(err))
	}
	n.state, n.checked = state, time.Now()
	return state
}

// describeNamespace returns what callers may know of an error of workflows.CheckNamespace.
func describeNamespace(err error) string {
	var lacks *workflows.NamespaceError
	switch {
	case err == nil:
		return stateOK
	case errors.As(err, &lacks):
		return lacks.Detail
	case workflows.IsRefused(err):
		return stateRefused
	default:
		return stateUnreachable
	}
}

// workerState returns a check whether the worker of this process polls Temporal; nil if it has none.
func workerState(polls *process.Polls, hosted bool) func() string {
	if !hosted {
		return nil
	}
	return func() string {
		if polls.Polling() != nil {
			return "does not poll Temporal"
		}
		return stateOK
	}
}

// brokerState returns a check whether the broker accepts connections.
func brokerState(broker string) func(context.Context) string {
	target, err := url.Parse(broker) // config has checked it
	if err != nil || broker == "" {
		return func(context.Context) string {
			return "not configured: rooms whose reply was lost are not found, and classes end by their time alone"
		}
	}
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, stateTimeout)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", target.Host)
		if err != nil {
			return stateUnreachable
		}
		_ = conn.Close()
		return stateOK
	}
}
