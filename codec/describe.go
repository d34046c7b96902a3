package codec

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Intercept decodes the memo of a described run and the failures of its steps, which the SDK passes on as it receives
// them. It is a grpc.UnaryClientInterceptor. If the memo cannot be decrypted, the error is FailedPrecondition, which
// the SDK does not repeat.
func (c *Codec) Intercept(
	ctx context.Context, method string, request, reply any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if err := invoke(ctx, method, request, reply, conn, options...); err != nil {
		return err
	}
	described, ok := reply.(*workflowservice.DescribeWorkflowExecutionResponse)
	if !ok {
		return nil
	}
	memo := described.GetWorkflowExecutionInfo().GetMemo().GetFields()
	for name, payload := range memo {
		decrypted, err := c.Decode([]*commonpb.Payload{payload})
		if err != nil {
			return status.Error(codes.FailedPrecondition, err.Error())
		}
		memo[name] = decrypted[0]
	}
	for _, step := range described.GetPendingActivities() {
		c.DecodeFailure(step.GetLastFailure())
	}
	return nil
}
