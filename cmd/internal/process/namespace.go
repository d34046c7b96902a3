package process

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// confirmNamespace lets a request fail as NamespaceNotFound only if the namespace does not exist. A frontend that has
// just started says so of every namespace while it cannot read its database. It reads the database for each
// DescribeNamespace, and returns the error of that. confirmNamespace is a grpc.UnaryClientInterceptor.
func confirmNamespace(
	ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	err := invoke(ctx, method, in, out, conn, options...)
	request, ok := in.(interface{ GetNamespace() string })
	if !ok || !isNamespaceNotFound(err) || method == workflowservice.WorkflowService_DescribeNamespace_FullMethodName {
		return err
	}
	namespace := request.GetNamespace()
	switch asked := invoke(ctx, workflowservice.WorkflowService_DescribeNamespace_FullMethodName,
		&workflowservice.DescribeNamespaceRequest{Namespace: namespace},
		&workflowservice.DescribeNamespaceResponse{}, conn); {
	case isNamespaceNotFound(asked):
		return err
	case asked != nil:
		return asked
	default:
		return status.Error(codes.Unavailable, fmt.Sprintf("Temporal has not found namespace %s, which exists", namespace))
	}
}

func isNamespaceNotFound(err error) bool {
	var none *serviceerror.NamespaceNotFound
	return errors.As(serviceerror.FromStatus(status.Convert(err)), &none)
}
