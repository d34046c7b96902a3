package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"go.uber.org/zap"

	"minigroups/minigroup"
)

// Ledger keeps what was announced, and what is to be broadcast. Its methods end when their context does.
type Ledger interface {
	// RecordRoomEvents commits what was announced; what belongs to no class of ours is dropped. Done twice it does the
	// same as once. It returns how many classes have ended by it: of each there is something to tell in the outbox.
	RecordRoomEvents(ctx context.Context, heard minigroup.RoomEvents) (ended int, err error)
	// Broadcast hands broadcasts to publish, one after the other, the oldest first and at most limit, and forgets those for
	// which it returned nil; told is how many. Whoever calls it at the same time is given others.
	PublishOutbox(ctx context.Context, limit int, publish func(context.Context, minigroup.OutboxEvent) error) (told int, err error)
}

// Observer counts. It is called from several goroutines and must not block.
type Observer interface {
	// Connected is called with true when this worker listens, and with false when it no longer does.
	Connected(bool)
	// Heard is called for each announcement that can be read: label is "room.create", "room.update", "room.close" or
	// "other", lag how long ago it was sent, 0 where it does not tell.
	Received(label string, lag time.Duration)
	// Dropped is called for each message that cannot be read: reason is "stranger topic", "malformed" or "flood".
	Dropped(reason string)
	// Told is called for each broadcast that the broker has taken.
	Published(label string)
}

// Options says where to listen, to whom, and in whose name.
type Options struct {
	// Broker is mqtt://host:port, or mqtts://host:port for TLS.
	Broker *url.URL
	// TLS is for mqtts; nil trusts whom the system trusts.
	TLS *tls.Config
	// ClientID names the session that the broker keeps while this process is away. No other process may use it meanwhile.
	ClientID string
	// Group is the shared subscription of all workers, of whom one is given each announcement. Empty: each hears all.
	Group string
	// Session is how long the broker keeps the session, at least 1s.
	Session time.Duration
	// Account is our own account id, in whose name broadcasts are told.
	Account string
	// Event and Conference are the account ids of those listened to.
	Event, Conference string
	// Audiences are those whose rooms are listened to; empty: all.
	Audiences []string
	// Token gives the password, anew for each connection.
	Token    func() (string, error)
	Ledger   Ledger
	Observer Observer
	Log      *zap.Logger
}

// check tells what can never work.
func (o Options) check() error {
	switch {
	case o.Broker == nil || o.Broker.Hostname() == "" || o.Broker.Scheme != "mqtt" && o.Broker.Scheme != "mqtts":
		return errors.New("the broker must be mqtt://host:port or mqtts://host:port")
	case o.ClientID == "":
		return errors.New("there is no client id")
	case o.Session < time.Second || o.Session > math.MaxUint32*time.Second:
		return fmt.Errorf("no session can last %v", o.Session)
	case o.Event == o.Conference:
		return errors.New("event and conference are the same account")
	}
	for _, level := range append([]string{o.Account, o.Event, o.Conference}, o.Audiences...) {
		if !isLevel(level) {
			return fmt.Errorf("%q cannot stand in a topic", level)
		}
	}
	if o.Group != "" && !isLevel(o.Group) {
		return fmt.Errorf("the group %q cannot stand in a topic", o.Group)
	}
	return nil
}
