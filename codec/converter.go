package codec

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// Apply makes a client, and the workers that use it, encode with the codec.
func (c *Codec) Apply(o *client.Options) {
	o.DataConverter, o.FailureConverter = c.DataConverter(), c.FailureConverter()
}

// DataConverter returns a converter for clients, workers and replays. Inside a workflow it panics with an *Error if it
// cannot decrypt. The SDK then fails the workflow task, which Temporal repeats: the run continues once the worker has
// the key. An error would end the run as failed, or look to it like the failure of a step.
func (c *Codec) DataConverter() converter.DataConverter { return dataConverter{c.converter()} }

func (c *Codec) converter() converter.DataConverter {
	return converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
}

// FailureConverter returns a converter which also encrypts messages and stack traces of failures, if the codec
// encrypts.
func (c *Codec) FailureConverter() converter.FailureConverter {
	return failureConverter{codec: c, FailureConverter: temporal.NewDefaultFailureConverter(
		temporal.DefaultFailureConverterOptions{DataConverter: c.converter(), EncodeCommonAttributes: c.current != nil},
	)}
}

type dataConverter struct{ converter.DataConverter }

// WithContext returns d.
func (d dataConverter) WithContext(context.Context) converter.DataConverter { return d }

// WithWorkflowContext returns a converter that panics if it cannot decrypt.
func (d dataConverter) WithWorkflowContext(converter.WorkflowContext) converter.DataConverter {
	return inWorkflow(d)
}

// inWorkflow panics if it cannot decrypt.
type inWorkflow struct{ converter.DataConverter }

// FromPayload decodes a payload or panics.
func (w inWorkflow) FromPayload(payload *commonpb.Payload, to any) error {
	return panicUndecryptable(w.DataConverter.FromPayload(payload, to))
}

// FromPayloads decodes payloads or panics.
func (w inWorkflow) FromPayloads(payloads *commonpb.Payloads, to ...any) error {
	return panicUndecryptable(w.DataConverter.FromPayloads(payloads, to...))
}

func panicUndecryptable(err error) error {
	var undecryptable *Error
	if errors.As(err, &undecryptable) {
		panic(undecryptable)
	}
	return err
}

type failureConverter struct {
	converter.FailureConverter
	codec *Codec
}

// FailureToError converts a failure. If its message cannot be decrypted, the message says why.
func (f failureConverter) FailureToError(failure *failurepb.Failure) error {
	for cause := failure; cause != nil; cause = cause.GetCause() {
		f.codec.explain(cause)
	}
	return f.FailureConverter.FailureToError(failure)
}

// DecodeFailure decrypts the messages and stack traces of a failure and its causes, or replaces them by the reason why
// it cannot.
func (c *Codec) DecodeFailure(failure *failurepb.Failure) {
	for ; failure != nil; failure = failure.GetCause() {
		c.explain(failure)
		converter.DecodeCommonFailureAttributes(c.converter(), failure)
	}
}

// explain says in the message of a failure why it cannot be decrypted, if so.
func (c *Codec) explain(failure *failurepb.Failure) {
	encrypted := failure.GetEncodedAttributes()
	if encrypted == nil {
		return
	}
	if _, err := c.Decode([]*commonpb.Payload{encrypted}); err != nil {
		failure.Message = err.Error()
	}
}
