package process

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const service = "/temporal.api.workflowservice.v1.WorkflowService/"

var errDenied = status.Error(codes.PermissionDenied, "request unauthorized")

// answer sends one request, which is answered after this time.
func (p *Polls) answer(ctx context.Context, request string, after time.Duration, answer error) {
	_ = p.intercept(ctx, service+request, nil, nil, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			time.Sleep(after)
			return answer
		})
}

// both sends one poll of each kind.
func (p *Polls) both(after time.Duration, answer error) {
	for _, request := range pollRequests {
		p.answer(context.Background(), request, after, answer)
	}
}

func TestAWorkerIsReadyOnlyWhileItPolls(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(t *testing.T, p *Polls)
		polling string // a part of the reason why it does not poll; empty: it does
		stuck   bool
	}{
		"a process without a worker": {happens: func(*testing.T, *Polls) {}},
		"a worker that has not started": {
			happens: func(_ *testing.T, p *Polls) { p.Stopped(errors.New("not started yet")) },
			polling: "not started yet",
		},
		"a worker that has started": {happens: func(_ *testing.T, p *Polls) { p.Started() }},
		"polls that are answered": {happens: func(_ *testing.T, p *Polls) {
			p.Started()
			p.both(time.Minute, nil)
		}},
		"polls that are refused": {
			happens: func(_ *testing.T, p *Polls) {
				p.Started()
				p.both(0, errDenied)
			},
			polling: "PollWorkflowTaskQueue: rpc error: code = PermissionDenied",
		},
		"only polls for activities are refused": {
			happens: func(t *testing.T, p *Polls) {
				p.Started()
				p.both(0, nil)
				p.answer(t.Context(), "PollActivityTaskQueue", 0, errDenied)
			},
			polling: "PollActivityTaskQueue",
		},
		"other requests are refused": {happens: func(t *testing.T, p *Polls) {
			p.Started()
			p.answer(t.Context(), "StartWorkflowExecution", 0, errDenied)
		}},
		"polls that are answered after a refusal": {happens: func(_ *testing.T, p *Polls) {
			p.Started()
			p.both(0, errDenied)
			p.both(0, nil)
		}},
		"a worker that the SDK has stopped": {
			happens: func(_ *testing.T, p *Polls) {
				p.Started()
				p.Stopped(errors.New("stopped: namespace not found"))
			},
			polling: "namespace not found",
		},
		"a worker that was started again after a refusal": {
			happens: func(_ *testing.T, p *Polls) {
				p.Started()
				p.both(0, errDenied)
				p.Stopped(errors.New("stopped"))
				p.Started()
			},
			polling: "PermissionDenied",
		},
		"polls that end because the worker stops": {happens: func(t *testing.T, p *Polls) {
			p.Started()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p.answer(ctx, "PollActivityTaskQueue", 0, status.Error(codes.Canceled, "canceled"))
		}},
		"a worker whose polls do not end": {
			happens: func(_ *testing.T, p *Polls) {
				p.Started()
				time.Sleep(6 * time.Minute)
			},
			polling: "no poll has ended for 6m0s", stuck: true,
		},
		"a worker that polls after a long time": {happens: func(_ *testing.T, p *Polls) {
			p.Started()
			time.Sleep(6 * time.Minute)
			p.both(time.Second, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPolls()
				c.happens(t, p)
				err := p.Polling()
				if (err != nil) != (c.polling != "") || (err != nil && !strings.Contains(err.Error(), c.polling)) {
					t.Errorf("polling: got %v, want %q", err, c.polling)
				}
				if stuck := p.Stuck() != nil; stuck != c.stuck {
					t.Errorf("stuck is %v", stuck)
				}
				metrics := make(chan prometheus.Metric, 1)
				p.Collect(metrics)
				var gauge dto.Metric
				if err := (<-metrics).Write(&gauge); err != nil || (gauge.Gauge.GetValue() == 1) != (c.polling == "") {
					t.Errorf("the metric is %v, %v", gauge.Gauge, err)
				}
				wantStatus(t, probe(p.Polling), c.polling != "")
				wantStatus(t, probe(p.Stuck), c.stuck)
			})
		})
	}
}

// wantStatus checks that a probe answers 200, or 503 if it fails.
func wantStatus(t *testing.T, probe http.Handler, fails bool) {
	t.Helper()
	r := httptest.NewRecorder()
	probe.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	want := http.StatusOK
	if fails {
		want = http.StatusServiceUnavailable
	}
	if r.Code != want {
		t.Errorf("the probe answers %d %s, want %d", r.Code, r.Body, want)
	}
}

func TestAnOpenPollThatTemporalHasAcceptedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPolls()
		p.Started()
		p.both(0, errDenied)
		var open sync.WaitGroup
		defer open.Wait()
		for _, request := range pollRequests {
			open.Go(func() { p.answer(t.Context(), request, time.Minute, nil) })
		}
		time.Sleep(acceptedAfter - time.Millisecond)
		if p.Polling() == nil {
			t.Error("a poll counts before Temporal can have refused it")
		}
		time.Sleep(time.Millisecond)
		if err := p.Polling(); err != nil {
			t.Error(err)
		}
	})
}
