package codec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// refusal is an error as a step returns it.
func refusal() error {
	options := temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{teacher}, Cause: fmt.Errorf("no room for %s", teacher.Host),
	}
	return temporal.NewApplicationErrorWithOptions("refused for "+teacher.Host, "refused", options)
}

func TestFailuresShowNothing(t *testing.T) {
	c := newCodec(t, "1", newKey(t, "1", 1))
	failure := c.FailureConverter().ErrorToFailure(refusal())
	raw, err := proto.Marshal(failure)
	if err != nil || strings.Contains(string(raw), teacher.Host) {
		t.Errorf("%q, %v", raw, err)
	}
	var got *temporal.ApplicationError
	var details input
	if err := c.FailureConverter().FailureToError(failure); !errors.As(err, &got) ||
		!strings.HasPrefix(err.Error(), "refused for "+teacher.Host) || got.Type() != "refused" || !got.NonRetryable() ||
		got.Details(&details) != nil || details != teacher ||
		!strings.Contains(errors.Unwrap(got).Error(), "no room for "+teacher.Host) {
		t.Errorf("got %v, details %+v", err, details)
	}
}

func TestFailuresStayReadableWithoutAKeyToEncryptWith(t *testing.T) {
	failure := newCodec(t, "", newKey(t, "1", 1)).FailureConverter().ErrorToFailure(refusal())
	if failure.GetMessage() != "refused for "+teacher.Host || failure.GetEncodedAttributes() != nil {
		t.Errorf("got %v", failure)
	}
}

func TestFailuresSayWhichKeyIsMissing(t *testing.T) {
	failure := newCodec(t, "1", newKey(t, "1", 1)).FailureConverter().ErrorToFailure(refusal())
	err := newCodec(t, "").FailureConverter().FailureToError(failure)
	if err == nil || !strings.HasPrefix(err.Error(), `the payload is encrypted with the key "1"`) ||
		!strings.HasPrefix(errors.Unwrap(err).Error(), `the payload is encrypted with the key "1"`) {
		t.Errorf("got %v", err)
	}
}

func TestOnlyWorkflowsPanicWithoutTheKey(t *testing.T) {
	payload := encode(t, newCodec(t, "1", newKey(t, "1", 1)))
	without := newCodec(t, "")
	panics := func(what string, decode func() error) {
		t.Helper()
		defer func() {
			if _, ok := recover().(*Error); !ok {
				t.Errorf("%s: no panic", what)
			}
		}()
		t.Errorf("%s: %v", what, decode())
	}
	dc := without.DataConverter().(dataConverter)
	inside := dc.WithWorkflowContext(workflow.Context(nil))
	panics("a payload", func() error { return inside.FromPayload(payload, &input{}) })
	panics("payloads", func() error {
		return inside.FromPayloads(&commonpb.Payloads{Payloads: []*commonpb.Payload{payload}}, &input{})
	})
	var missing *Error
	if err := dc.WithContext(t.Context()).FromPayload(payload, &input{}); !errors.As(err, &missing) {
		t.Errorf("got %v", err)
	}
	// Another error stays one.
	var number int
	if err := inside.FromPayload(encode(t, without), &number); err == nil {
		t.Errorf("an object is the number %d", number)
	}
}

func TestDescribedRunsAreDecoded(t *testing.T) {
	c := newCodec(t, "1", newKey(t, "1", 1))
	described := &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{"input": encode(t, c)}},
		},
		PendingActivities: []*workflowpb.PendingActivityInfo{
			{LastFailure: c.FailureConverter().ErrorToFailure(refusal())}, {},
		},
	}
	describe := func(c *Codec) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		var reply workflowservice.DescribeWorkflowExecutionResponse
		return &reply, c.Intercept(t.Context(), "DescribeWorkflowExecution", nil, &reply, nil,
			func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				proto.Merge(reply.(proto.Message), described)
				return nil
			})
	}
	reply, err := describe(c)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, newCodec(t, ""), reply.GetWorkflowExecutionInfo().GetMemo().GetFields()["input"])
	failure := reply.GetPendingActivities()[0].GetLastFailure()
	if failure.GetMessage() != "refused for "+teacher.Host ||
		failure.GetCause().GetMessage() != "no room for "+teacher.Host {
		t.Errorf("got %v", failure)
	}
	_, err = describe(newCodec(t, ""))
	var refused *serviceerror.FailedPrecondition
	if !errors.As(serviceerror.FromStatus(status.Convert(err)), &refused) || !strings.Contains(err.Error(), `"1"`) {
		t.Errorf("got %v", err)
	}
	described.WorkflowExecutionInfo.Memo = nil
	reply, err = describe(newCodec(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*failurepb.Failure{
		reply.GetPendingActivities()[0].GetLastFailure(), reply.GetPendingActivities()[0].GetLastFailure().GetCause(),
	} {
		if !strings.Contains(f.GetMessage(), `the key "1", which this program does not have`) {
			t.Errorf("got %v", f)
		}
	}
}
