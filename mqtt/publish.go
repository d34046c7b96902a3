package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

const (
	// pollInterval is how often the outbox is polled. Events that this worker puts there are published immediately.
	pollInterval = 2 * time.Second
	// publishTimeout bounds the wait for the acknowledgement of one event, publishBatchTimeout that for a whole batch. The
	// ledger has ledgerTimeout on top of that to remove the published events.
	publishTimeout      = 3 * time.Second
	publishBatchTimeout = 5 * time.Second
	// publishBatchSize is the maximum number of events per batch.
	publishBatchSize = 50
)

// publishAll publishes the outbox until ctx ends.
func (c *connection) publishAll(ctx context.Context) {
	grace, cancel := withGrace(ctx)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		for c.publishBatch(ctx, grace) {
		}
		select {
		case <-poll.C:
		case <-c.wakeups:
		case <-ctx.Done():
			return
		}
	}
}

// wakePublisher makes publishAll read the outbox immediately.
func (r *runner) wakePublisher() {
	select {
	case r.wakeups <- struct{}{}:
	default:
	}
}

// publishBatch publishes the oldest events. It reports whether there may be more. When ctx ends it starts no further
// event, but the ledger still removes the published ones until grace ends.
func (c *connection) publishBatch(ctx, grace context.Context) (more bool) {
	end := time.Now().Add(publishBatchTimeout)
	ledgerCtx, cancel := context.WithDeadline(grace, end.Add(ledgerTimeout))
	defer cancel()
	var firstErr error
	unresponsive := false // the broker did not answer: skip the rest of the batch
	publish := func(eventCtx context.Context, e minigroup.OutboxEvent) error {
		if unresponsive || ctx.Err() != nil {
			return errSkipped
		}
		publishCtx, cancel := context.WithDeadline(eventCtx, earlier(end, time.Now().Add(publishTimeout)))
		defer cancel()
		err := c.publish(publishCtx, e)
		unresponsive = err != nil && !errors.Is(err, errRefused)
		if firstErr == nil {
			firstErr = err
		}
		return err
	}
	published, err := c.Ledger.PublishOutbox(ledgerCtx, publishBatchSize, publish)
	if firstErr != nil && ctx.Err() == nil {
		c.Log.Warn("publishing outbox events failed, retrying", zap.Error(firstErr))
	}
	if err != nil {
		c.Log.Warn("processing the outbox failed, retrying", zap.Error(err))
	}
	return err == nil && published == publishBatchSize && ctx.Err() == nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

var (
	// errSkipped is returned for an event that was not attempted.
	errSkipped = errors.New("not attempted")
	// errRefused is returned for an event that the broker refuses now but may accept later. It may accept other events.
	errRefused = errors.New("the broker refuses the event")
	// errUnpublishable is returned for an event that the broker can never accept.
	errUnpublishable = errors.New("the event can never be published")
)

// publish publishes an event and returns when the broker has acknowledged it. It logs and discards an event that can
// never be published, so that it does not block others: then it returns nil.
func (c *connection) publish(ctx context.Context, e minigroup.OutboxEvent) error {
	err := c.send(ctx, e)
	if errors.Is(err, errUnpublishable) {
		c.Log.Error("outbox event discarded",
			zap.String("label", e.Label), zap.String("audience", e.Audience), zap.Error(err))
		return nil
	}
	if err == nil {
		c.Observer.Published(e.Label)
	}
	return err
}

func (c *connection) send(ctx context.Context, e minigroup.OutboxEvent) error {
	if !isLevel(e.Audience) {
		return fmt.Errorf("%w: its audience is not a valid topic level", errUnpublishable)
	}
	body, err := wrap(e, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", errUnpublishable, err)
	}
	packet := &paho.Publish{
		Topic: topicOf(c.Account, e.Audience), QoS: 1, Payload: body,
		Properties: &paho.PublishProperties{ContentType: "application/json"},
	}
	// The library does not check the size, and the broker disconnects when a packet is too large.
	size, _ := packet.Packet().WriteTo(io.Discard)
	if c.maxSentPacket > 0 && size > c.maxSentPacket {
		return fmt.Errorf("%w: it has %d bytes, and the broker accepts %d", errUnpublishable, size, c.maxSentPacket)
	}
	answer, err := c.client.Publish(ctx, packet)
	switch {
	case err == nil:
		c.poison = poisonDetector{}
		return nil
	case answer == nil && c.hasEnded() && c.poison.disconnectedAt(e):
		return fmt.Errorf("%w: the broker disconnected at it %d times", errUnpublishable, maxDisconnects)
	case answer == nil:
		return fmt.Errorf("publish: %w", err)
	case slices.Contains(permanentReasons, answer.ReasonCode):
		return fmt.Errorf("%w: the broker refuses it with reason code %#x", errUnpublishable, answer.ReasonCode)
	default:
		return fmt.Errorf("%w with reason code %#x", errRefused, answer.ReasonCode)
	}
}

// permanentReasons are the reason codes that depend on the message alone. All other reasons may be temporary.
var permanentReasons = []byte{
	packets.PubackTopicNameInvalid, packets.PubackPayloadFormatInvalid, packets.DisconnectPacketTooLarge,
}

// wrap puts an event into the envelope that unwrap reads.
func wrap(e minigroup.OutboxEvent, now time.Time) ([]byte, error) {
	var envelope struct {
		Payload    string `json:"payload"`
		Properties struct {
			Type      string `json:"type"`
			Label     string `json:"label"`
			Timestamp string `json:"timestamp"`
		} `json:"properties"`
	}
	envelope.Payload = string(e.Payload)
	envelope.Properties.Type, envelope.Properties.Label = "event", e.Label
	envelope.Properties.Timestamp = strconv.FormatInt(now.UnixMilli(), 10)
	return json.Marshal(envelope)
}
