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
	// publishTimeout bounds the wait for the acknowledgement of one event, publishBatchTimeout that for a whole batch.
	publishTimeout      = 3 * time.Second
	publishBatchTimeout = 5 * time.Second
	// publishLease is how long the events of a batch are kept from other workers: until the batch is settled. If this
	// worker ends before, another one publishes them after the lease.
	publishLease = publishBatchTimeout + 2*ledgerTimeout
	// refusalPause is how long an event is left that the broker has refused. Other events are published meanwhile.
	refusalPause = 10 * time.Second
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
// event, but the published ones are still removed from the outbox until grace ends. No connection to the ledger is held
// while it waits for the broker.
func (c *connection) publishBatch(ctx, grace context.Context) (more bool) {
	claiming, cancel := context.WithTimeout(ctx, ledgerTimeout)
	events, err := c.Ledger.ClaimOutbox(claiming, publishBatchSize, publishLease)
	cancel()
	if err != nil || len(events) == 0 {
		c.warnUnlessEnded(ctx, "reading the outbox failed, retrying", err)
		return false
	}
	outcome, err := c.publishEach(ctx, grace, events)
	c.warnUnlessEnded(ctx, "publishing outbox events failed, retrying", err)
	settling, cancel := context.WithTimeout(grace, ledgerTimeout)
	defer cancel()
	err = c.Ledger.SettleOutbox(settling, outcome, refusalPause)
	if err != nil {
		c.Log.Warn("removing published events from the outbox failed, they will be published again", zap.Error(err))
	}
	return err == nil && len(events) == publishBatchSize && len(outcome.Unpublished) == 0 && ctx.Err() == nil
}

// publishEach publishes events, one after the other, and returns what became of them and the first error. It stops when
// the broker does not answer.
func (c *connection) publishEach(
	ctx, grace context.Context, events []minigroup.OutboxEvent,
) (outcome minigroup.OutboxOutcome, firstErr error) {
	batchCtx, cancel := context.WithTimeout(grace, publishBatchTimeout)
	defer cancel()
	for i, e := range events {
		if ctx.Err() != nil {
			outcome.Unpublished = idsOf(events[i:])
			return outcome, firstErr
		}
		publishCtx, cancel := context.WithTimeout(batchCtx, publishTimeout)
		err := c.publish(publishCtx, e)
		cancel()
		if firstErr == nil {
			firstErr = err
		}
		switch {
		case err == nil:
			outcome.Published = append(outcome.Published, e.ID)
		case errors.Is(err, errRefused):
			outcome.Refused = append(outcome.Refused, e.ID)
		default:
			outcome.Unpublished = idsOf(events[i:])
			return outcome, firstErr
		}
	}
	return outcome, firstErr
}

func idsOf(events []minigroup.OutboxEvent) []int64 {
	ids := make([]int64, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

// warnUnlessEnded logs an error, unless there is none or ctx has ended.
func (c *connection) warnUnlessEnded(ctx context.Context, message string, err error) {
	if err != nil && ctx.Err() == nil {
		c.Log.Warn(message, zap.Error(err))
	}
}

var (
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
	packet, err := c.packet(e, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", errUnpublishable, err)
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

// permanentReasons are the reason codes that depend on the message alone. All other reasons may be temporary. In MQTT
// 3.1.1 there are no reason codes: the broker accepts each message or disconnects.
var permanentReasons = []byte{
	packets.PubackTopicNameInvalid, packets.PubackPayloadFormatInvalid, packets.DisconnectPacketTooLarge,
}

// packet returns the message of an event in the form that belongs to the protocol. The platform's gateway converts
// between the two forms, so subscribers with either protocol receive theirs. It would wrap an envelope that arrives in
// MQTT 5 into another one.
func (o Options) packet(e minigroup.OutboxEvent, now time.Time) (*paho.Publish, error) {
	p := &paho.Publish{Topic: topicOf(o.Account, e.Audience), QoS: 1, Properties: &paho.PublishProperties{}}
	if o.Protocol == Protocol311 {
		var err error
		p.Payload, err = wrap(e, now)
		return p, err
	}
	p.Payload, p.Properties.ContentType = e.Payload, "application/json"
	p.Properties.User.Add("type", "event").Add("label", e.Label).Add("timestamp", timestamp(now))
	return p, nil
}

// timestamp returns the text of a time in the properties of an event.
func timestamp(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

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
	envelope.Properties.Timestamp = timestamp(now)
	return json.Marshal(envelope)
}
