package process

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// forgetfulFrontend finds no namespace. describe is what it says when it has to ask its database.
type forgetfulFrontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	describe error
}

func (forgetfulFrontend) CountWorkflowExecutions(
	_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest,
) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound(r.GetNamespace())).Err()
}

func (f forgetfulFrontend) DescribeNamespace(
	context.Context, *workflowservice.DescribeNamespaceRequest,
) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, serviceerror.ToStatus(f.describe).Err()
}

func TestANamespaceIsMissingOnlyIfTheDatabaseOfTemporalSaysSo(t *testing.T) {
	var none *serviceerror.NamespaceNotFound
	var unavailable *serviceerror.Unavailable
	for name, c := range map[string]struct {
		describe error
		want     any
	}{
		"the namespace does not exist":       {serviceerror.NewNamespaceNotFound("default"), &none},
		"the database cannot be read":        {serviceerror.NewUnavailable("interrupted (9)"), &unavailable},
		"the database has just been reached": {nil, &unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := grpc.NewServer()
			workflowservice.RegisterWorkflowServiceServer(server, forgetfulFrontend{describe: c.describe})
			go server.Serve(listener) // until Stop
			t.Cleanup(server.Stop)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = temporal(t, listener.Addr().String(), nil).WorkflowService().CountWorkflowExecutions(ctx,
				&workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
			if !errors.As(err, c.want) {
				t.Errorf("got %v (%T)", err, err)
			}
		})
	}
}
