package temporal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	commonpb "go.temporal.io/api/common/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// Server is a Temporal server with one namespace. It is safe for concurrent use.
type Server struct {
	mu     sync.Mutex // never held while something waits
	runs   map[string]*run
	latest map[string]*run // by workflow id
	tasks  []task          // that no worker has taken
	polls  []*poll
	// newID returns the id of a new run.
	newID func() string
	// offered is called when there is a task.
	offered func()
	// ended are the runs that have ended by their own decision, since they were last asked for.
	ended []string
}

// New returns a server without runs. newID returns the ids of its runs. offered is called when there is a task to
// deliver; it must not block.
func New(newID func() string, offered func()) *Server {
	return &Server{runs: map[string]*run{}, latest: map[string]*run{}, newID: newID, offered: offered}
}

// Around is called around each request of a client. It may delay the request and its reply, and fail both.
type Around func(ctx context.Context, method string, send func() error) error

// Client returns a client of the server. identity names its process.
func (s *Server) Client(identity string, around Around) (client.Client, error) {
	answer := func(
		ctx context.Context, method string, request, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption,
	) error {
		err := around(ctx, s.name(method, request), func() error {
			answered, err := s.handle(ctx, request)
			if err == nil {
				proto.Merge(reply.(proto.Message), answered)
			}
			return err
		})
		if err != nil {
			proto.Reset(reply.(proto.Message))
		}
		return serviceerror.ToStatus(err).Err()
	}
	c, err := client.NewLazyClient(client.Options{
		HostPort: "passthrough:///memory", Namespace: namespace, Identity: identity,
		Logger:                  log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		WorkerHeartbeatInterval: -1,
		ConnectionOptions: client.ConnectionOptions{
			DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(answer)}, // the innermost one
		},
	})
	if err != nil {
		return nil, fmt.Errorf("client of the Temporal server in memory: %w", err)
	}
	return c, nil
}

const namespace = "simulation"

// handle answers one request.
func (s *Server) handle(ctx context.Context, request any) (proto.Message, error) {
	switch r := request.(type) {
	case *workflowservice.GetSystemInfoRequest:
		return &workflowservice.GetSystemInfoResponse{
			ServerVersion: "1.29.0", Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{
				ActivityFailureIncludeHeartbeat: true, EncodedFailureAttributes: true,
				InternalErrorDifferentiation: true, SdkMetadata: true, SignalAndQueryHeader: true,
			},
		}, nil
	case *healthpb.HealthCheckRequest:
		return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
	case *workflowservice.DescribeNamespaceRequest:
		return &workflowservice.DescribeNamespaceResponse{
			NamespaceInfo: &namespacepb.NamespaceInfo{Name: namespace},
		}, nil
	case *workflowservice.PollWorkflowTaskQueueRequest:
		return s.pollWorkflowTask(ctx, r), nil
	case *workflowservice.PollActivityTaskQueueRequest:
		return s.pollActivityTask(ctx, r), nil
	case *workflowservice.GetWorkflowExecutionHistoryRequest:
		return s.history(ctx, r)
	case *workflowservice.ShutdownWorkerRequest:
		return &workflowservice.ShutdownWorkerResponse{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := request.(type) {
	case *workflowservice.StartWorkflowExecutionRequest:
		return s.start(r)
	case *workflowservice.DescribeWorkflowExecutionRequest:
		return s.describe(r)
	case *workflowservice.RequestCancelWorkflowExecutionRequest:
		return s.requestCancel(r)
	case *workflowservice.TerminateWorkflowExecutionRequest:
		return s.terminate(r)
	case *workflowservice.ResetWorkflowExecutionRequest:
		return s.reset(r)
	case *workflowservice.RespondWorkflowTaskCompletedRequest:
		return s.completeWorkflowTask(r)
	case *workflowservice.RespondWorkflowTaskFailedRequest:
		return s.failWorkflowTask(r)
	case *workflowservice.RespondActivityTaskCompletedRequest:
		return s.completeActivity(r)
	case *workflowservice.RespondActivityTaskFailedRequest:
		return s.failActivity(r)
	case *workflowservice.RespondActivityTaskCanceledRequest:
		return s.cancelActivity(r)
	default:
		return nil, serviceerror.NewUnimplemented(fmt.Sprintf("%T", request))
	}
}

// find returns the run that an execution names: the latest of its workflow id if it has no run id.
func (s *Server) find(e *commonpb.WorkflowExecution) (*run, error) {
	r := s.latest[e.GetWorkflowId()]
	if e.GetRunId() != "" {
		r = s.runs[e.GetRunId()]
	}
	if r == nil || r.workflowID != e.GetWorkflowId() {
		return nil, serviceerror.NewNotFound("workflow not found")
	}
	return r, nil
}

// findOpen is find for a run that must be open.
func (s *Server) findOpen(e *commonpb.WorkflowExecution) (*run, error) {
	r, err := s.find(e)
	if err == nil && !r.open() {
		return nil, serviceerror.NewNotFound("workflow execution already completed")
	}
	return r, err
}
