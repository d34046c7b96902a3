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
	// lookEvery is how often the outbox is looked into. What this worker puts in is told at once.
	lookEvery = 2 * time.Second
	// publishTry bounds the wait for the broker's answer to one broadcast, roundTry for those of a round, which ledgerTry
	// gives the ledger time to note.
	publishTry = 3 * time.Second
	roundTry   = 5 * time.Second
	// roundMaximum is how many broadcasts a round takes out of the outbox.
	roundMaximum = 50
)

// tellAll tells what is in the outbox until ctx ends.
func (c *connection) tellAll(ctx context.Context) {
	longer, giveUp := outlive(ctx)
	defer giveUp()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		for c.tellRound(ctx, longer) {
		}
		select {
		case <-look.C:
		case <-c.news:
		case <-ctx.Done():
			return
		}
	}
}

// wake has the outbox looked into.
func (l *listener) wake() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// tellRound tells the oldest broadcasts. It reports whether there are more. When ctx ends it begins no further one, but
// the ledger still learns which were told.
func (c *connection) tellRound(ctx, longer context.Context) (more bool) {
	end := time.Now().Add(roundTry)
	noted, cancel := context.WithDeadline(longer, end.Add(ledgerTry))
	defer cancel()
	var failed error // the first
	silent := false  // the broker does not answer: the rest is not tried
	told, err := c.Ledger.PublishOutbox(noted, roundMaximum, func(one context.Context, b minigroup.OutboxEvent) error {
		if silent || ctx.Err() != nil {
			return errNotTried
		}
		one, cancel := context.WithDeadline(one, earlier(end, time.Now().Add(publishTry)))
		defer cancel()
		err := c.tell(one, b)
		silent = err != nil && !errors.Is(err, errRefused)
		if failed == nil {
			failed = err
		}
		return err
	})
	if failed != nil && ctx.Err() == nil {
		c.Log.Warn("broadcasts are not told yet", zap.Error(failed))
	}
	if err != nil {
		c.Log.Warn("the outbox cannot be emptied yet", zap.Error(err))
	}
	return err == nil && told == roundMaximum && ctx.Err() == nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

var (
	// errNotTried is that of a broadcast whose time has not come.
	errNotTried = errors.New("it was not tried")
	// errRefused is that of a broadcast which the broker does not take at present. It may take others.
	errRefused = errors.New("the broker refuses it")
	// errUnspeakable is that of a broadcast which no other try makes better.
	errUnspeakable = errors.New("it can never be told")
)

// tell publishes a broadcast and returns when the broker has taken it. What can never be told counts as told, lest it
// keep others from being told.
func (c *connection) tell(ctx context.Context, b minigroup.OutboxEvent) error {
	err := c.publish(ctx, b)
	if errors.Is(err, errUnspeakable) {
		c.Log.Error("a broadcast is given up", zap.String("label", b.Label), zap.String("audience", b.Audience), zap.Error(err))
		return nil
	}
	if err == nil {
		c.Observer.Published(b.Label)
	}
	return err
}

func (c *connection) publish(ctx context.Context, b minigroup.OutboxEvent) error {
	if !isLevel(b.Audience) {
		return fmt.Errorf("%w: its audience cannot stand in a topic", errUnspeakable)
	}
	body, err := seal(b, time.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", errUnspeakable, err)
	}
	message := &paho.Publish{
		Topic: topicOf(c.Account, b.Audience), QoS: 1, Payload: body,
		Properties: &paho.PublishProperties{ContentType: "application/json"},
	}
	// The library sends whatever it is given, and the broker hangs up on what is too large.
	size, _ := message.Packet().WriteTo(io.Discard)
	if c.tellMaximum > 0 && size > c.tellMaximum {
		return fmt.Errorf("%w: it has %d bytes, and the broker takes %d", errUnspeakable, size, c.tellMaximum)
	}
	answer, err := c.client.Publish(ctx, message)
	switch {
	case err == nil:
		c.poison = poison{}
		return nil
	case answer == nil && c.isOver() && c.poison.isFound(b):
		return fmt.Errorf("%w: each time the broker hangs up", errUnspeakable)
	case answer == nil:
		return fmt.Errorf("publish: %w", err)
	case slices.Contains(forGood, answer.ReasonCode):
		return fmt.Errorf("%w: the broker refuses it with reason code %#x", errUnspeakable, answer.ReasonCode)
	default:
		return fmt.Errorf("%w with reason code %#x", errRefused, answer.ReasonCode)
	}
}

// forGood are the reason codes by which a broker refuses this very message. Whatever else it refuses for may pass.
var forGood = []byte{packets.PubackTopicNameInvalid, packets.PubackPayloadFormatInvalid, packets.DisconnectPacketTooLarge}

// seal puts a broadcast into the envelope that parse opens.
func seal(b minigroup.OutboxEvent, now time.Time) ([]byte, error) {
	var envelope struct {
		Payload    string `json:"payload"`
		Properties struct {
			Type      string `json:"type"`
			Label     string `json:"label"`
			Timestamp string `json:"timestamp"`
		} `json:"properties"`
	}
	envelope.Payload = string(b.Payload)
	envelope.Properties.Type, envelope.Properties.Label = "event", b.Label
	envelope.Properties.Timestamp = strconv.FormatInt(now.UnixMilli(), 10)
	return json.Marshal(envelope)
}
